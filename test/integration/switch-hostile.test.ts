import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DatagramSocket } from '../../src/kernel/datagram-socket.js'
import type { VdeConnection } from '../../src/vde/connection.js'
import { encodeRequest } from '../../src/vde/handshake.js'
import { startSwitch } from '../../src/vde/switch-process.js'
import {
  controlAnswers,
  nextFrame,
  plugIn,
  plugTap,
  type TestEcdockSwitch,
  withEcdockSwitch,
} from '../support/ecdock-switch.js'
import { namedNamespace } from '../support/netns.js'
import { patience } from '../support/patience.js'
import { run, waitUntil } from '../support/process.js'
import { bindRaw, exchange, plugRaw } from '../support/raw-client.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { BROADCAST, frameOf } from '../support/vde.js'
import { leavingNothing } from '../support/world.js'

const hostileTest = needs('root', 'vde') ? test : test.skip
const NOBODY = ['--reuid=65534', '--regid=65534', '--clear-groups']
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

hostileTest('it has no capabilities, cannot get any, and has a filter of system calls', () =>
  onSwitch(async ({ pid }) => {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) {
      assert.match(status, new RegExp(`^${set}:\\t0+$`, 'm'))
    }
    assert.match(status, /^NoNewPrivs:\t1$/m)
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      assert.match(readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8'), /^Seccomp:\t2$/m)
    }
  }),
)

hostileTest('it has less than 4 MB in memory with 100 idle ports', () =>
  onSwitch(async ({ pid, control, dir }) => {
    const clients = await Promise.all(Array.from({ length: 50 }, () => plugIn(dir)))
    const netns = await namedNamespace('taps')
    for (let port = 101; port <= 150; ++port) await plugTap(control, netns.path, port, [], `tap${port}`)
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    assert.ok(Number(kilobytes) < 4096, `${kilobytes} kB`)
    await Promise.all(clients.map((client) => client.close()))
    await netns.remove()
  }),
)

hostileTest("a directory that is not a switch's alone is refused, and stays as it was", () =>
  leavingNothing(async () => {
    const home = mkdtempSync(join(tmpdir(), 'switch-'))
    chmodSync(home, 0o755)
    const control = join(home, 'control')
    writeFileSync(join(home, 'letter'), 'mine')
    const files = await refusal(startSwitch({ dir: home, control }), 'VDE_START_FAILED')
    assert.match(files.message, /holds something else, letter/)
    assert.is(statSync(home).mode & 0o7777, 0o755)
    rmSync(join(home, 'letter'))
    chmodSync(home, 0o1777)
    const shared = await refusal(startSwitch({ dir: home, control }), 'VDE_START_FAILED')
    assert.match(shared.message, /shared by all users/)
    assert.is(statSync(home).mode & 0o7777, 0o1777)
    rmSync(home, { recursive: true })
  }),
)

hostileTest("a client of another user is let in by the mode, with its own sockets and nobody else's", () =>
  forEverybody(async ({ dir, home }) => {
    const path = join(home, 'roots')
    const socket = bindRaw(path)
    const request = encodeRequest({ version: 3, port: undefined, path, description: '' })
    assert.is(await asNobody(dir, request), 'closed\n')
    socket.close()
    await crossesFrom(NOBODY, dir)
  }),
)

hostileTest('clients whose sockets are in a file system that hangs hold up no other user', () =>
  forEverybody(async ({ dir, home, pid }) => {
    const hanging = join(home, 'hanging')
    mkdirSync(hanging)
    // A FUSE that nobody answers for.
    const options = 'fd=5,rootmode=40000,user_id=0,group_id=0,allow_other'
    const script = `exec 5<>/dev/fuse; mount -i -t fuse -o ${options} none ${hanging} && echo mounted && read end; umount -l ${hanging}`
    const fuse = spawn('sh', ['-c', script], { stdio: ['pipe', 'pipe', 'inherit'] })
    const unmounted = once(fuse, 'close')
    await once(fuse.stdout, 'data')
    const request = encodeRequest({
      version: 3,
      port: undefined,
      path: join(hanging, 'socket'),
      description: '',
    })
    const descriptors = () => readdirSync(`/proc/${pid}/fd`).length
    const before = descriptors()
    const refused = Array.from({ length: 8 }, () => asNobody(dir, request))
    const settled = Promise.all(refused)
    await waitUntil('some of them wait', () => descriptors() >= before + 3)
    await crossesFrom(['--reuid=65533', '--regid=65533', '--clear-groups'], dir)
    assert.equal(await settled, Array(8).fill('closed\n'))
    fuse.stdin.end()
    await unmounted
  }),
)

