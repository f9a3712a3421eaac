/** What is killed while containers on a network of the driver vde speak with each other, and what goes on. */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Control } from '../../src/vde/control.js'
import { startDaemon, type TestDaemon } from '../support/daemon.js'
import { type PrivateDocker, startDocker } from '../support/docker.js'
import { type EndlessTraffic, endlessTraffic } from '../support/endless-traffic.js'
import { assertNothingLeft, type Snapshot, snapshot } from '../support/leaks.js'
import { waitUntil } from '../support/process.js'
import { needs } from '../support/requirements.js'
import { megabyteEachWay } from '../support/traffic.js'

const ready = needs('root', 'docker', 'busybox', 'iptables', 'iproute2', 'socat')
const withDocker = suite('faults of Docker networks of the driver vde')
const test = ready ? withDocker : withDocker.skip

let docker: PrivateDocker
let daemon: TestDaemon
let before: Snapshot
let network: string
/** The last test has ended Docker and the daemon. */
let ended = false

if (ready) {
  withDocker.before(async () => {
    before = await snapshot()
    docker = await startDocker({ liveRestore: true })
    daemon = await startDaemon()
  })
  withDocker.before.each(async () => {
    const subnet = ['--ipam-driver', 'vde-ipam', '--subnet', '10.0.0.0/24']
    network = (await docker.cli('network', 'create', '--driver', 'vde', ...subnet, 'lab')).trim()
  })
  withDocker.after.each(async () => {
    if (ended) return
    for (const name of await docker.containers()) await docker.cli('rm', '--force', name)
    await docker.cli('network', 'rm', 'lab')
  })
  withDocker.after(async () => {
    if (ended) return
    await daemon.stop()
    await docker.stop()
  })
}

/** What is killed, in this order. */
const ORDERS: ('switch' | 'daemon' | 'dockerd')[][] = [
  ['switch'],
  ['daemon'],
  ['dockerd'],
  ['switch', 'daemon', 'dockerd'],
  ['daemon', 'switch', 'dockerd'],
  ['dockerd', 'switch', 'daemon'],
  ['dockerd', 'daemon', 'switch'],
  ['switch', 'dockerd', 'daemon'],
  ['daemon', 'dockerd', 'switch'],
]

for (const order of ORDERS) {
  test(`connections go on when killed: ${order.join(', ')}`, async () => {
    const one = await container()
    const two = await container()
    await under(await endlessTraffic(one.netns, two.netns, two.address), async (traffic) => {
      for (const what of order) {
        await kill(what)
        if (what !== 'switch') await traffic.goesOn()
      }
      // A switch that has been killed while the daemon was away comes back with it.
      await traffic.goesOn()
      const three = await container()
      assert.not([one.address, two.address].includes(three.address), `${three.address} is given twice`)
      await megabyteEachWay(three.netns, one.netns, one.address)
      await traffic.goesOn()
    })
  })
}

test('a daemon that is away when its switch is killed starts it when it comes', async () => {
  const one = await container()
  const two = await container()
  await under(await endlessTraffic(one.netns, two.netns, two.address), async (traffic) => {
    await daemon.end('SIGKILL')
    process.kill(await switchPid(), 'SIGKILL')
    await new Promise((resolve) => setTimeout(resolve, 300))
    await daemon.start()
    await traffic.goesOn()
  })
})

test('a network is there again when the machine has lost all but its disk', async () => {
  await daemon.end('SIGKILL')
  process.kill(await switchPid(), 'SIGKILL')
  for (const lost of ['r', 's']) await rm(join(daemon.directory, lost), { recursive: true })
  await daemon.start()
  const one = await container()
  const two = await container()
  await megabyteEachWay(one.netns, two.netns, two.address)
})

test('SIGTERM ends the daemon and nothing else', async () => {
  const one = await container()
  const two = await container()
  const pid = await switchPid()
  await under(await endlessTraffic(one.netns, two.netns, two.address), async (traffic) => {
    assert.is(await daemon.end('SIGTERM'), 0)
    await traffic.goesOn()
    await daemon.start()
    assert.is(await switchPid(), pid)
    await docker.cli('network', 'disconnect', 'lab', one.name)
    await docker.cli('network', 'connect', 'lab', one.name)
  })
})

test('what a container leaves that is killed with dockerd is collected, and the network goes on', async () => {
  const one = await container()
  await container()
  await docker.cli('kill', one.name)
  await waitUntil('one port is left', async () => (await ports()) === 1)
  const again = await container()
  const more = await container()
  await megabyteEachWay(again.netns, more.netns, more.address)
})

test('without live-restore the containers end with dockerd, and the next ones work', async () => {
  await docker.restart('SIGKILL', { liveRestore: false })
  await container()
  const two = await container()
  process.kill(two.pid, 'SIGSTOP')
  await docker.restart('SIGKILL', { liveRestore: false })
  await waitUntil('no port is left', async () => (await ports()) === 0, 20_000)
  const three = await container()
  const four = await container()
  await megabyteEachWay(three.netns, four.netns, four.address)
  await docker.restart('SIGTERM', { liveRestore: true })
})

test('nothing of all that is left', async () => {
  await docker.cli('network', 'rm', 'lab')
  ended = true
  await waitUntil('all records are gone', async () => (await records()).length === 0)
  await daemon.stop()
  await docker.stop()
  await assertNothingLeft(before)
})

async function records(): Promise<string[]> {
  const kinds = ['networks', 'endpoints', 'pools'].map((kind) => join(daemon.directory, 'state', kind))
  return (await Promise.all(kinds.map((directory) => readdir(directory)))).flat()
}

interface Container {
  name: string
  pid: number
  netns: string
  address: string
}

async function container(): Promise<Container> {
  const id = (await docker.cli('run', '--detach', '--net=lab', docker.image, 'sleep', '1000')).trim()
  const { State, NetworkSettings } = await docker.api.getContainer(id).inspect()
  const address = NetworkSettings.Networks.lab?.IPAddress ?? ''
  return { name: id, pid: State.Pid, netns: `/proc/${State.Pid}/ns/net`, address }
}

async function under(
  traffic: EndlessTraffic,
  work: (traffic: EndlessTraffic) => Promise<void>,
): Promise<void> {
  try {
    await work(traffic)
  } finally {
    await traffic.stop()
  }
}

async function kill(what: 'switch' | 'daemon' | 'dockerd'): Promise<void> {
  if (what === 'dockerd') return docker.restart('SIGKILL')
  if (what === 'switch') {
    process.kill(await switchPid(), 'SIGKILL')
    return
  }
  await daemon.end('SIGKILL')
  await daemon.start()
}

async function switchPid(): Promise<number> {
  return withControl(async (control) => (await control.status()).pid)
}

async function ports(): Promise<number> {
  return withControl(async (control) => (await control.status()).ports)
}

/** The switch may be on its way back. */
async function withControl<Result>(ask: (control: Control) => Promise<Result>): Promise<Result> {
  const path = join(daemon.directory, 'r', 'docker', `${network.slice(0, 12)}.control`)
  let answer: { result: Result } | undefined
  await waitUntil('the switch answers', async () => {
    const control = await Control.connect(path).catch(() => undefined)
    if (control === undefined) return false
    try {
      answer = { result: await ask(control) }
      return true
    } catch {
      return false
    } finally {
      control.close()
    }
  })
  if (answer === undefined) throw new Error('unreachable')
  return answer.result
}

withDocker.run()
