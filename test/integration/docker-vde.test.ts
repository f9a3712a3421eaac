/** Docker with the drivers vde and vde-ipam, all of it real: dockerd, its command line, switches, traffic. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { DoctorReport } from '../../src/doctor/doctor.js'
import { ecdockFast } from '../support/cli-program.js'
import { startDaemon, type TestDaemon } from '../support/daemon.js'
import { type PrivateDocker, startDocker } from '../support/docker.js'
import { assertNothingLeft, type Snapshot, snapshot } from '../support/leaks.js'
import { run, waitUntil } from '../support/process.js'
import { needs } from '../support/requirements.js'
import { megabyteEachWay, pings } from '../support/traffic.js'

const ready = needs('root', 'docker', 'busybox', 'iptables', 'iproute2', 'ping', 'vde', 'socat')
const withDocker = suite('Docker networks of the driver vde')
const test = ready ? withDocker : withDocker.skip

let docker: PrivateDocker
let daemon: TestDaemon
let before: Snapshot

if (ready) {
  withDocker.before(async () => {
    docker = await startDocker()
    daemon = await startDaemon()
    before = await snapshot({ directories: [daemon.directory] })
  })
  withDocker.after.each(async () => {
    for (const name of await docker.containers()) await docker.cli('rm', '--force', name)
    const networks = (await docker.cli('network', 'ls', '--filter', 'driver=vde', '--quiet')).trim()
    for (const id of networks.split('\n').filter(Boolean)) await docker.cli('network', 'rm', id)
    await assertNothingLeft(before)
  })
  withDocker.after(async () => {
    await daemon.stop()
    await docker.stop()
  })
}

test("docker-vde-plugin's first example works as it is written", async () => {
  await create('--ip-range', '192.168.123.0/24', '--subnet', '192.168.123.0/24', 'vdetest')
  const one = await container('--net=vdetest', '--ip=192.168.123.2')
  const two = await container('--net=vdetest')
  assert.is(one.address, '192.168.123.2/24')
  assert.is(one.mac, '52:00:c0:a8:7b:02')
  await megabyteEachWay(one.netns, two.netns, bare(two.address))
  assert.match(await docker.exec(one.name, ['ip', 'route']), 'default via 192.168.123.1')
  const links = await docker.exec(one.name, ['ip', '-o', 'link'])
  assert.is(links.match(/^\d+: eth/gm)?.length, 1, 'no interface on docker_gwbridge')
})

test("docker-vde-plugin's second example works, and a program of VDE finds the switch where it says", async () => {
  const socketDir = join(daemon.directory, 'mynetwork')
  const options = [`socket_dir=${socketDir}`, 'create_sockets=true', 'socket_group=nogroup']
  await create(
    ...options.flatMap((option) => ['-o', option]),
    '--ip-range',
    '192.168.123.0/24',
    '--subnet',
    '192.168.123.0/24',
    'vdekvm',
  )
  const one = await container('--net=vdekvm', '--ip=192.168.123.2')
  const { connect } = await import('../../src/vde/connection.js')
  const connection = await connect(socketDir)
  try {
    // Frames that everybody is sent arrive here, too: neighbours are asked for.
    const frames = connection[Symbol.asyncIterator]()
    const heard = frames.next()
    await pings(one.netns, '192.168.123.77')
    const { value } = await heard
    assert.is(Buffer.from(value as Buffer).readUInt16BE(12), 0x0806, 'an ARP request')
  } finally {
    connection.destroy()
  }
  assert.match(await run('stat', ['-c', '%G %a', join(socketDir, 'ctl')]), /nogroup 660/)
})

test('vde-ipam: networks with the same subnet, a container as gateway, and no address left', async () => {
  for (const name of ['red', 'blue']) {
    await create('--ipam-driver', 'vde-ipam', '--subnet', '10.0.0.0/29', '--gateway', '10.0.0.1', name)
  }
  const red = await container('--net=red')
  const blue = await container('--net=blue')
  assert.equal([red.address, blue.address], ['10.0.0.2/29', '10.0.0.2/29'])
  const gateway = await container('--net=red', '--ip=10.0.0.1')
  await megabyteEachWay(red.netns, gateway.netns, '10.0.0.1')
  assert.is(await pings(blue.netns, '10.0.0.1'), false, 'the other network is another one')
  assert.is((await docker.exec(gateway.name, ['ip', 'route'])).includes('default'), false)
  for (const last of [3, 4, 5, 6]) assert.is((await container('--net=red')).address, `10.0.0.${last}/29`)
  await refused(() => container('--net=red'), /all addresses of 10\.0\.0\.0\/29 are in use/)
  await refused(() => container('--net=red', '--ip=10.0.0.3'), /10\.0\.0\.3 of 10\.0\.0\.0\/29 is in use/)
  await docker.cli('rm', '--force', gateway.name)
  assert.is((await container('--net=red', '--ip=10.0.0.1')).address, '10.0.0.1/29')
})

test('vde-ipam: without a subnet a network gets one', async () => {
  await create('--ipam-driver', 'vde-ipam', 'any')
  assert.match((await container('--net=any')).address, /^10\.222\.\d+\.2\/24$/)
})

test('IPv6', async () => {
  const ipv6 = ['--ipv6', '--subnet', 'fd00:7::/64']
  await create('--ipam-driver', 'vde-ipam', '--subnet', '10.7.0.0/24', ...ipv6, 'six')
  const one = await container('--net=six', '--ip6=fd00:7::aa')
  const two = await container('--net=six')
  assert.match(await docker.exec(one.name, ['ip', '-6', 'addr', 'show', 'eth0']), 'fd00:7::aa/64')
  await megabyteEachWay(two.netns, one.netns, 'fd00:7::aa')
})

test('running containers are connected and disconnected, and have the same MAC the next time', async () => {
  await create('--subnet', '10.8.0.0/24', 'later')
  const one = await container('--net=later')
  const two = await container('--net=none')
  await docker.cli('network', 'disconnect', 'none', two.name)
  for (let round = 0; round < 3; round++) {
    await docker.cli('network', 'connect', '--ip', '10.8.0.9', 'later', two.name)
    assert.match(await docker.exec(two.name, ['ip', 'addr']), '52:00:0a:08:00:09')
    await megabyteEachWay(one.netns, two.netns, '10.8.0.9')
    await docker.cli('network', 'disconnect', 'later', two.name)
    assert.is(await pings(one.netns, '10.8.0.9'), false)
  }
  await docker.cli('restart', '--time', '0', one.name)
  const again = await found(one.name)
  assert.equal([again.mac, again.address], [one.mac, one.address])
})

test('jumbo frames cross whole', async () => {
  await create('--subnet', '10.9.0.0/24', '-o', 'mtu=9000', 'jumbo')
  const one = await container('--net=jumbo')
  const two = await container('--net=jumbo')
  assert.match(await docker.exec(one.name, ['ip', 'link', 'show', 'eth0']), 'mtu 9000')
  const ping = ['ping', '-n', '-q', '-c', '1', '-W', '2', '-M', 'do', '-s', '8972', bare(two.address)]
  await run('nsenter', [`--net=${one.netns}`, '--', ...ping])
  await megabyteEachWay(one.netns, two.netns, bare(two.address))
})

test('a switch has as many ports as it was given', async () => {
  await create('--subnet', '10.10.0.0/24', '-o', 'num_switchports=2', 'small')
  const one = await container('--net=small')
  await container('--net=small')
  await refused(() => container('--net=small'), /all 2 ports of the switch at .* are in use.*num_switchports/)
  await docker.cli('rm', '--force', one.name)
  await container('--net=small')
})

test('networks that cannot be are refused with what to do', async () => {
  const there = join(daemon.directory, 'there')
  await mkdir(there)
  const wrong: [string[], RegExp][] = [
    [
      ['-o', `socket_dir=${there}/mistyped`],
      /No VDE switch answers at .*mistyped: there is no such directory/,
    ],
    [['-o', `socket_dir=${there}`], /there is no socket ctl in that directory/],
    [['-o', 'socket_dri=/x'], /there is no option "socket_dri".*socket_dir/],
    [['-o', 'mtu=99999'], /the option mtu is "99999".*68 to 9198/],
    [
      ['-o', `socket_dir=${there}/new`, '-o', 'create_sockets=true', '-o', 'socket_group=nobodys'],
      /no group nobodys/,
    ],
  ]
  for (const [options, words] of wrong) {
    await refused(() => create('--subnet', '10.11.0.0/24', ...options, 'wrong'), words)
  }
  await rm(there, { recursive: true })
})

test("a switch of vde_switch's is used as it is, and left", async () => {
  const socketDir = join(daemon.directory, 'theirs')
  const theirs = spawn('vde_switch', ['-s', socketDir, '-x', '-n', '64'], {
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  try {
    await waitUntil('vde_switch listens', () => existsSync(join(socketDir, 'ctl')))
    for (const name of ['upper', 'lower']) {
      await create(
        '--ipam-driver',
        'vde-ipam',
        '--subnet',
        '10.12.0.0/24',
        '-o',
        `socket_dir=${socketDir}`,
        name,
      )
    }
    const one = await container('--net=upper', '--ip=10.12.0.2')
    const two = await container('--net=lower', '--ip=10.12.0.3')
    await megabyteEachWay(one.netns, two.netns, '10.12.0.3')
    for (const { name } of [one, two]) await docker.cli('rm', '--force', name)
    for (const name of ['upper', 'lower']) await docker.cli('network', 'rm', name)
    assert.is(theirs.exitCode, null)
    assert.ok(existsSync(join(socketDir, 'ctl')))
  } finally {
    theirs.kill()
    await once(theirs, 'close')
    await rm(socketDir, { recursive: true, force: true })
  }
})

test('doctor sees the drivers', async () => {
  const { checks } = JSON.parse((await ecdockFast(['--json', 'doctor'])).stdout) as DoctorReport
  const check = checks.find(({ name }) => name === 'Docker drivers')
  assert.equal([check?.status, check?.optional], ['ok', true])
})

interface Container {
  name: string
  netns: string
  /** With its prefix length. */
  address: string
  mac: string
}

function create(...args: string[]): Promise<string> {
  return docker.cli('network', 'create', '--driver', 'vde', ...args)
}

async function container(...args: string[]): Promise<Container> {
  const id = await docker.cli(
    'run',
    '--detach',
    '--tty',
    '--interactive',
    ...args,
    docker.image,
    'sleep',
    '1000',
  )
  return found(id.trim())
}

async function found(id: string): Promise<Container> {
  const { State, NetworkSettings } = await docker.api.getContainer(id).inspect()
  const [network] = Object.values(NetworkSettings.Networks)
  const address = `${network?.IPAddress}/${network?.IPPrefixLen}`
  return { name: id, netns: `/proc/${State.Pid}/ns/net`, address, mac: network?.MacAddress ?? '' }
}

async function refused(work: () => Promise<unknown>, words: RegExp): Promise<void> {
  try {
    await work()
  } catch (error) {
    assert.match(String(error), words)
    return
  }
  assert.unreachable(`was not refused with ${words}`)
}

function bare(address: string): string {
  return address.split('/')[0] ?? ''
}

withDocker.run()
