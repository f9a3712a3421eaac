import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fstatSync,
  openSync,
  rmSync,
  type Stats,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EcdockError } from '../errors.js'
import { DatagramSocket, type DatagramSocketOptions } from '../kernel/datagram-socket.js'
import { MAX_SOCKET_PATH_BYTES } from './handshake.js'

/** Refers to a file without opening it (open(2)); Node has no name for it. */
const O_PATH = 0x200000

/** A client's datagram socket, and the file that the switch finds it by while it is being plugged in. */
export interface LocalSocket {
  socket: DatagramSocket
  path: string
  /** Takes the file away. */
  hide: () => void
}

/**
 * Makes the datagram socket of a client of the switch in `dir`: in that directory, or where we can make files. Throws
 * PERMISSION and KERNEL.
 */
export function bindLocalSocket(dir: string, options: DatagramSocketOptions): LocalSocket {
  const name = `${process.pid}-${randomBytes(4).toString('hex')}`
  const paths = [join(dir, `.${name}`), join(tmpdir(), `vde.${name}`), join('/tmp', `vde.${name}`)]
  let failure: unknown
  for (const path of paths) {
    if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) continue
    let socket: DatagramSocket
    try {
      socket = DatagramSocket.bind(path, options)
    } catch (error) {
      if (error instanceof EcdockError && error.code === 'ADDON_MISSING') throw error
      failure = error
      continue
    }
    const hide = () => rmSync(path, { force: true })
    try {
      letIn(path, statSync(join(dir, 'ctl')))
      return { socket, path, hide }
    } catch (error) {
      socket.close()
      hide()
      failure = error
    }
  }
  throw failure
}

/** The switch sends to this socket, so its user must be able to; nobody else need. */
function letIn(path: string, ctl: Stats): void {
  const own = process.geteuid?.() ?? 0
  withFile(path, (file) => {
    if (ctl.uid === 0 || ctl.uid === own) {
      chmodSync(file, 0o700)
    } else if (own === 0) {
      chownSync(file, ctl.uid, ctl.gid)
      chmodSync(file, 0o700)
    } else {
      chmodSync(file, isGivenTo(file, own, ctl.gid) ? 0o770 : 0o777)
    }
  })
}

function isGivenTo(file: string, own: number, group: number): boolean {
  try {
    chownSync(file, own, group)
    return true
  } catch {
    return false
  }
}

/**
 * Names the file so that it stays the same: whose directory it is in could put a link in its place, to a file that is
 * then given away.
 */
function withFile(path: string, action: (file: string) => void): void {
  const fd = openSync(path, O_PATH | constants.O_NOFOLLOW)
  try {
    if (!fstatSync(fd).isSocket()) throw new EcdockError('PERMISSION', 'vde connect', `${path} was replaced`)
    action(`/proc/self/fd/${fd}`)
  } finally {
    closeSync(fd)
  }
}
