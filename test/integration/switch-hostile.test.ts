import { once } from 'node:events'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DatagramSocket } from '../../src/kernel/datagram-socket.js'
import type { VdeConnection } from '../../src/vde/connection.js'
import { encodeRequest } from '../../src/vde/handshake.js'
import {
  controlAnswers,
  nextFrame,
  plugIn,
  type TestEcdockSwitch,
  withEcdockSwitch,
} from '../support/ecdock-switch.js'
import { patience } from '../support/patience.js'
import { run, waitUntil } from '../support/process.js'
import { bindRaw, exchange, plugRaw } from '../support/raw-client.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { BROADCAST, frameOf } from '../support/vde.js'
import { leavingNothing } from '../support/world.js'

const hostileTest = needs('root', 'vde') ? test : test.skip
const ONE = '52:00:0a:00:00:01'
const TWO = '52:00:0a:00:00:02'
const ABSENT = '52:00:0a:00:00:09'

hostileTest('requests that are none, or only half of one, harm nobody', () =>
  onSwitch(async ({ dir, home }) => {
    const socket = bindRaw(join(home, 'mine'))
    const request = encodeRequest({ version: 3, port: undefined, path: join(home, 'mine'), description: '' })
    const silent = net.connect({ path: join(dir, 'ctl') })
    await once(silent, 'connect')
    for (const wrong of [
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.alloc(300),
      Buffer.concat([request.subarray(0, 4), Buffer.from([9]), request.subarray(5)]),
      Buffer.concat([request.subarray(0, 14), Buffer.alloc(108)]),
    ]) {
      await refusedBy(dir, wrong)
    }
    // In two halves it is a request all the same.
    const halves = net.connect({ path: join(dir, 'ctl') })
    halves.write(request.subarray(0, 60))
    await new Promise((resolve) => setTimeout(resolve, 50))
    halves.write(request.subarray(60))
    const [reply] = (await once(halves, 'data')) as [Buffer]
    assert.is(reply.length, 110)
    await exchange(dir)
    for (const each of [silent, halves]) each.destroy()
    socket.close()
  }),
)

hostileTest('a path is refused that is missing, no socket, relative, or of another user', () =>
  onSwitch(async ({ dir, home, mgmt }) => {
    writeFileSync(join(home, 'file'), '')
    for (const path of [join(home, 'missing'), join(home, 'file'), 'relative', home, mgmt]) {
      await refusedBy(dir, encodeRequest({ version: 3, port: undefined, path, description: '' }))
    }
    await exchange(dir)
  }),
)

hostileTest('nobody but the client can send to its port', () =>
  onSwitch(async ({ dir, home }) => {
    const [one, two] = [await plugIn(dir, { port: 1 }), await plugIn(dir, { port: 2 })]
    const data = readdirSync(dir).find((name) => name.startsWith('001.')) ?? ''
    const stranger = bindRaw(join(home, 'stranger'))
    assert.throws(() => stranger.connect(join(dir, data)), /not permitted/)
    stranger.close()
    await Promise.all([one.close(), two.close()])
  }),
)

hostileTest('runts and giants are dropped and counted', () =>
  onSwitch(async ({ dir, home, control }) => {
    const two = await plugIn(dir, { port: 2 })
    const path = join(home, 'mine')
    const socket = bindRaw(path)
    const link = await plugRaw(dir, socket, path, 1)
    for (const size of [0, 1, 13, 9300, 60_000]) socket.send([Buffer.alloc(size, 0xff)])
    const frame = frameOf(BROADCAST, ONE, 'in order')
    socket.send([frame])
    assert.equal(await nextFrame(two), frame)
    const [port = ''] = await controlAnswers(control, 'list port=1')
    assert.match(port, / rx-packets=1 .* drops=4 /)
    link.destroy()
    socket.close()
    await two.close()
  }),
)

hostileTest('one who does not read loses frames, and the others none', () =>
  onSwitch(async ({ dir, home, control }) => {
    const path = join(home, 'mine')
    // Takes 1 datagram and lets the others wait in the kernel.
    const deaf = DatagramSocket.bind(path, { maxDatagrams: 1, maxBytes: 1, onReady: () => {} })
    const link = await plugRaw(dir, deaf, path, 9)
    const [one, two] = [await plugIn(dir), await plugIn(dir)]
    two.send(frameOf(BROADCAST, TWO, 'here'))
    await nextFrame(one)
    for (let i = 0; i < 3000; ++i) {
      const flood = frameOf(BROADCAST, ONE, Buffer.alloc(1400, i % 251))
      await send(one, flood)
      const frame = frameOf(TWO, ONE, Buffer.alloc(100, i % 251))
      await send(one, frame)
      assert.equal(await nextFrame(two), flood)
      assert.equal(await nextFrame(two), frame)
    }
    const [port = ''] = await controlAnswers(control, 'list port=9')
    assert.ok(Number(/ queued=(\d+) /.exec(port)?.[1]) <= 2000, port)
    link.destroy()
    deaf.close()
    await Promise.all([one.close(), two.close()])
  }),
)

