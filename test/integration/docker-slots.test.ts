/** Containers in slots, with a real Docker and a vswitch that only keeps books. docker.test.ts has the real one. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { lowestFreeSlots } from '../../src/addressing/slot.js'
import { parseSubnet } from '../../src/addressing/subnet.js'
import { SlotContainers } from '../../src/containers/slot-containers.js'
import { DockerEngine } from '../../src/docker/engine.js'
import { EcdockError } from '../../src/errors.js'
import type { Target } from '../../src/target/target.js'
import type { PlugOptions, Port, Vswitch } from '../../src/vswitch/vswitch.js'
import { type PrivateDocker, startDocker } from '../support/docker.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { FakeTerminal } from '../support/terminal.js'

const ready = needs('root', 'docker', 'busybox')
const withDocker = suite('containers in slots')
const test = ready ? withDocker : withDocker.skip

const FOREVER = ['sleep', '1000']
const CTRL_P = '\x10'
const CTRL_Q = '\x11'

let docker: PrivateDocker
let engine: DockerEngine
let containers: SlotContainers
let vswitch: BookkeepingVswitch
/** Those that further interfaces can be on. */
let others: BookkeepingVswitch[]

if (ready) {
  withDocker.before(async () => {
    docker = await startDocker()
    engine = new DockerEngine(docker.docker)
    containers = new SlotContainers(engine, findOther)
  })
  withDocker.before.each(() => {
    vswitch = new BookkeepingVswitch()
    others = [new BookkeepingVswitch('sim1'), new BookkeepingVswitch('sim2')]
  })
  withDocker.after.each(async () => {
    for (const { container } of await containers.list()) await engine.remove(container)
    assert.equal(await docker.containers(), [], 'a container was left behind')
  })
  withDocker.after(async () => {
    try {
      engine.close()
    } finally {
      await docker.stop()
    }
  })
}

test('start creates a container without Docker networking, named after its slot, and plugs it in', async () => {
  const { container, name, port } = await containers.start(vswitch, {
    slot: 7,
    image: docker.image,
    args: FOREVER,
    mtu: 9000,
    env: ['COLOUR=blue'],
    volumes: ['/tmp:/host:ro'],
  })
  assert.is(name, 'sim-s7')
  assert.is(port.slot, 7)
  assert.is(port.mtu, 9000)
  assert.equal(vswitch.plugged, new Map([[7, container]]))
  const { Config, HostConfig } = await docker.api.getContainer(container).inspect()
  assert.is(Config.Hostname, 'sim-s7')
  assert.is(HostConfig.NetworkMode, 'none')
  assert.is(HostConfig.Privileged, false)
  assert.ok(Config.Tty && Config.OpenStdin)
  assert.match(await docker.exec(container, ['env']), 'COLOUR=blue')
  assert.match(await docker.exec(container, ['sh', '-c', 'touch /host/x 2>&1 || true']), 'Read-only')
  assert.not.match(await docker.exec(container, ['ip', 'link']), 'eth0')
})

test('with several interfaces it is in the same slot of several vswitches', async () => {
  const [sim1, sim2] = others
  vswitch.plugged.set(1, 'somebody')
  sim2?.plugged.set(2, 'somebody')
  const nics = { eth2: 'sim2', eth1: 'sim1' }
  const started = await containers.start(vswitch, { image: docker.image, args: FOREVER, nics, mtu: 1400 })
  const { port, furtherPorts = [], container } = started
  assert.equal(
    [port, ...furtherPorts].map((each) => [each.vswitch, each.slot]),
    [
      ['sim', 3],
      ['sim1', 3],
      ['sim2', 3],
    ],
  )
  assert.equal(vswitch.asked.get(3), { slot: 3, ifname: 'eth0', mtu: 1400 })
  assert.equal(sim1?.asked.get(3), { slot: 3, ifname: 'eth1', mtu: 1400, defaultRoute: false })
  assert.equal((await containers.find(vswitch, 3))?.nics, { eth1: 'sim1', eth2: 'sim2' })

  await containers.restart(vswitch, 3, { timeoutSeconds: 0 })
  assert.equal(
    sim2?.plugged,
    new Map([
      [2, 'somebody'],
      [3, container],
    ]),
  )
  await containers.restart(vswitch, 3, { timeoutSeconds: 0, image: docker.image, args: FOREVER })
  assert.not.equal(sim2?.plugged.get(3), container)
  assert.is(sim1?.plugged.size, 1)

  await containers.stop(vswitch, 3, { timeoutSeconds: 0, remove: false })
  assert.equal([sim1?.plugged.size, sim2?.plugged.size], [0, 1])
  const error = await refusal(
    containers.start(sim1 as Vswitch, { slot: 3, image: docker.image }),
    'SLOT_TAKEN',
  )
  assert.match(error.message, 'slot 3 of sim1 is that of container sim-s3, which is exited')
})

