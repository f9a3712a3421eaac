import { once } from 'node:events'
import { lstat, realpath, stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'
import { unreachable } from './failure.js'
import { MAX_SOCKET_PATH_BYTES } from './handshake.js'

/** Room that a switch needs below its directory: `/NNNNN.FFFFF` (datasock.c), the port and a descriptor. */
const ROOM_BYTES = '/65535.65535'.length

/**
 * Passes the path of a directory for a switch's sockets, whether or not it is there: absolute, without NUL, and short
 * enough that the sockets in it still have room in an address of unix(7). Throws USAGE.
 */
export function checkSocketDir(dir: string): void {
  const why = fault(dir)
  if (why === undefined) return
  throw new EcdockError('USAGE', 'vde', `${quoted(dir)} cannot be the directory of a VDE switch: ${why}`, {
    hint: `Give an absolute path of at most ${MAX_SOCKET_PATH_BYTES - ROOM_BYTES} bytes, such as /run/vde/lab.`,
  })
}

function fault(dir: unknown): string | undefined {
  if (typeof dir !== 'string' || dir === '') return 'it is not text'
  if (!dir.startsWith('/')) return 'it is not absolute'
  if (/\p{Cc}/u.test(dir)) return 'it holds control characters'
  const bytes = Buffer.byteLength(dir)
  if (bytes > MAX_SOCKET_PATH_BYTES - ROOM_BYTES) {
    return `it has ${bytes} bytes, and the path of a socket in it must have at most ${MAX_SOCKET_PATH_BYTES}`
  }
  return undefined
}

/**
 * The directory of a switch that is there, without symbolic links: it holds a socket `ctl`. Throws USAGE,
 * VDE_UNREACHABLE.
 */
export async function existingSocketDir(dir: string): Promise<string> {
  checkSocketDir(dir)
  const found = await attempt(dir, () => stat(dir))
  if (!found.isDirectory()) throw unreachable(dir, 'that is no directory')
  const real = await attempt(dir, () => realpath(dir))
  checkSocketDir(real)
  const ctl = await attempt(dir, () => lstat(join(real, 'ctl')))
  if (!ctl.isSocket()) throw unreachable(dir, 'what is called ctl in it is no socket')
  return real
}

/** Whether a switch listens in the directory; one that lets us not in does. */
export async function isServed(dir: string): Promise<boolean> {
  const socket = connect({ path: join(dir, 'ctl') })
  try {
    await once(socket, 'connect')
    return true
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    return !['ENOENT', 'ENOTDIR', 'ECONNREFUSED'].includes(code)
  } finally {
    socket.destroy()
  }
}

async function attempt<T>(dir: string, look: () => Promise<T>): Promise<T> {
  try {
    return await look()
  } catch (cause) {
    const error = cause as NodeJS.ErrnoException
    if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw unreachable(dir, error.message, error)
    const why = error.path === dir ? 'there is no such directory' : 'there is no socket ctl in that directory'
    throw unreachable(dir, why, error)
  }
}
