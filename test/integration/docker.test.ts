/** Docker containers on a vswitch of kind bridge, all of it real. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Host } from '../../src/host.js'
import type { Vswitch } from '../../src/vswitch/vswitch.js'
import { type PrivateDocker, startDocker } from '../support/docker.js'
import { run, waitUntil } from '../support/process.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { FakeTerminal } from '../support/terminal.js'
import { megabyteEachWay } from '../support/traffic.js'

const ready = needs('root', 'docker', 'busybox', 'iptables', 'socat')
const withDocker = suite('docker on a vswitch')
const test = ready ? withDocker : withDocker.skip

const CLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
const FOREVER = ['sleep', '1000']

let docker: PrivateDocker
let host: Host
let sw: Vswitch
let before: string

if (ready) {
  withDocker.before(async () => {
    docker = await startDocker()
    before = await world()
    host = await Host.open({ docker: docker.docker, ovsdb: 'unix:/nowhere/db.sock' })
  })
  withDocker.before.each(async () => {
    sw = await host.createVswitch({ name: 'sim', subnet: '10.0.0.254/24' })
  })
  withDocker.after.each(async () => {
    for (const { name } of await host.containers.list())
      await docker.api.getContainer(name).remove({ force: true })
    await host.deleteVswitch('sim')
    assert.is(await world(), before, 'something was left behind')
  })
  withDocker.after(async () => {
    try {
      await host.close()
    } finally {
      await docker.stop()
    }
  })
}

test('started containers have the addresses of their slots and reach each other', async () => {
  const one = await host.containers.start(sw, { slot: 1, image: docker.image, args: FOREVER })
  const two = await host.containers.start(sw, { image: docker.image, args: FOREVER })
  assert.is(one.port.target, 'container:sim-s1')
  assert.is(two.port.slot, 2)
  assert.is((await docker.exec(two.name, ['hostname'])).trim(), 'sim-s2')
  const eth0 = await docker.exec(two.name, ['ip', 'addr', 'show', 'eth0'])
  for (const has of ['10.0.0.2/24', '52:00:0a:00:00:02', '2001:db8::a00:2/64']) assert.match(eth0, has)
  assert.match(await docker.exec(two.name, ['ip', 'route']), 'default via 10.0.0.254')
  await docker.exec(one.name, ['ping', '-c', '1', '-W', '5', '10.0.0.2'])
  await docker.exec(one.name, ['ping', '-c', '1', '-W', '5', '2001:db8::a00:2'])
})

test("a megabyte of TCP passes each way, with Docker's FORWARD policy in force", async () => {
  assert.match(await run('iptables', ['-S', 'FORWARD']), '-P FORWARD DROP')
  await host.containers.start(sw, { slot: 1, image: docker.image, args: FOREVER })
  await host.containers.start(sw, { slot: 2, image: docker.image, args: FOREVER })
  await megabyteEachWay(await namespaceOf('sim-s1'), await namespaceOf('sim-s2'), '10.0.0.2')
  assert.match(await run('iptables', ['-S', 'FORWARD']), '-P FORWARD DROP')
})

test('a container can wait for eth0, which comes with all that belongs to it', async () => {
  const script =
    'until ip -o link show up | grep -q eth0; do :; done; ip addr show eth0; ip route; echo that is all; sleep 1000'
  const args = ['sh', '-c', script]
  await host.containers.start(sw, { slot: 3, image: docker.image, args })
  const log = docker.api.getContainer('sim-s3')
  const written = async () => (await log.logs({ stdout: true })).toString()
  await waitUntil(
    'the container has seen eth0',
    async () => (await written()).includes('that is all'),
    10_000,
  )
  for (const has of ['10.0.0.3/24', '2001:db8::a00:3/64', '52:00:0a:00:00:03', 'default via 10.0.0.254']) {
    assert.match(await written(), has)
  }
})

test('from the console of one container the other answers', async () => {
  await host.containers.start(sw, { slot: 1, image: docker.image, args: ['sh'] })
  await host.containers.start(sw, { slot: 2, image: docker.image, args: FOREVER })
  const terminal = new FakeTerminal()
  const attached = host.containers.attach(sw, 1, terminal)
  terminal.type('ping -c 1 -W 5 10.0.0.2 && echo it is $((40 + 2)) years old\r')
  await terminal.shows('it is 42 years old')
  terminal.type('\x10\x11')
  assert.equal(await attached, { detached: true })
})

test('stop leaves the slot empty, and the next start gets it', async () => {
  await host.containers.start(sw, { slot: 1, image: docker.image, args: FOREVER })
  await host.containers.stop(sw, 1, { timeoutSeconds: 0 })
  assert.equal(await sw.ports(), [])
  assert.equal(await docker.containers(), [])
  const { port } = await host.containers.start(sw, { image: docker.image, args: FOREVER })
  assert.is(port.slot, 1)
})

test('a restarted container keeps its addresses, and traffic passes again', async () => {
  const first = await host.containers.start(sw, { slot: 1, image: docker.image, args: FOREVER, mtu: 1400 })
  await host.containers.start(sw, { slot: 2, image: docker.image, args: FOREVER })
  const pid = await pidOf('sim-s1')
  const second = await host.containers.restart(sw, 1, { timeoutSeconds: 0 })
  assert.is(second.container, first.container)
  for (const same of ['ipv4', 'ipv6', 'mac', 'mtu', 'ifname'] as const) {
    assert.is(second.port[same], first.port[same], same)
  }
  assert.is.not(await pidOf('sim-s1'), pid)
  await megabyteEachWay(await namespaceOf('sim-s2'), await namespaceOf('sim-s1'), '10.0.0.1')
})

test('a container that was killed is restarted in its slot', async () => {
  await host.containers.start(sw, { slot: 1, image: docker.image, args: FOREVER })
  await docker.api.getContainer('sim-s1').kill()
  const { port } = await host.containers.restart(sw, 1)
  assert.is(port.ipv4, '10.0.0.1/24')
  await docker.exec('sim-s1', ['ping', '-c', '1', '-W', '5', '10.0.0.254'])
})

test('a container of somebody else can be plugged in too, on several vswitches', async () => {
  const { id, name } = await docker.run(FOREVER)
  const other = await host.createVswitch({ name: 'other', subnet: '10.1.0.254/24' })
  const eth0 = await sw.plug({ container: name }, { slot: 5 })
  const eth1 = await other.plug({ container: id }, { slot: 6, defaultRoute: false })
  assert.equal([eth0.ifname, eth1.ifname], ['eth0', 'eth1'])
  assert.equal([eth0.target, eth1.target], [`container:${name}`, `container:${name}`])
  await docker.exec(name, ['ping', '-c', '1', '-W', '5', '10.0.0.254'])
  await docker.exec(name, ['ping', '-c', '1', '-W', '5', '10.1.0.254'])
  await host.deleteVswitch('other')
  await docker.api.getContainer(id).remove({ force: true })
})

test('the command line starts a container, attaches a real terminal to it, and stops it', async () => {
  await run(process.execPath, [CLI, '--slot=1', 'start', docker.image, 'sh'], { env: environment() })
  const attach = `stty rows 24 cols 80; "${process.execPath}" "${CLI}" attach 1`
  const terminal = spawn('script', ['-qefc', attach, '/dev/null'], { env: environment() })
  let screen = ''
  terminal.stdout.on('data', (chunk: Buffer) => {
    screen += chunk.toString()
  })
  const ended = once(terminal, 'close')
  await waitUntil('a prompt', () => screen.includes('/ #'), 30_000)
  terminal.stdin.write('stty size; echo it is $((40 + 2))\r')
  await waitUntil('its answer', () => screen.includes('it is 42'), 30_000)
  assert.match(screen, '24 80')
  terminal.stdin.write('\x10\x11')
  assert.equal(await ended, [0, null], screen)
  assert.match(screen, 'detached')
  await run(process.execPath, [CLI, 'stop', '1', '--time=0'], { env: environment() })
  assert.equal(await docker.containers(), [])
  assert.equal(await sw.ports(), [])
})

test('cleanup takes out a container that has ended, though somebody holds its namespace', async () => {
  const { port } = await host.containers.start(sw, { slot: 1, image: docker.image, args: FOREVER })
  await run('ip', ['netns', 'attach', 'held', String(await pidOf('sim-s1'))])
  assert.equal((await host.cleanup()).removed, [])
  await docker.api.getContainer('sim-s1').kill()
  const planned = await host.cleanup({ dryRun: true })
  assert.equal(
    planned.removed.map(({ name }) => name),
    [port.hostIfname],
  )
  assert.is((await sw.ports()).length, 1)
  assert.equal((await host.cleanup()).removed, planned.removed)
  assert.equal(await sw.ports(), [])
  await run('ip', ['netns', 'delete', 'held'])
})

test('a start that fails leaves neither a container nor a port', async () => {
  const failing = [
    [{ slot: 1, image: docker.image, args: FOREVER, mtu: 12 }, 'MTU_INVALID'],
    [{ slot: 1, image: docker.image, args: ['no-such-program'] }, 'DOCKER_FAILED'],
    [{ slot: 1, image: 'nothing:1' }, 'IMAGE_NOT_FOUND'],
  ] as const
  for (const [options, code] of failing) {
    await refusal(host.containers.start(sw, options), code)
    assert.equal(await docker.containers(), [])
    assert.equal(await sw.ports(), [])
  }
})

test('plugging a container that has ended is refused', async () => {
  const { id, name } = await docker.run(['true'])
  await docker.api.getContainer(id).wait()
  await refusal(sw.plug({ container: name }), 'CONTAINER_NOT_RUNNING')
  await docker.api.getContainer(id).remove()
})

/** The links, namespaces and containers of this test's machine. */
async function world(): Promise<string> {
  const links = (await run('ip', ['-o', 'link'])).replace(/^\d+: (\S+?)[@:].*$/gm, '$1')
  const namespaces = await run('ip', ['netns'])
  return `links ${links}\nnamespaces ${namespaces}\ncontainers ${await docker.containers()}`
}

async function pidOf(container: string): Promise<number> {
  return (await docker.api.getContainer(container).inspect()).State.Pid
}

function environment(): NodeJS.ProcessEnv {
  return { ...process.env, DOCKER_HOST: docker.docker, TERM: 'dumb' }
}

async function namespaceOf(container: string): Promise<string> {
  return `/proc/${await pidOf(container)}/ns/net`
}

withDocker.run()
