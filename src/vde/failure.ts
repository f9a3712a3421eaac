import { EcdockError } from '../errors.js'

export function unexpected(what: string): EcdockError {
  return new EcdockError('VDE_PROTOCOL', 'vde', `A VDE switch sent ${what}.`, {
    hint: 'Is that really the socket of a VDE switch?',
  })
}

/** A connection that worked has ended, not by our doing. */
export function lost(what: string, why: string, cause?: NodeJS.ErrnoException): EcdockError {
  return new EcdockError('VDE_LOST', 'vde', `The connection to ${what} was lost: ${why}.`, {
    errno: cause?.code,
    hint: 'Has the switch ended? What was sent last may not have arrived.',
    cause,
  })
}

/** Nobody listens on this socket. */
export function unreachable(path: string, why: string, cause?: NodeJS.ErrnoException): EcdockError {
  return new EcdockError('VDE_UNREACHABLE', 'vde connect', `No VDE switch answers at ${path}: ${why}.`, {
    errno: cause?.code,
    hint: hintFor(cause?.code),
    cause,
  })
}

function hintFor(errno: string | undefined): string {
  switch (errno) {
    case 'EACCES':
    case 'EPERM':
      return "Run as root, as the switch's user, or as one of its group: its sockets are closed to others."
    case 'ECONNREFUSED':
      return 'The socket is there, but its switch has ended. Start it again.'
    case 'ENOENT':
    case 'ENOTDIR':
      return 'Give the directory that the switch was started with (vde_switch -s DIR); it holds a socket "ctl".'
    default:
      return 'Is that the directory of a VDE switch?'
  }
}