test('when one of several interfaces cannot be had, there is none', async () => {
  others[1]?.refuse.set(1, new EcdockError('MAC_TAKEN', 'plug', 'no'))
  const nics = { eth1: 'sim1', eth2: 'sim2' }
  const start = (further: Record<string, string>) =>
    containers.start(vswitch, { slot: 1, image: docker.image, args: FOREVER, nics: further })
  await refusal(start(nics), 'MAC_TAKEN')
  assert.equal([vswitch.plugged.size, others[0]?.plugged.size], [0, 0])
  await refusal(start({ eth1: 'elsewhere' }), 'VSWITCH_NOT_FOUND')
  await refusal(start({ eth1: 'sim' }), 'USAGE')
  await refusal(start({ eth1: 'sim1', eth2: 'sim1' }), 'USAGE')
  await refusal(start({ eth0: 'sim1' }), 'USAGE')
  await refusal(start({ 'eth:1': 'sim1' }), 'IFNAME_INVALID')
  assert.equal(await containers.list(), [])
})

test('a further vswitch that has been deleted does not keep a container from being stopped', async () => {
  await containers.start(vswitch, { slot: 1, image: docker.image, args: FOREVER, nics: { eth1: 'sim1' } })
  others = []
  await refusal(containers.restart(vswitch, 1, { timeoutSeconds: 0 }), 'VSWITCH_NOT_FOUND')
  await containers.stop(vswitch, 1, { timeoutSeconds: 0 })
  assert.is(vswitch.plugged.size, 0)
})

test('without a slot it takes the lowest one that has neither a port nor a container', async () => {
  vswitch.plugged.set(1, 'somebody')
  const ended = await containers.start(vswitch, { slot: 2, image: docker.image, args: FOREVER })
  await containers.stop(vswitch, 2, { remove: false, timeoutSeconds: 0 })
  assert.is((await engine.container(ended.container)).state, 'exited')
  const { port } = await containers.start(vswitch, { image: docker.image, args: FOREVER })
  assert.is(port.slot, 3)
})

test('starts at the same time each get a slot of their own', async () => {
  const request = { image: docker.image, args: FOREVER }
  const started = await Promise.all([1, 2, 3].map(() => containers.start(vswitch, request)))
  assert.equal(started.map(({ port }) => port.slot).sort(), [1, 2, 3])
})

test('a slot that somebody else has just taken is not tried again', async () => {
  vswitch.refuse.set(1, new EcdockError('SLOT_TAKEN', 'plug', 'slot 1 is taken'))
  const { port } = await containers.start(vswitch, { image: docker.image, args: FOREVER })
  assert.is(port.slot, 2)
})

test('a slot that is taken is refused, saying by what', async () => {
  vswitch.plugged.set(1, 'somebody')
  vswitch.target = 'pid:77'
  const held = containers.start(vswitch, { slot: 1, image: docker.image })
  assert.match((await refusal(held, 'SLOT_TAKEN')).message, 'pid:77')
  vswitch.target = undefined
  await containers.start(vswitch, { slot: 2, image: docker.image, args: FOREVER })
  await containers.stop(vswitch, 2, { remove: false, timeoutSeconds: 0 })
  const dead = await refusal(containers.start(vswitch, { slot: 2, image: docker.image }), 'SLOT_TAKEN')
  assert.match(dead.message, 'sim-s2, which is exited')
  assert.match(dead.hint ?? '', 'restart 2')
})

