/** What is in examples/, run as its users run it. */
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ECDOCK_FAST, ecdockFast } from '../support/cli-program.js'
import { composeCommand } from '../support/compose.js'
import { startDaemon } from '../support/daemon.js'
import { type PrivateDocker, startDocker } from '../support/docker.js'
import { inside, namedNamespace } from '../support/netns.js'
import { type RunOptions, run, waitUntil } from '../support/process.js'
import { KERNEL, qemuHasVde } from '../support/qemu.js'
import { needs } from '../support/requirements.js'
import { megabyteEachWay } from '../support/traffic.js'
import { leavingNothing } from '../support/world.js'

const CHECKOUT = fileURLToPath(new URL('../../../', import.meta.url))
const ready = needs(
  ...([
    'root',
    'docker',
    'compose',
    'qemu',
    'kmod',
    'busybox',
    'iptables',
    'iproute2',
    'ping',
    'socat',
  ] as const),
)
const examples = suite('examples')
const tested: string[] = []

let docker: PrivateDocker

if (ready) {
  examples.before(async () => {
    docker = await startDocker()
  })
  examples.after(() => docker.stop())
}

example('two-namespaces.mjs', async (path) => {
  const printed = await node([path])
  assert.ok(
    readFileSync(join(CHECKOUT, 'README.md'), 'utf8').includes(`\n\`\`\`\n${printed}\`\`\`\n`),
    printed,
  )
})

example('three-nodes.sh', async (path) => {
  const printed = await run(path, [])
  assert.match(printed, '1 packets transmitted, 1 received')
  for (const name of ['alice', 'bob', 'carol']) assert.match(printed, new RegExp(`^ .*netns:${name}\\b`, 'm'))
})

example('two-containers.mjs', async (path) => {
  const env = { ...process.env, DOCKER_HOST: docker.docker }
  const printed = await node([path, docker.image], { env, timeoutMs: 60_000 })
  assert.match(printed, 'two0-s1 has 10.8.0.1/24, 52:00:0a:08:00:01')
  assert.match(printed, '2 of 2 answer the host')
  assert.equal(await docker.containers(), [])
})

example('batch.jsonl', async (path) => {
  const namespaces = await Promise.all(['blue', 'red'].map(namedNamespace))
  try {
    const { stdout } = await ecdockFast(['batch', path])
    const results = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as BatchResult)
    // There is no namespace green.
    assert.equal(
      results.map(({ ok, error }) => (ok ? 'ok' : error?.code)),
      ['ok', 'ok', 'ok', 'TARGET_NOT_FOUND', 'ok', 'ok'],
    )
  } finally {
    for (const namespace of namespaces) await namespace.remove()
  }
})

example('vde-node.mjs', async (path) => {
  const printed = await node([path])
  assert.match(printed, '100 of 100 nodes answer')
  assert.match(printed, '10.5.0.201 is none of them')
})

example('compose-dhcp', (path) =>
  withDaemon({}, async () => {
    const { command, args } = composeCommand() ?? { command: '', args: [] }
    const env = {
      ...process.env,
      DOCKER_HOST: docker.docker,
      IMAGE: docker.image,
      COMPOSE_PROJECT_NAME: 'lab',
    }
    const compose = (...words: string[]) =>
      run(command, [...args, ...words], { cwd: path, env, timeoutMs: 60_000 })
    try {
      await compose('up', '--detach')
      const [server, alice, bob] = await Promise.all(['dhcp', 'alice', 'bob'].map(serviceCalled))
      for (const client of [alice, bob]) {
        await waitUntil('it has a lease', async () => (await addressOf(client)) !== '', 20_000)
        assert.is(client?.fromDocker, '')
      }
      const [one, other] = [await addressOf(alice), await addressOf(bob)]
      // The server writes its leases to their file when it is told to.
      await docker.exec(server?.name ?? '', ['kill', '-USR1', '1'])
      const leases = async () => docker.exec(server?.name ?? '', ['dumpleases', '-f', '/tmp/udhcpd.leases'])
      await waitUntil('it has written them', async () => (await leases()).includes(other))
      for (const [client, address] of [
        [alice, one],
        [bob, other],
      ] as const) {
        assert.match(address, /^10\.77\.0\.1[0-4]\d$|^10\.77\.0\.150$/)
        assert.match(await leases(), new RegExp(`^${client?.mac} +${address} `, 'm'))
      }
      await megabyteEachWay(alice?.netns ?? '', bob?.netns ?? '', other)
      await megabyteEachWay(bob?.netns ?? '', server?.netns ?? '', '10.77.0.1')
    } finally {
      await compose('down', '--timeout', '1')
    }
  }),
)

/** The daemon as the unit starts it, and as a managed plugin does: with these rights and no others. */
example('ecdock-fast.service', async (path) => {
  const unit = readFileSync(path, 'utf8')
  const setting = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1] ?? ''
  assert.is(setting('NoNewPrivileges'), 'yes')
  const capabilities = setting('CapabilityBoundingSet').split(' ')
  await daemonWith(capabilities, setting('ExecStart').split(' '), ['--no-new-privs'])
})

