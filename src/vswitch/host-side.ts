import { EcdockError } from '../errors.js'
import type { Link, MarkedLink, Removal } from '../kernel/kernel.js'
import type { Backend, HostSides, Surroundings } from './backend.js'
import { hostIfname } from './names.js'

type HostSided = HostSides & Pick<Backend, 'name'>

/** The links of the namespaces that hold the host sides. Throws VSWITCH_NOT_FOUND when one is gone. */
export async function hostSideLinks(backend: HostSided, { kernel }: Surroundings): Promise<Link[]> {
  const links = backend.hostNetnses().map((netns) => kernel.links(netns))
  return (await unlessDeleted(backend, Promise.all(links))).flat()
}

/** The host side of this slot's port. Throws VSWITCH_NOT_FOUND when its namespace is gone. */
export async function hostSide(
  backend: HostSided,
  { kernel }: Surroundings,
  slot: number,
): Promise<Link | undefined> {
  const name = hostIfname(backend.name, slot)
  const usual = backend.hostNetns(slot)
  for (const netns of [usual, ...backend.hostNetnses().filter((other) => other !== usual)]) {
    const [link] = await unlessDeleted(backend, kernel.linksByName(netns, [name]))
    if (link !== undefined) return link
  }
  return undefined
}

/**
 * Deletes the host sides of these slots that carry the mark, and their other ends with them: at once in each namespace.
 * One outcome for each, in order. Throws VSWITCH_NOT_FOUND when a namespace is gone.
 */
export async function deleteHostSides(
  backend: HostSided,
  { kernel }: Surroundings,
  sides: readonly { slot: number; mark: string }[],
): Promise<(Removal | undefined)[]> {
  const byNetns = new Map<string, { at: number; link: MarkedLink }[]>()
  for (const [at, { slot, mark }] of sides.entries()) {
    const netns = backend.hostNetns(slot)
    const some = byNetns.get(netns) ?? []
    some.push({ at, link: { name: hostIfname(backend.name, slot), mark } })
    byNetns.set(netns, some)
  }
  const outcomes: (Removal | undefined)[] = sides.map(() => undefined)
  for (const [netns, some] of byNetns) {
    const links = some.map(({ link }) => link)
    const removals = await unlessDeleted(backend, kernel.deleteMarkedLinks(netns, links))
    for (const [index, { at }] of some.entries()) outcomes[at] = removals[index]
  }
  // Somebody may have deleted the row that told where they are.
  const missing = sides.flatMap((side, at) => (outcomes[at] === 'deleted' ? [] : [{ ...side, at }]))
  for (const netns of missing.length === 0 ? [] : backend.hostNetnses()) {
    const elsewhere = missing.filter(({ slot }) => backend.hostNetns(slot) !== netns)
    const links = elsewhere.map(({ slot, mark }) => ({ name: hostIfname(backend.name, slot), mark }))
    const removals = await unlessDeleted(backend, kernel.deleteMarkedLinks(netns, links))
    for (const [index, { at }] of elsewhere.entries()) {
      if (removals[index] === 'deleted') outcomes[at] = 'deleted'
    }
  }
  return outcomes
}

export function vswitchDeleted(name: string, cause?: unknown): EcdockError {
  return new EcdockError('VSWITCH_NOT_FOUND', 'find vswitch', `vswitch ${name} has been deleted`, {
    hint: '"ecdock-fast cleanup" removes what is left of it; "ecdock-fast ls" shows the vswitches.',
    cause,
  })
}

/** What was read or changed there, or VSWITCH_NOT_FOUND when the namespace of the host sides is gone. */
async function unlessDeleted<T>(backend: HostSided, reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (error) {
    if (!(error instanceof EcdockError) || error.code !== 'TARGET_NOT_FOUND') throw error
    throw vswitchDeleted(backend.name, error)
  }
}
