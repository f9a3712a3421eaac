/**
 * The process `ecdock-switch`, locked in as it is in use, while all who can reach it misbehave at the same time. What they do
 * comes by chance from a seed that is told when it fails. native/test/fuzz_server_test.cpp does the same within one
 * process, with the sanitizers.
 *
 * ECDOCK_FUZZ_SEED=N      another seed than 1
 * ECDOCK_FUZZ_TIMES=N     N times as long
 * ECDOCK_TEST_SWITCH=PATH another build of it, such as build-cmake/asan/ecdock-switch
 */
import { readdirSync, rmSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { DatagramSocket } from '../../src/kernel/datagram-socket.js'
import { encodeRequest } from '../../src/vde/handshake.js'
import { controlAnswers, plugTap, type TestEcdockSwitch, withEcdockSwitch } from '../support/ecdock-switch.js'
import { namedNamespace } from '../support/netns.js'
import { run, waitUntil } from '../support/process.js'
import { Random } from '../support/random.js'
import { bindRaw, exchange, plugRaw } from '../support/raw-client.js'
import { needs } from '../support/requirements.js'
import { BROADCAST, frameOf } from '../support/vde.js'
import { leavingNothing } from '../support/world.js'

const fuzzTest = needs('root', 'iproute2') ? test : test.skip
const SEED = Number(process.env.ECDOCK_FUZZ_SEED ?? 1)
const STEPS = 600 * Number(process.env.ECDOCK_FUZZ_TIMES ?? 1)
const MOST_OF_A_KIND = 16
/** A flood is written by and by, so that what the kernel holds back does not fill this process. */
const MOST_UNSENT = 256 * 1024

const CONSOLE = [
  ...['help', 'showinfo', 'ds/showinfo', 'port/allprint', 'port/print 3', 'hash/print', 'vlan/allprint'],
  ...['debug/add', 'debug/del hash', 'debug/list', 'hash/setexpire 1', 'hash/setsize 9000', 'port/sethub 1'],
  ...['port/sethub 0', 'port/create 9', 'port/remove 9', 'port/setvlan 3 2', 'port/setuser 3 nobody'],
  ...[
    'port/setuser 3 NONE',
    'vlan/create 2',
    'vlan/addport 2 4',
    'vlan/remove 2',
    'port/epclose 3 20',
    'logout',
  ],
]
const CONTROL = [
  'list',
  'list port=3',
  'status',
  'watch',
  'unplug port=2',
  'unplug port=20',
  'tap port=4',
  'set max-ports=512',
]

fuzzTest('a switch outlives whatever is done to it, and keeps nothing of it', () =>
  leavingNothing(() =>
    withEcdockSwitch(async (sw) => {
      const descriptors = () => readdirSync(`/proc/${sw.pid}/fd`).length
      // The first event and the first timer leave nothing, and neither does the first client.
      await exchange(sw.dir)
      const before = descriptors()
      const crowd = new Crowd(sw, new Random(SEED))
      try {
        for (let step = 0; step < STEPS; ++step) await crowd.step()
        crowd.leave()
        // It answers all the while.
        const [told = ''] = await controlAnswers(sw.control, 'status')
        assert.match(told, new RegExp(`^ok pid=${sw.pid} `))
        await waitUntil('it has let go of all of them', () => descriptors() <= before)
        await controlAnswers(sw.control, 'set max-ports=1024')
        await exchange(sw.dir)
        assert.equal(readdirSync(sw.dir).sort(), ['control', 'ctl'])
      } catch (error) {
        throw new Error(`with ECDOCK_FUZZ_SEED=${SEED}: ${String(error)}`, { cause: error })
      } finally {
        crowd.leave()
      }
    }),
  ),
)

fuzzTest('taps come and go while their ports are flooded', () =>
  leavingNothing(() =>
    withEcdockSwitch(async (sw) => {
      const random = new Random(SEED)
      const netns = await namedNamespace('crowd')
      const path = join(sw.home, 'flooder')
      const socket = bindRaw(path)
      const ctl = await plugRaw(sw.dir, socket, path, 200)
      const frames = Array.from({ length: 50 }, () => frameOf(BROADCAST, macOf(random), random.bytes(1400)))
      const flood = setInterval(() => socket.send(frames), 1)
      try {
        for (let round = 0; round < STEPS / 100; ++round) {
          const ports = [1, 2, 3].map((port) => port + random.below(3) * 3)
          for (const port of ports) await plugTap(sw.control, netns.path, port, [], `tap${port}`)
          // One is taken away from below it, the others by the switch.
          const [first = 1, ...others] = ports
          await run('ip', ['-n', 'crowd', 'link', 'delete', `tap${first}`])
          const unplugged = await controlAnswers(sw.control, ...others.map((port) => `unplug port=${port}`))
          assert.equal(
            unplugged,
            others.map(() => 'ok'),
          )
          for (const port of others) await run('ip', ['-n', 'crowd', 'link', 'delete', `tap${port}`])
          await waitUntil('its port is free', async () => {
            const [port = ''] = await controlAnswers(sw.control, `list port=${first}`)
            return port.startsWith('error code=ENXIO ')
          })
        }
      } finally {
        clearInterval(flood)
        ctl.destroy()
        socket.close()
        rmSync(path, { force: true })
        await netns.remove()
      }
      await exchange(sw.dir)
    }),
  ),
)

interface Client {
  socket: DatagramSocket
  ctl: net.Socket
  path: string
}

/** All who are connected to the switch, and what they do to it. */
class Crowd {
  readonly #sw: TestEcdockSwitch
  readonly #random: Random
  readonly #clients: Client[] = []
  readonly #streams: net.Socket[] = []
  #made = 0

  constructor(sw: TestEcdockSwitch, random: Random) {
    this.#sw = sw
    this.#random = random
  }

  async step(): Promise<void> {
    const random = this.#random
    switch (random.below(10)) {
      case 0:
        await this.#plug()
        break
      case 1:
        this.#half()
        break
      case 2:
        this.#drop()
        break
      case 3:
        this.#say(random.of([this.#sw.mgmt, this.#sw.mgmt, this.#sw.control]))
        break
      default:
        this.#flood()
    }
    if (random.oneIn(10)) await new Promise((resolve) => setImmediate(resolve))
  }

  leave(): void {
    for (const stream of this.#streams.splice(0)) stream.destroy()
    for (const client of this.#clients.splice(0)) unplug(client)
  }

  async #plug(): Promise<void> {
    if (this.#clients.length === MOST_OF_A_KIND) return
    const path = join(this.#sw.home, `c${this.#made++}`)
    const socket = bindRaw(path)
    // High ports, which nothing here keeps for others.
    const ctl = await plugRaw(this.#sw.dir, socket, path, 100 + this.#random.below(100))
    ctl.on('error', () => {})
    this.#clients.push({ socket, ctl, path })
  }

  /** Part of a request, or a request with something wrong in it. */
  #half(): void {
    const path = join(this.#sw.home, 'nobody')
    const request = encodeRequest({
      version: this.#random.of([1, 3]),
      port: undefined,
      path,
      description: 'x',
    })
    if (this.#random.oneIn(2)) request[this.#random.below(request.length)] = this.#random.below(256)
    const stream = this.#open(join(this.#sw.dir, 'ctl'))
    stream?.write(request.subarray(0, this.#random.below(request.length + 1)))
  }

  #say(path: string): void {
    const random = this.#random
    const stream = this.#streams.find((each) => path === pathOf(each)) ?? this.#open(path)
    if (stream === undefined || stream.writableLength > MOST_UNSENT) return
    const lines = Array.from({ length: 1 + random.below(20) }, () =>
      random.oneIn(10)
        ? random.bytes(random.below(200))
        : Buffer.from(random.of(path === this.#sw.mgmt ? CONSOLE : CONTROL)),
    )
    stream.write(Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')])))
    // Some do not read what they asked for.
    if (random.oneIn(3)) stream.pause()
  }

  #open(path: string): net.Socket | undefined {
    if (this.#streams.length === MOST_OF_A_KIND) return undefined
    const stream = net.connect({ path })
    paths.set(stream, path)
    stream.on('error', () => {})
    stream.on('close', () => {
      const at = this.#streams.indexOf(stream)
      if (at >= 0) this.#streams.splice(at, 1)
    })
    stream.resume()
    this.#streams.push(stream)
    return stream
  }

  #drop(): void {
    const at = this.#random.below(MOST_OF_A_KIND)
    if (this.#random.oneIn(2)) this.#streams[at]?.destroy()
    else for (const client of this.#clients.splice(at, 1)) unplug(client)
  }

  #flood(): void {
    const random = this.#random
    if (this.#clients.length === 0) return
    const { socket } = random.of(this.#clients)
    const frames = Array.from({ length: random.below(40) }, () =>
      random.oneIn(8)
        ? random.bytes(random.below(40))
        : frameOf(
            random.oneIn(2) ? BROADCAST : macOf(random),
            macOf(random),
            Buffer.alloc(random.below(9300)),
          ),
    )
    try {
      socket.send(frames)
    } catch {
      // The switch has hung up on it.
    }
    if (random.oneIn(3)) socket.take()
  }
}

const paths = new WeakMap<net.Socket, string>()

function pathOf(stream: net.Socket): string | undefined {
  return paths.get(stream)
}

function unplug({ socket, ctl, path }: Client): void {
  ctl.destroy()
  socket.close()
  rmSync(path, { force: true })
}

/** Of few stations, so that some move. */
function macOf(random: Random): string {
  return `02:00:00:00:00:0${random.below(8)}`
}

test.run()