example('docker-plugin', async (path) => {
  const config = JSON.parse(readFileSync(join(path, 'config.json'), 'utf8')) as PluginConfig
  await daemonWith(config.linux.capabilities, ['/usr/bin/env', ...config.entrypoint])
})

example('qemu', async (path) => {
  if (KERNEL === undefined || !(await qemuHasVde())) {
    console.error('examples/qemu was not run: there is no kernel to boot, or this QEMU is built without vde')
    return
  }
  const env = { ...process.env, KERNEL: KERNEL.image, MODULES: KERNEL.modules }
  const printed = await run(join(path, 'ping.sh'), [], { env, timeoutMs: 90_000 })
  assert.match(printed, 'the machine with 10.4.0.2/24 is ready')
  assert.match(printed, '3 packets transmitted, 3 received')
})

examples('each example is run by a test', () => {
  assert.equal(readdirSync(join(CHECKOUT, 'examples')).sort(), tested.sort())
})

/** One container of what docker compose has started. */
interface Service {
  name: string
  netns: string
  mac: string
  /** The address that Docker knows of; '' when it has given none. */
  fromDocker: string
}

async function serviceCalled(service: string): Promise<Service> {
  const filters = { label: [`com.docker.compose.service=${service}`] }
  const [found] = await docker.api.listContainers({ filters })
  const { Id, State, NetworkSettings } = await docker.api.getContainer(found?.Id ?? service).inspect()
  const [network] = Object.values(NetworkSettings.Networks)
  return {
    name: Id,
    netns: `/proc/${State.Pid}/ns/net`,
    mac: network?.MacAddress ?? '',
    fromDocker: network?.IPAddress ?? '',
  }
}

/** What its interface has; '' when that is none yet. */
async function addressOf(service: Service | undefined): Promise<string> {
  const shown = await inside(service?.netns ?? '', 'ip', ['-4', '-o', 'address', 'show', 'dev', 'eth0'])
  return /inet ([\d.]+)\/24/.exec(shown)?.[1] ?? ''
}

/** With the drivers served to Docker; see {@link startDaemon}. */
async function withDaemon(
  options: Parameters<typeof startDaemon>[0],
  body: () => Promise<void>,
): Promise<void> {
  const daemon = await startDaemon(options)
  try {
    await body()
  } finally {
    await daemon.stop()
  }
}

/** Docker's config.json of a plugin, as far as it is looked at here. */
interface PluginConfig {
  entrypoint: string[]
  linux: { capabilities: string[] }
}

/** Starts the daemon by this command with these capabilities at most, and lets two containers meet. */
async function daemonWith(
  capabilities: readonly string[],
  command: readonly string[],
  also: readonly string[] = [],
): Promise<void> {
  const set = ['-all', ...capabilities.map((name) => `+${name.replace(/^CAP_/, '').toLowerCase()}`)].join()
  const rights = ['setpriv', `--bounding-set=${set}`, '--inh-caps=-all', ...also, '--']
  const bin = await mkdtemp(join(tmpdir(), 'bin-'))
  const program = `#!/bin/sh\nexec '${process.execPath}' '${ECDOCK_FAST}' "$@"\n`
  await writeFile(join(bin, 'ecdock-fast'), program, { mode: 0o755 })
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` }
  try {
    await withDaemon({ command: [...rights, ...command], env }, async () => {
      await docker.cli('network', 'create', '--driver', 'vde', '--subnet', '10.2.0.0/24', 'lab')
      const [one, other] = await Promise.all([2, 3].map((last) => containerAt(`10.2.0.${last}`)))
      await megabyteEachWay(one?.netns ?? '', other?.netns ?? '', '10.2.0.3')
      for (const { name } of [one, other].flatMap((each) => each ?? []))
        await docker.cli('rm', '--force', name)
      await docker.cli('network', 'rm', 'lab')
    })
  } finally {
    await rm(bin, { recursive: true })
  }
}

async function containerAt(ip: string): Promise<{ name: string; netns: string }> {
  const name = (
    await docker.cli('run', '--detach', '--network', 'lab', '--ip', ip, docker.image, 'sleep', '1000')
  ).trim()
  const { State } = await docker.api.getContainer(name).inspect()
  return { name, netns: `/proc/${State.Pid}/ns/net` }
}

interface BatchResult {
  ok: boolean
  error?: { code: string }
}

/** A test of what is called so in examples/. It must leave nothing behind. */
function example(name: string, body: (path: string) => Promise<void>): void {
  tested.push(name)
  const test = ready ? examples : examples.skip
  test(name, () => leavingNothing(() => body(join(CHECKOUT, 'examples', name))))
}

function node(args: readonly string[], options?: RunOptions): Promise<string> {
  return run(process.execPath, args, options)
}

examples.run()