for (const [slot, code] of [
  [0, 'SLOT_OUT_OF_RANGE'],
  [1.5, 'SLOT_INVALID'],
  [254, 'SLOT_RESERVED'],
  [300, 'SLOT_OUT_OF_RANGE'],
] as const) {
  test(`slot ${slot} of a /24 is refused before anything is done`, async () => {
    await refusal(containers.start(vswitch, { slot, image: docker.image }), code)
  })
}

test('when plugging fails, the container is removed', async () => {
  vswitch.refuse.set(1, new EcdockError('KERNEL', 'veth add', 'no buffer space available'))
  await refusal(containers.start(vswitch, { slot: 1, image: docker.image, args: FOREVER }), 'KERNEL')
  assert.equal(await docker.containers(), [])
})

test('when a start is cancelled half-way, the container is removed', async () => {
  const controller = new AbortController()
  vswitch.onPlug = () => controller.abort()
  const { signal } = controller
  await refusal(containers.start(vswitch, { image: docker.image, args: FOREVER, signal }), 'CANCELLED')
  assert.equal(await docker.containers(), [])
  await refusal(containers.start(vswitch, { image: docker.image, args: FOREVER, signal }), 'CANCELLED')
})

for (const tty of [true, false]) {
  test(`a container ${tty ? 'with' : 'without'} a terminal that ends at once tells its exit code and last words`, async () => {
    const args = ['sh', '-c', 'echo no licence found; exit 42']
    vswitch.onPlug = (container) => engine.wait(container, 10_000)
    const start = containers.start(vswitch, { slot: 1, image: docker.image, args, tty })
    const error = await refusal(start, 'CONTAINER_NOT_RUNNING')
    assert.match(error.message, 'exit code 42')
    assert.match(error.message, 'no licence found')
    assert.equal(vswitch.plugged, new Map())
    assert.equal(await docker.containers(), [])
  })
}

test('a container that ends while it is being plugged in tells why, and not how plugging failed', async () => {
  vswitch.onPlug = async (container) => {
    await docker.api.getContainer(container).kill()
    throw new EcdockError('TARGET_GONE', 'plug', 'went away')
  }
  const start = containers.start(vswitch, { slot: 1, image: docker.image, args: FOREVER })
  assert.match((await refusal(start, 'CONTAINER_NOT_RUNNING')).message, 'exit code 137')
  assert.equal(await docker.containers(), [])
})

test('a command that is not in the image is told in the words of Docker', async () => {
  const start = containers.start(vswitch, { slot: 1, image: docker.image, args: ['no-such-program'] })
  assert.match((await refusal(start, 'DOCKER_FAILED')).message, 'no-such-program')
  assert.equal(await docker.containers(), [])
})

test('an image that is not there is refused', async () => {
  await refusal(containers.start(vswitch, { image: 'nothing:1' }), 'IMAGE_NOT_FOUND')
  await refusal(containers.start(vswitch, { image: '../containers/json' }), 'NAME_INVALID')
})

test("a name that is somebody else's is refused, and theirs is left alone", async () => {
  const theirs = await docker.api.createContainer({ name: 'sim-s1', Image: docker.image, Cmd: FOREVER })
  const start = containers.start(vswitch, { slot: 1, image: docker.image, args: FOREVER })
  assert.match((await refusal(start, 'SLOT_TAKEN')).message, 'sim-s1')
  const named = containers.start(vswitch, { slot: 1, name: 'sim-s1', image: docker.image, args: FOREVER })
  assert.match((await refusal(named, 'DOCKER_FAILED')).message, 'already in use')
  assert.is((await theirs.inspect()).State.Status, 'created')
  await theirs.remove()
})

test('stop stops the container, takes it out and removes it', async () => {
  const { container } = await containers.start(vswitch, { slot: 1, image: docker.image, args: FOREVER })
  const stopped = await containers.stop(vswitch, 1, { timeoutSeconds: 0 })
  assert.is(stopped.container, container)
  assert.equal(vswitch.plugged, new Map())
  assert.equal(await docker.containers(), [])
})

test('stop does not mind that the container has ended, and its port is gone', async () => {
  const { container } = await containers.start(vswitch, { slot: 1, image: docker.image, args: FOREVER })
  await engine.stop(container, 0)
  vswitch.plugged.clear()
  await containers.stop(vswitch, 1)
  assert.equal(await docker.containers(), [])
})

