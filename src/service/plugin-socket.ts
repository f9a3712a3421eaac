import { lstat, mkdir, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { EcdockError } from '../errors.js'

const OP = 'listen'

/**
 * Makes room for a socket: its directory, and away with a socket that a process has left which is no more. Throws
 * DAEMON_RUNNING when somebody listens there, USAGE when something else than a socket is there.
 */
export async function makeRoomForSocket(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const there = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (there === undefined) return
  if (!there.isSocket()) {
    throw new EcdockError('USAGE', OP, `${path} is not a socket`, {
      hint: 'Move it away, or give another --plugin-dir.',
    })
  }
  if (await isListenedTo(path)) throw daemonRunning(path)
  await unlink(path)
}

export function daemonRunning(path: string): EcdockError {
  return new EcdockError('DAEMON_RUNNING', OP, `another process listens on ${path}`, {
    hint: 'Stop that one first (docker-vde-plugin, or another ecdock-fast daemon), or give another --plugin-dir.',
  })
}

/** A socket whose process is gone refuses connections. */
function isListenedTo(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false)
      // It is full, which it can only be when it is listened to.
      else if (error.code === 'EAGAIN') resolve(true)
      else reject(error)
    })
  })
}
