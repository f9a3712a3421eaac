import { once } from 'node:events'
import net from 'node:net'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { DatagramSocket } from '../../src/kernel/datagram-socket.js'
import { encodeRequest } from '../../src/vde/handshake.js'
import { nextFrame, plugIn } from './ecdock-switch.js'
import { BROADCAST, frameOf } from './vde.js'

const ONE = '52:00:0a:00:00:01'

/** A client's datagram socket, with which it can do what a proper one does not. */
export function bindRaw(path: string): DatagramSocket {
  return DatagramSocket.bind(path, { maxDatagrams: 100, maxBytes: 100_000, onReady: () => {} })
}

/** Plugs a datagram socket in by hand; its control connection is the client's to close. */
export async function plugRaw(
  dir: string,
  socket: DatagramSocket,
  path: string,
  port: number | undefined,
): Promise<net.Socket> {
  const ctl = net.connect({ path: join(dir, 'ctl') })
  ctl.write(encodeRequest({ version: 3, port, path, description: '' }))
  const [reply] = (await once(ctl, 'data')) as [Buffer]
  const text = reply.subarray(2).toString()
  socket.connect(text.slice(0, text.indexOf('\0')))
  return ctl
}

/** Two clients hear each other. */
export async function exchange(dir: string): Promise<void> {
  const [one, two] = [await plugIn(dir), await plugIn(dir)]
  const frame = frameOf(BROADCAST, ONE, 'still here?')
  one.send(frame)
  assert.equal(await nextFrame(two), frame)
  await Promise.all([one.close(), two.close()])
}