test('what start did not make is never stopped', async () => {
  const { id, name } = await docker.run(FOREVER)
  vswitch.plugged.set(1, id)
  const error = await refusal(containers.stop(vswitch, 1), 'CONTAINER_NOT_FOUND')
  assert.match(error.hint ?? '', 'unplug 1')
  assert.is((await engine.container(name)).state, 'running')
  await refusal(containers.stop(vswitch, 2), 'SLOT_EMPTY')
  await refusal(containers.restart(vswitch, 2), 'SLOT_EMPTY')
  await refusal(containers.attach(vswitch, 2, new FakeTerminal()), 'SLOT_EMPTY')
  await engine.remove(id)
})

test('a container made of an image of ours has our labels, and is never stopped', async () => {
  const { container } = await containers.start(vswitch, { slot: 1, image: docker.image, args: FOREVER })
  await docker.api.getContainer(container).commit({ repo: 'ecdock-fast-test', tag: 'copy' })
  await containers.stop(vswitch, 1, { timeoutSeconds: 0 })
  const copy = await docker.api.createContainer({
    Image: 'ecdock-fast-test:copy',
    name: 'copy',
    Cmd: FOREVER,
  })
  await copy.start()
  assert.is((await copy.inspect()).Config.Labels['ecdock-fast.slot'], '1')
  assert.equal(await containers.list(), [])
  await refusal(containers.stop(vswitch, 1), 'SLOT_EMPTY')
  await refusal(containers.restart(vswitch, 1), 'SLOT_EMPTY')
  assert.ok((await copy.inspect()).State.Running)
  await copy.remove({ force: true })
  await docker.api.getImage('ecdock-fast-test:copy').remove()
})

test('what somebody else has plugged into the slot meanwhile stays there', async () => {
  const { container } = await containers.start(vswitch, { slot: 1, image: docker.image, args: FOREVER })
  vswitch.target = 'pid:77'
  const restart = containers.restart(vswitch, 1)
  assert.match((await refusal(restart, 'SLOT_TAKEN')).message, 'pid:77')
  assert.is((await engine.container(container)).state, 'running')
  await containers.stop(vswitch, 1, { timeoutSeconds: 0 })
  assert.equal([...vswitch.plugged.keys()], [1])
  assert.equal(await docker.containers(), [])
})

test('a container of another vswitch is not found in the slot', async () => {
  await containers.start(vswitch, { slot: 1, image: docker.image, args: FOREVER })
  const other = new BookkeepingVswitch('other')
  assert.is(await containers.find(other, 1), undefined)
  assert.is((await containers.find(vswitch, 1))?.name, 'sim-s1')
})

test('restart keeps the container and plugs it in again', async () => {
  const first = await containers.start(vswitch, { slot: 1, image: docker.image, args: FOREVER, mtu: 1400 })
  const before = await engine.container(first.container)
  const second = await containers.restart(vswitch, 1, { timeoutSeconds: 0 })
  assert.is(second.container, first.container)
  assert.is(second.port.mtu, 1400)
  assert.is.not((await engine.container(first.container)).pid, before.pid)
})

test('restart revives a container that has ended', async () => {
  const { container } = await containers.start(vswitch, {
    slot: 1,
    image: docker.image,
    args: FOREVER,
    mtu: 1400,
  })
  await containers.stop(vswitch, 1, { remove: false, timeoutSeconds: 0 })
  const { port } = await containers.restart(vswitch, 1)
  assert.is(port.mtu, 1400)
  assert.equal(vswitch.plugged, new Map([[1, container]]))
})

test('restart with an image replaces the container, unless there is no such image', async () => {
  const first = await containers.start(vswitch, { slot: 1, image: docker.image, args: FOREVER })
  await refusal(containers.restart(vswitch, 1, { image: 'nothing:1' }), 'IMAGE_NOT_FOUND')
  assert.is((await engine.container(first.container)).state, 'running')
  const args = ['sleep', '2000']
  const second = await containers.restart(vswitch, 1, { image: docker.image, args, timeoutSeconds: 0 })
  assert.is.not(second.container, first.container)
  assert.equal(await docker.containers(), ['sim-s1'])
  await refusal(containers.restart(vswitch, 1, { args }), 'USAGE')
})

