import { asEcdockError, EcdockError } from '../../errors.js'
import type { Kernel, Link, ScatteredLink } from '../../kernel/kernel.js'
import type { PortRemoval } from '../backend.js'
import { type PortRecord, parsePortAlias } from '../record.js'
import type { PortLabel } from './labels.js'
import { namespaceIdAt, reachableNamespaces } from './namespaces.js'

/** A tap of ours, in the namespace that it was found in. */
export interface MarkedTap {
  netns: string
  /** Inode number of that namespace. */
  netnsId: number
  link: Link
  record: PortRecord
}

/** Namespaces that are looked into at the same time. */
const AT_ONCE = 64

/** A vswitch as the marks of its taps name it. */
export interface TapOwner {
  name: string
  home?: string | undefined
}

/**
 * The taps of a vswitch, by the marks that they carry, in all namespaces that can be reached, or in these: for when no
 * switch process can tell. Those of another vswitch of the same name, with files elsewhere, are none of them. It takes a
 * fraction of a millisecond for each namespace of the machine.
 */
export async function markedTaps(
  kernel: Kernel,
  { name, home }: TapOwner,
  within: ReadonlyMap<number, string> = reachableNamespaces(),
): Promise<MarkedTap[]> {
  const namespaces = [...within]
  const found: MarkedTap[] = []
  for (let at = 0; at < namespaces.length; at += AT_ONCE) {
    const some = namespaces.slice(at, at + AT_ONCE)
    const links = await Promise.all(some.map(([id, netns]) => linksUnlessGone(kernel, netns, id)))
    for (const [index, [netnsId, netns]] of some.entries()) {
      for (const link of links[index] ?? []) {
        const record = link.kind === 'tun' ? parsePortAlias(link.alias) : undefined
        if (record?.vswitch === name && record.home === home) found.push({ netns, netnsId, link, record })
      }
    }
  }
  return found.sort((a, b) => a.record.slot - b.record.slot)
}

/**
 * Those of them that no process has open, and that have no carrier for it (tun_detach in drivers/net/tun.c). One that a
 * process has may be another vswitch's, of the same name, when both are from before marks named a home.
 */
export async function abandonedTaps(kernel: Kernel, owner: TapOwner): Promise<MarkedTap[]> {
  return (await markedTaps(kernel, owner)).filter(({ link }) => !link.carrier)
}

/** A port whose tap is to go. */
interface DoomedTap {
  /** What the tap's alias begins with. */
  mark: string
  /** As the switch has it: where the tap was when it was plugged in, and what it was called. */
  record: PortLabel
}

/** Deletes the taps of ports, wherever they are now, and whatever they are called. One outcome for each, in order. */
export async function deleteTaps(kernel: Kernel, taps: readonly DoomedTap[]): Promise<PortRemoval[]> {
  const links = taps.map(({ mark, record }) => ({ netns: record.netns, name: record.ifname, mark }))
  const outcomes: PortRemoval[] = await kernel.deleteScatteredLinks(links)
  const left = [...taps.entries()].filter(([at]) => outcomes[at] !== 'deleted')
  if (left.length === 0) return outcomes
  const namespaces = reachableNamespaces()
  const found = await Promise.allSettled(left.map(([, tap]) => findTap(kernel, tap, namespaces)))
  const elsewhere: { at: number; link: ScatteredLink }[] = []
  for (const [index, [at]] of left.entries()) {
    const looked = found[index]
    if (looked?.status === 'rejected') outcomes[at] = asEcdockError(looked.reason, 'unplug')
    else if (looked?.value !== undefined) elsewhere.push({ at, link: looked.value })
  }
  const removals = await kernel.deleteScatteredLinks(elsewhere.map(({ link }) => link))
  for (const [index, { at }] of elsewhere.entries()) outcomes[at] = removals[index]
  return outcomes
}

/**
 * Where a tap is that is not where it was: the process that led to its namespace has ended, while another lives there, or
 * somebody has given it another name. It keeps its mark.
 */
async function findTap(
  kernel: Kernel,
  { mark, record }: DoomedTap,
  namespaces: ReadonlyMap<number, string>,
): Promise<ScatteredLink | undefined> {
  const same = namespaceIdAt(record.netns) === record.netnsId
  const netns = same ? record.netns : namespaces.get(record.netnsId)
  if (netns === undefined) return undefined
  const links = await linksUnlessGone(kernel, netns, record.netnsId)
  const tap = links.find(({ kind, alias }) => kind === 'tun' && alias.startsWith(mark))
  return tap && { netns, name: tap.name, mark }
}

/**
 * The links of a namespace, which may end while others are looked into: then it has none. What the kernel says of that
 * is no matter (ENOENT, or EACCES when a process ends in that instant: proc_ns_get_link in fs/proc/namespaces.c), but
 * that the path leads there no more. Nor has what is no namespace, such as what an unmounted one leaves in /run/netns.
 */
async function linksUnlessGone(kernel: Kernel, netns: string, id: number): Promise<Link[]> {
  try {
    return await kernel.links(netns)
  } catch (error) {
    const isNone = error instanceof EcdockError && error.code === 'NOT_A_NETNS'
    if (isNone || namespaceIdAt(netns) !== id) return []
    throw error
  }
}
