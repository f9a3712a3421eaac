/** Clients of a switch that runs as root, and are other users: they are let in by its usher. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { encodeRequest } from '../../src/vde/handshake.js'
import { nextFrame, plugIn, type TestEcdockSwitch, withEcdockSwitch } from '../support/ecdock-switch.js'
import { run, waitUntil } from '../support/process.js'
import { bindRaw, exchange } from '../support/raw-client.js'
import { needs } from '../support/requirements.js'
import { BROADCAST, frameOf } from '../support/vde.js'
import { leavingNothing } from '../support/world.js'

const userTest = needs('root', 'vde') ? test : test.skip
const NOBODY = ['--reuid=65534', '--regid=65534', '--clear-groups']
const ONE = '52:00:0a:00:00:01'

userTest("a client of another user is let in by the mode, with its own sockets and nobody else's", () =>
  forEverybody(async ({ dir, home }) => {
    const path = join(home, 'roots')
    const socket = bindRaw(path)
    const request = encodeRequest({ version: 3, port: undefined, path, description: '' })
    assert.is(await asNobody(dir, request), 'closed\n')
    socket.close()
    await crossesFrom(NOBODY, dir)
  }),
)

userTest('clients whose sockets are in a file system that hangs hold up no other user', () =>
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

userTest('clients of one other user that come at the same time are all plugged in', () =>
  forEverybody(async ({ dir }) => {
    const plugs = Array.from({ length: 20 }, () => vdePlug(NOBODY, dir))
    const gone = plugs.map((plug) => once(plug, 'close'))
    await waitUntil('all are plugged in', () => pluggedIn(dir) === plugs.length)
    for (const plug of plugs) plug.kill('SIGKILL')
    await Promise.all(gone)
  }),
)

userTest('when its usher has ended, another one takes its place', () =>
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

userTest('when nobody is left to start an usher, other users are refused, and the rest goes on', () =>
  forEverybody(async ({ dir, pid }) => {
    await crossesFrom(NOBODY, dir)
    await waitUntil('nobody is plugged in', () => pluggedIn(dir) === 0)
    const usher = childOf(childOf(pid))
    process.kill(childOf(pid), 'SIGKILL')
    await waitUntil('the usher has ended with it', () => !existsSync(`/proc/${usher}/fd/3`))
    const plug = vdePlug(NOBODY, dir)
    const gone = once(plug, 'close')
    await waitUntil('it has given up, or is in', () => plug.exitCode !== null || pluggedIn(dir) > 0)
    assert.is(pluggedIn(dir), 0)
    plug.kill('SIGKILL')
    await gone
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
  const plug = vdePlug(user, dir)
  const gone = once(plug, 'close')
  await waitUntil('vde_plug is plugged in', () => readdirSync(dir).some((name) => name.startsWith('001.')))
  const frame = frameOf(BROADCAST, ONE, 'from another'.padEnd(50))
  plug.stdin.write(Buffer.concat([Buffer.from([0, frame.length]), frame]))
  assert.equal(await nextFrame(one), frame)
  plug.kill('SIGKILL')
  await gone
  await one.close()
}

/** Starts vde_plug as another user; it ends when it is not let in. */
function vdePlug(user: readonly string[], dir: string): ChildProcessByStdio<Writable, null, null> {
  return spawn('setpriv', [...user, 'vde_plug', dir], { stdio: ['pipe', 'ignore', 'ignore'] })
}

/** How many sockets of clients the switch has. */
function pluggedIn(dir: string): number {
  return readdirSync(dir).filter((name) => /^[\da-f]{3}\./.test(name)).length
}

/** The only process that this one has started; 0 when there is none. */
function childOf(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
  assert.is(children.length, 1)
  return Number(children[0])
}

test.run()