test('a container that cannot be plugged in again is left stopped', async () => {
  const { container } = await containers.start(vswitch, { slot: 1, image: docker.image, args: FOREVER })
  vswitch.refuse.set(1, new EcdockError('KERNEL', 'veth add', 'no buffer space available'))
  await refusal(containers.restart(vswitch, 1, { timeoutSeconds: 0 }), 'KERNEL')
  assert.is((await engine.container(container)).state, 'exited')
})

test('a stop and a restart that are cancelled before they have begun leave everything as it is', async () => {
  const { container } = await containers.start(vswitch, { slot: 1, image: docker.image, args: FOREVER })
  const { pid } = await engine.container(container)
  const signal = AbortSignal.abort()
  await refusal(containers.stop(vswitch, 1, { signal }), 'CANCELLED')
  await refusal(containers.restart(vswitch, 1, { signal }), 'CANCELLED')
  await refusal(containers.restart(vswitch, 1, { image: docker.image, signal }), 'CANCELLED')
  assert.is((await engine.container(container)).pid, pid)
  assert.equal(vswitch.plugged, new Map([[1, container]]))
})

test('attach connects a terminal; the detach keys leave the container running', async () => {
  const { container } = await containers.start(vswitch, { slot: 1, image: docker.image, args: ['sh'] })
  const terminal = new FakeTerminal()
  const attached = containers.attach(vswitch, 1, terminal)
  terminal.type('echo $((6 * 7))$(hostname)\r')
  await terminal.shows('42sim-s1')
  assert.ok(terminal.stdin.isRaw, 'keys are not passed on one by one')
  terminal.type(CTRL_P)
  terminal.type(`${CTRL_Q}exit\r`)
  assert.equal(await attached, { detached: true })
  assert.not(terminal.stdin.isRaw, 'the terminal was not given back')
  assert.is(terminal.stdin.listenerCount('data'), 0)
  assert.is(terminal.stdout.listenerCount('resize'), 0)
  assert.is((await engine.container(container)).state, 'running')
})

test("the container's terminal follows the size of the person's", async () => {
  await containers.start(vswitch, { slot: 1, image: docker.image, args: ['sh'] })
  const terminal = new FakeTerminal()
  const attached = containers.attach(vswitch, 1, { ...terminal, detachKeys: 'ctrl-x' })
  terminal.type('until stty size | grep "24 80"; do sleep 0.05; done\r')
  await terminal.shows('24 80\r')
  terminal.resize(50, 132)
  terminal.type('until stty size | grep "50 132"; do sleep 0.05; done\r')
  await terminal.shows('50 132\r')
  terminal.type('\x18')
  assert.equal(await attached, { detached: true })
})

test("a shell's end ends the console, with its exit code", async () => {
  await containers.start(vswitch, { slot: 1, image: docker.image, args: ['sh'] })
  const terminal = new FakeTerminal()
  const attached = containers.attach(vswitch, 1, terminal)
  terminal.type('exit 5\r')
  assert.equal(await attached, { detached: false, exitCode: 5 })
  assert.not(terminal.stdin.isRaw)
  const again = await refusal(containers.attach(vswitch, 1, new FakeTerminal()), 'CONTAINER_NOT_RUNNING')
  assert.match(again.message, 'exit code 5')
})

test('a signal leaves the console as the detach keys do', async () => {
  const { container } = await containers.start(vswitch, { slot: 1, image: docker.image, args: ['sh'] })
  const terminal = new FakeTerminal()
  const controller = new AbortController()
  const attached = containers.attach(vswitch, 1, { ...terminal, signal: controller.signal })
  terminal.type('echo ready$((1))\r')
  await terminal.shows('ready1')
  controller.abort()
  assert.equal(await attached, { detached: true })
  assert.not(terminal.stdin.isRaw)
  assert.is((await engine.container(container)).state, 'running')
})

test('without a terminal the two outputs are kept apart', async () => {
  const args = ['sh', '-c', 'read line; echo "out $line"; echo "err $line" >&2; exit 3']
  await containers.start(vswitch, { slot: 1, image: docker.image, args, tty: false })
  const out = new FakeTerminal()
  const err = new FakeTerminal()
  const attached = containers.attach(vswitch, 1, { ...out, stderr: err.stdout })
  out.type('hello\n')
  assert.equal(await attached, { detached: false, exitCode: 3 })
  assert.is(out.screen, 'out hello\n')
  assert.is(err.screen, 'err hello\n')
})

