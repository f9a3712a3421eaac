import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'

/** What `--slot 1-16777214` could ask for at most: more slots than this in one command are a slip of the hand. */
const MOST_SLOTS = 65_536

/** A slot number as people write it: decimal digits only, so that 1e3, 0x1, +1, 01 and 1x are refused. */
export function parseSlot(text: string): number {
  if (/^[1-9][0-9]{0,7}$/.test(text)) return Number(text)
  throw new EcdockError('SLOT_INVALID', 'command line', `${quoted(text)} is not a slot number`, {
    hint: 'Slots are numbered 1, 2, 3, …',
  })
}

/** Slots and ranges such as `3 5-8`, in the order given, each slot once. */
export function parseSlots(texts: readonly string[]): number[] {
  const slots = new Set<number>()
  for (const text of texts) {
    const [low = '', high, ...rest] = text.split('-')
    if (rest.length > 0 || low === '') throw badRange(text)
    const first = parseSlot(low)
    const last = high === undefined ? first : parseSlot(high)
    if (last < first) throw badRange(text)
    if (last - first >= MOST_SLOTS - slots.size) {
      const message = `${quoted(text)} holds more slots than one command takes (${MOST_SLOTS})`
      throw new EcdockError('SLOT_INVALID', 'command line', message)
    }
    for (let slot = first; slot <= last; slot++) slots.add(slot)
  }
  return [...slots]
}

/** A whole number from `low` to `high`, in decimal digits only; `what` names it in the error. */
export function parseWhole(text: string, what: string, low: number, high: number): number {
  const number = /^(0|[1-9][0-9]{0,8})$/.test(text) ? Number(text) : Number.NaN
  if (number >= low && number <= high) return number
  const message = `${what} ${quoted(text)} is not a whole number from ${low} to ${high}`
  throw new EcdockError('USAGE', 'command line', message)
}

function badRange(text: string): EcdockError {
  return new EcdockError(
    'SLOT_INVALID',
    'command line',
    `${quoted(text)} is neither a slot nor a range of slots`,
    {
      hint: 'Write a slot as 3 and a range as 1-8.',
    },
  )
}