hostileTest('a flood of addresses does not make it forget the others', () =>
  onSwitch(async ({ dir }) => {
    const [one, two, flooder] = [await plugIn(dir), await plugIn(dir), await plugIn(dir)]
    two.send(frameOf(BROADCAST, TWO, 'here'))
    await nextFrame(one)
    await nextFrame(flooder)
    for (let i = 0; i < 20_000; ++i) {
      const mac = `06:00:00:00:${hex(i >> 8)}:${hex(i & 255)}`
      await send(flooder, frameOf(ABSENT, mac, ''))
      if (i % 20 !== 0) continue
      await new Promise((resolve) => setImmediate(resolve))
      for (const each of [one, two]) while (each.read() !== null);
    }
    await send(flooder, frameOf(BROADCAST, ABSENT, 'the last one'))
    await Promise.all([one, two].map((each) => until(each, 'the last one')))
    one.send(frameOf(TWO, ONE, 'for two'))
    await until(two, 'for two')
    one.send(frameOf(BROADCAST, ONE, 'for all'))
    assert.equal(await nextFrame(flooder), frameOf(BROADCAST, ONE, 'for all'))
    await Promise.all([one.close(), two.close(), flooder.close()])
  }),
)

hostileTest('10,000 connect and disconnect, and it has no more descriptors and files than before', () =>
  onSwitch(async ({ dir, home, pid }) => {
    const path = join(home, 'mine')
    const socket = bindRaw(path)
    const request = encodeRequest({ version: 3, port: undefined, path, description: 'x' })
    const descriptors = () => readdirSync(`/proc/${pid}/fd`).length
    const before = descriptors()
    const once10 = async (index: number) => {
      const ctl = net.connect({ path: join(dir, 'ctl') })
      ctl.on('error', () => {})
      // Some are plugged in, some go half-way, some say nothing.
      if (index % 4 !== 3) ctl.write(index % 4 === 2 ? request.subarray(0, 50) : request)
      if (index % 4 < 2) await once(ctl, 'data')
      else await once(ctl, 'connect')
      ctl.destroy()
    }
    for (let done = 0; done < 10_000; done += 20) {
      await Promise.all(Array.from({ length: 20 }, (_, index) => once10(index)))
    }
    await waitUntil('all are gone', () => descriptors() <= before)
    assert.equal(readdirSync(dir).sort(), ['control', 'ctl'])
    socket.close()
    rmSync(path, { force: true })
    await exchange(dir)
  }),
)

hostileTest('the control socket survives what is no request', () =>
  onSwitch(async ({ control, dir }) => {
    assert.equal(
      (await controlAnswers(control, '', 'list port=x', 'list port=99999', 'unplug', 'tap a=%zz', 'set')).map(
        (answer) => answer.split(' ').slice(0, 2).join(' '),
      ),
      Array.from({ length: 6 }, () => 'error code=EINVAL'),
    )
    const [tooLong = ''] = await controlAnswers(control, 'x'.repeat(5000))
    assert.match(tooLong, /^error code=EMSGSIZE /)
    await exchange(dir)
  }),
)

hostileTest('without a descriptor left its servers wait, and go on when there is one again', () =>
  onSwitch(async ({ pid, control, mgmt, dir }) => {
    const limit = (most: number) => run('prlimit', [`--pid=${pid}`, `--nofile=${most}:`])
    const waiting: net.Socket[] = []
    // New ones have numbers from 3 on.
    await limit(3)
    for (const path of [control, mgmt, join(dir, 'ctl')]) {
      const socket = net.connect({ path })
      socket.on('error', () => {})
      waiting.push(socket)
      await once(socket, 'connect')
    }
    const [used, begin] = [processorTime(pid), process.hrtime.bigint()]
    await new Promise((resolve) => setTimeout(resolve, 500))
    const share = (processorTime(pid) - used) / Number(process.hrtime.bigint() - begin)
    assert.ok(share < 0.5, `it is busy ${share} of the time`)
    await limit(256)
    await exchange(dir)
    assert.is((await controlAnswers(control, 'list')).at(-1), 'ok')
    for (const socket of waiting) socket.destroy()
  }),
)

hostileTest('a port takes 64 clients, and no more', () =>
  onSwitch(async ({ dir, control }) => {
    const clients = await Promise.all(Array.from({ length: 64 }, () => plugIn(dir, { port: 5 })))
    await refusal(plugIn(dir, { port: 5 }), 'VDE_REFUSED')
    await clients.pop()?.close()
    await waitUntil('it has left', async () => (await controlAnswers(control, 'list')).length === 64)
    clients.push(await plugIn(dir, { port: 5 }))
    await Promise.all(clients.map((client) => client.close()))
  }),
)

/** Of the process's first thread, in ns. */
function processorTime(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0])
}

function onSwitch(body: (sw: TestEcdockSwitch) => Promise<void>): Promise<void> {
  return leavingNothing(() => withEcdockSwitch(body))
}

/** The switch hangs up on who sends this. */
async function refusedBy(dir: string, request: Buffer): Promise<void> {
  const ctl = net.connect({ path: join(dir, 'ctl') })
  ctl.on('error', () => {})
  ctl.on('data', () => assert.unreachable('it was accepted'))
  ctl.write(request)
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('it was not hung up on')), patience(5000))
    ctl.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

/** Waits until there is room for the frame. */
async function send(connection: VdeConnection, frame: Buffer): Promise<void> {
  while (!connection.send(frame)) await new Promise((resolve) => setTimeout(resolve, 1))
}

/** Reads frames until one has this payload. */
async function until(connection: VdeConnection, payload: string): Promise<void> {
  while ((await nextFrame(connection)).subarray(14).toString() !== payload);
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0')
}

test.run()