test('detach keys that cannot be read are refused, and the terminal is left alone', async () => {
  await containers.start(vswitch, { slot: 1, image: docker.image, args: ['sh'] })
  const terminal = new FakeTerminal()
  await refusal(containers.attach(vswitch, 1, { ...terminal, detachKeys: 'ctrl-' }), 'USAGE')
  assert.not(terminal.stdin.isRaw)
})

/** Knows which container is in which slot, and plugs nothing. */
class BookkeepingVswitch implements Vswitch {
  readonly kind = 'bridge'
  readonly subnet = '10.0.0.254/24'
  readonly neighSuppress = false
  readonly ipv6Prefix = '2001:db8'
  readonly plugged = new Map<number, string>()
  /** The errors with which plugging into these slots fails. */
  readonly refuse = new Map<number, EcdockError>()
  /** What its ports say they hold, when it is not the container of the slot. */
  target: string | undefined
  onPlug: (container: string) => unknown = () => {}
  readonly asked = new Map<number, PlugOptions>()
  readonly #mtu = new Map<number, number>()

  constructor(readonly name = 'sim') {}

  async plug(target: Target, { signal, ...options }: PlugOptions = {}): Promise<Port> {
    const { slot = 0, mtu = 1500 } = options
    this.asked.set(slot, options)
    await this.onPlug('container' in target ? target.container : '')
    if (signal?.aborted) throw new EcdockError('CANCELLED', 'plug', 'the plug was cancelled')
    const refusal = this.refuse.get(slot)
    if (refusal !== undefined) throw refusal
    if (!('container' in target) || this.plugged.has(slot)) throw new Error('this is not what start does')
    this.plugged.set(slot, target.container)
    this.#mtu.set(slot, mtu)
    return this.#port(slot)
  }

  async reserve(): Promise<void> {}

  async reservedSlots(): Promise<number[]> {
    return []
  }

  async release(): Promise<number[]> {
    return []
  }

  async mirror(): Promise<void> {}

  async unmirror(): Promise<string[]> {
    return []
  }

  async mirrors(): Promise<[]> {
    return []
  }

  async removeMirror(): Promise<void> {}

  async unplug(slot: number): Promise<void> {
    if (!this.plugged.delete(slot)) throw new EcdockError('SLOT_EMPTY', 'unplug', `slot ${slot} is empty`)
  }

  async ports(): Promise<Port[]> {
    return [...this.plugged.keys()].map((slot) => this.#port(slot))
  }

  async port(slot: number): Promise<Port | undefined> {
    return this.plugged.has(slot) ? this.#port(slot) : undefined
  }

  async plugAll(): Promise<never> {
    throw new Error('start plugs one by one')
  }

  async unplugAll(): Promise<never> {
    throw new Error('stop unplugs one by one')
  }

  async freeSlots(count = 1, except: Iterable<number> = []): Promise<number[]> {
    const taken = new Set([...this.plugged.keys(), ...except])
    return lowestFreeSlots(parseSubnet(this.subnet), taken, count)
  }

  async explain(): Promise<never> {
    throw new Error('nobody asked')
  }

  #port(slot: number): Port {
    const fixed = { ipv6: '2001:db8::a00:1/64', gateway: '10.0.0.254', mac: '52:00:0a:00:00:01' }
    return {
      ...fixed,
      vswitch: this.name,
      kind: this.kind,
      slot,
      hostIfname: `${this.name}-s${slot}`,
      ifname: 'eth0',
      ipv4: `10.0.0.${slot}/24`,
      mtu: this.#mtu.get(slot) ?? 1500,
      target: this.target ?? `container:sim-s${slot}`,
      netnsId: 1,
      state: 'up',
    }
  }
}

async function findOther(name: string): Promise<Vswitch> {
  const other = others.find((each) => each.name === name)
  if (other !== undefined) return other
  throw new EcdockError('VSWITCH_NOT_FOUND', 'find vswitch', `there is no vswitch ${name}`)
}

withDocker.run()
