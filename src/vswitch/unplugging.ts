import { checkSlot } from '../addressing/slot.js'
import { asEcdockError, EcdockError } from '../errors.js'
import type { Backend, Surroundings } from './backend.js'
import { hostIfname } from './names.js'
import { portMark } from './record.js'
import type { BulkOptions, UnplugOutcome } from './vswitch.js'

/** Slots that are taken out in one go: the kernel waits once for all of them. */
const SLOTS_A_CALL = 512

/** Takes targets out. Only interfaces that carry our mark, for this vswitch and slot, are touched. */
export async function unplugAll(
  backend: Backend,
  around: Surroundings,
  slots: readonly number[],
  options: BulkOptions<UnplugOutcome> = {},
): Promise<UnplugOutcome[]> {
  const outcomes: UnplugOutcome[] = []
  for (let at = 0; at < slots.length; at += SLOTS_A_CALL) {
    const some = slots.slice(at, at + SLOTS_A_CALL)
    const ended =
      options.signal?.aborted === true
        ? some.map((slot) =>
            failure(slot, new EcdockError('CANCELLED', 'unplug', 'the unplug was cancelled')),
          )
        : await unplugSome(backend, around, some)
    for (const [offset, outcome] of ended.entries()) {
      outcomes.push(outcome)
      options.onOutcome?.(outcome, at + offset)
    }
  }
  return outcomes
}

async function unplugSome(
  backend: Backend,
  around: Surroundings,
  slots: readonly number[],
): Promise<UnplugOutcome[]> {
  const refused = new Map<number, EcdockError>()
  const wanted = new Set<number>()
  for (const slot of slots) {
    try {
      checkSlot(backend.subnet, slot, backend.maxSlot === undefined ? {} : { max: backend.maxSlot })
      wanted.add(slot)
    } catch (error) {
      refused.set(slot, asEcdockError(error, 'unplug'))
    }
  }
  try {
    backend.requirePresent?.()
    const internal = [...wanted].filter((slot) => backend.internal?.has(slot))
    if (internal.length > 0) await backend.internal?.unplug(internal, around)
    const slotsWanted = [...wanted].filter((slot) => !internal.includes(slot))
    const sides = slotsWanted.map((slot) => ({ slot, mark: portMark(backend.name, slot, backend.home) }))
    const removals = await backend.places.remove(around, sides)
    for (const [at, slot] of slotsWanted.entries()) {
      const removal = removals[at]
      if (removal instanceof EcdockError) refused.set(slot, removal)
      else if (removal !== 'deleted') refused.set(slot, empty(backend, slot, removal === 'foreign'))
    }
  } catch (error) {
    for (const slot of wanted) refused.set(slot, asEcdockError(error, 'unplug'))
  }
  const seen = new Set<number>()
  return slots.map((slot) => {
    const error = refused.get(slot)
    if (error !== undefined) return failure(slot, error)
    if (seen.has(slot)) return failure(slot, empty(backend, slot, false))
    seen.add(slot)
    return { ok: true, slot }
  })
}

function empty(backend: Backend, slot: number, foreign: boolean): EcdockError {
  const why = foreign ? `; ${hostIfname(backend.name, slot)} is there, but it is not ours` : ''
  return new EcdockError('SLOT_EMPTY', 'unplug', `slot ${slot} of ${backend.name} is empty${why}`, {
    hint: '"ecdock-fast ls" shows what is plugged in.',
  })
}

function failure(slot: number, error: EcdockError): UnplugOutcome {
  return { ok: false, slot, error }
}
