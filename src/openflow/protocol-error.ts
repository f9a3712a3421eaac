import { EcdockError } from '../errors.js'

/** The error of what the switch may not send; `what` completes "the switch sent …". */
export function unexpected(what: string): EcdockError {
  return new EcdockError('OPENFLOW_PROTOCOL', 'openflow receive', `The switch sent ${what}.`)
}