hostileTest('clients of one other user that come at the same time are all plugged in', () =>
  forEverybody(async ({ dir }) => {
    const start = () =>
      spawn('setpriv', [...NOBODY, 'vde_plug', dir], { stdio: ['pipe', 'ignore', 'ignore'] })
    const plugs = Array.from({ length: 20 }, start)
    const gone = plugs.map((plug) => once(plug, 'close'))
    const pluggedIn = () => readdirSync(dir).filter((name) => /^[\da-f]{3}\./.test(name)).length
    await waitUntil('all are plugged in', () => pluggedIn() === plugs.length)
    for (const plug of plugs) plug.kill('SIGKILL')
    await Promise.all(gone)
  }),
)

hostileTest('when its usher has ended, another one takes its place', () =>
  forEverybody(async ({ dir, pid }) => {
    const usher = childOf(childOf(pid))
    process.kill(usher, 'SIGKILL')
    await waitUntil('there is another one', () => ![0, usher].includes(childOf(childOf(pid))))
    await crossesFrom(NOBODY, dir)
    const [watching, another] = [childOf(pid), childOf(childOf(pid))]
    process.kill(watching, 'SIGKILL')
    await waitUntil('the other one has ended with it', () => !existsSync(`/proc/${another}/fd/3`))
  }),
)

hostileTest('when nobody is left to start an usher, other users are refused, and the rest goes on', () =>
  forEverybody(async ({ dir, pid, home }) => {
    await crossesFrom(NOBODY, dir)
    process.kill(childOf(pid), 'SIGKILL')
    const path = join(home, 'absent')
    const request = encodeRequest({ version: 3, port: undefined, path, description: '' })
    assert.is(await asNobody(dir, request), 'closed\n')
    await exchange(dir)
  }),
)

function forEverybody(body: (sw: TestEcdockSwitch) => Promise<void>): Promise<void> {
  return leavingNothing(() => withEcdockSwitch(body, ['-m', '666'], '/run/ecdock-fast'))
}

/** What becomes of the request of a client who is nobody: "accepted", "closed". */
function asNobody(dir: string, request: Buffer): Promise<string> {
  const program = `const s=require('net').connect(${JSON.stringify(join(dir, 'ctl'))},()=>s.write(Buffer.from('${request.toString('hex')}','hex')));
    s.on('data',()=>console.log('accepted'));s.on('close',()=>console.log('closed'))`
  return run('setpriv', [...NOBODY, process.execPath, '-e', program])
}

/** Plugs vde_plug in as another user, and lets a frame of it arrive. */
async function crossesFrom(user: readonly string[], dir: string): Promise<void> {
  const one = await plugIn(dir, { port: 9 })
  const plug = spawn('setpriv', [...user, 'vde_plug', dir], { stdio: ['pipe', 'ignore', 'ignore'] })
  const gone = once(plug, 'close')
  await waitUntil('vde_plug is plugged in', () => readdirSync(dir).some((name) => name.startsWith('001.')))
  const frame = frameOf(BROADCAST, ONE, 'from another'.padEnd(50))
  plug.stdin.write(Buffer.concat([Buffer.from([0, frame.length]), frame]))
  assert.equal(await nextFrame(one), frame)
  plug.kill('SIGKILL')
  await gone
  await one.close()
}

/** The only process that this one has started; 0 when there is none. */
function childOf(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
  assert.is(children.length, 1)
  return Number(children[0])
}

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
