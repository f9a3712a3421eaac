import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'

/** Passes a whole number of this range. Throws USAGE, which calls it `what`. */
export function within(what: string, value: number, lowest: number, highest: number): number {
  if (Number.isInteger(value) && value >= lowest && value <= highest) return value
  throw new EcdockError(
    'USAGE',
    'openflow',
    `${what} ${quoted(value)} is not a whole number from ${lowest} to ${highest}`,
  )
}

/** Passes a number of 64 bits. Throws USAGE, which calls it `what`. */
export function u64(what: string, value: bigint): bigint {
  if (typeof value === 'bigint' && BigInt.asUintN(64, value) === value) return value
  throw new EcdockError('USAGE', 'openflow', `${what} ${quoted(value)} is not a bigint of 64 bits`)
}
