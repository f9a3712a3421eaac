import { constants } from 'node:os'
import type { EcdockError, ErrorCode } from '../errors.js'
import { Interruption } from './io.js'

export const EXIT_DONE = 0
export const EXIT_FAILED = 1
export const EXIT_USAGE = 2
export const EXIT_MISSING = 3

/** Something that ecdock-fast needs is not there; `ecdock-fast doctor` says what. */
const MISSING: ReadonlySet<ErrorCode> = new Set([
  'PERMISSION',
  'ADDON_MISSING',
  'OVSDB_UNREACHABLE',
  'OPENFLOW_UNREACHABLE',
  'DOCKER_UNREACHABLE',
  'VDE_UNREACHABLE',
])

/** The command line is wrong, whatever the state of the host. */
const USAGE: ReadonlySet<ErrorCode> = new Set([
  'USAGE',
  'NAME_INVALID',
  'IFNAME_INVALID',
  'SUBNET_INVALID',
  'MAC_INVALID',
  'ADDRESS_INVALID',
  'MTU_INVALID',
  'SLOT_INVALID',
  'TARGET_INVALID',
])

export function isMissing(error: EcdockError): boolean {
  return MISSING.has(error.code)
}

/**
 * Exit status for an error: 2 the command line was wrong, 3 something it needs is missing, 1 the rest. A
 * command that was cancelled by an operating system signal gives 128 plus the signal's number, as shells do.
 */
export function exitStatus(error: EcdockError, signal?: AbortSignal): number {
  if (error.code === 'CANCELLED' && signal?.reason instanceof Interruption) {
    return 128 + constants.signals[signal.reason.signalName]
  }
  if (MISSING.has(error.code)) return EXIT_MISSING
  return USAGE.has(error.code) ? EXIT_USAGE : EXIT_FAILED
}
