import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { readFileSync, readlinkSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { explainSteps } from '../../src/kernel/explain.js'
import type { Step } from '../../src/kernel/plan.js'

/** Runs what would be pasted, and stops at the first command that fails. */
function paste(steps: Step[]): void {
  sh(`set -e\n${explainSteps(steps).join('\n')}`)
}

function sh(script: string): string {
  return execFileSync('sh', ['-c', script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

interface IpLink {
  ifname: string
  address: string
  mtu: number
  group: string
  ifalias?: string
  master?: string
  flags: string[]
  link_netnsid?: number
  linkinfo?: { info_kind: string; info_data?: { mcast_snooping: number; stp_state: number } }
}

function link(where: string, name: string): IpLink {
  const links: IpLink[] = JSON.parse(sh(`${where} -d -j link show dev ${name}`))
  const [found] = links
  if (found === undefined) throw new Error(`no link ${name}`)
  return found
}

function addresses(where: string, name: string): string[] {
  const found: { addr_info: { local: string; prefixlen: number; scope: string; tentative?: boolean }[] }[] =
    JSON.parse(sh(`${where} -j addr show dev ${name}`))
  return found
    .flatMap((entry) => entry.addr_info)
    .filter((info) => info.scope === 'global')
    .map((info) => `${info.local}/${info.prefixlen}${info.tentative ? ' tentative' : ''}`)
}

/** A process in a network namespace of its own, which has no name. */
async function nameless(): Promise<{ process: ChildProcess; netns: string }> {
  const process = spawn('unshare', ['--net', 'sleep', '300'], { stdio: 'ignore' })
  const netns = `/proc/${process.pid}/ns/net`
  const ours = readlinkSync('/proc/self/ns/net')
  while (readlinkSync(netns) === ours) await sleep(5)
  return { process, netns }
}

interface World {
  target: { process: ChildProcess; netns: string }
}

const test = suite<World>('pasted commands')

test.before.each(async (world) => {
  world.target = await nameless()
})

test.after.each((world) => {
  world.target.process.kill('SIGKILL')
  for (const name of ['ecdock-br0', 'blue', 'my ns']) {
    execFileSync('ip', ['netns', 'del', name], { stdio: 'ignore' })
  }
})

test.before.each(() => {
  paste([
    { op: 'netns', name: 'ecdock-br0', alias: '{"kind":"bridge"}' },
    { op: 'netns', name: 'blue' },
    { op: 'netns', name: 'my ns' },
  ])
})

const BRIDGE = '/run/netns/ecdock-br0'
const BLUE = '/run/netns/blue'

test('they make namespaces whose loopback is up', () => {
  const loopback = link('ip -n ecdock-br0', 'lo')
  assert.is(loopback.ifalias, '{"kind":"bridge"}')
  assert.ok(loopback.flags.includes('UP'))
  assert.ok(link("ip -n 'my ns'", 'lo').flags.includes('UP'))
})

test('they plug a named and a nameless namespace into a bridge, and traffic passes', ({ target }) => {
  const plug = (slot: number, netns: string): Step[] => [
    { op: 'vacant', netns, name: 'eth*', addresses: [] },
    { op: 'alive', netns },
    {
      op: 'veth',
      netns: BRIDGE,
      name: `br0-s${slot}`,
      master: 'br0',
      group: 51,
      alias: `{ifname} in {netns}; it's "ours" $HOME`,
      mtu: 1400,
      peer: { netns, name: 'eth*', mac: `52:00:0a:00:00:0${slot}`, mtu: 1400, alias: 'target end' },
    },
    { op: 'address', netns, name: 'eth*', address: `10.0.0.${slot}`, prefix: 24 },
    { op: 'address', netns, name: 'eth*', address: `2001:db8::a00:${slot}`, prefix: 64 },
    { op: 'link', netns, name: 'lo', up: true },
    { op: 'sysctl', netns, key: 'ipv4/conf/eth*/arp_notify', value: '1' },
    { op: 'link', netns, name: 'eth*', up: true },
    { op: 'route', netns, destination: 'default', gateway: '10.0.0.254', name: 'eth*', keepExisting: true },
    { op: 'route', netns, destination: '10.9.0.0/16', gateway: '10.0.0.9', name: 'eth*' },
  ]
  paste([
    { op: 'bridge', netns: BRIDGE, name: 'br0', mac: '52:00:0a:00:00:fe', group: 51, alias: 'the bridge' },
  ])
  paste(plug(1, BLUE))
  paste(plug(2, target.netns))

  const bridge = link('ip -n ecdock-br0', 'br0')
  assert.is(bridge.ifalias, 'the bridge')
  assert.is(bridge.address, '52:00:0a:00:00:fe')
  assert.ok(bridge.flags.includes('UP'))
  assert.equal(bridge.linkinfo?.info_data?.mcast_snooping, 0)
  assert.equal(bridge.linkinfo?.info_data?.stp_state, 0)

  const host = link('ip -n ecdock-br0', 'br0-s1')
  assert.is(host.master, 'br0')
  assert.is(host.group, '51')
  assert.is(host.mtu, 1400)
  assert.is(host.ifalias, `eth0 in ${statSync(BLUE).ino}; it's "ours" $HOME`)
  assert.ok(host.flags.includes('UP'))

  for (const [where, slot] of [
    ['ip -n blue', 1],
    [`nsenter --net=${target.netns} ip`, 2],
  ] as const) {
    const end = link(where, 'eth0')
    assert.is(end.address, `52:00:0a:00:00:0${slot}`)
    assert.is(end.mtu, 1400)
    assert.is(end.ifalias, 'target end')
    assert.ok(end.flags.includes('LOWER_UP'))
    assert.equal(addresses(where, 'eth0'), [`10.0.0.${slot}/24`, `2001:db8::a00:${slot}/64`])
    assert.match(sh(`${where} route`), /default via 10\.0\.0\.254 dev eth0/)
    assert.match(sh(`${where} route`), /10\.9\.0\.0\/16 via 10\.0\.0\.9 dev eth0/)
  }
  assert.match(sh(`nsenter --net=${BLUE} cat /proc/sys/net/ipv4/conf/eth0/arp_notify`), /^1$/m)
  sh('ip netns exec blue ping -c 1 -W 5 10.0.0.2')
  sh('ip netns exec blue ping -6 -c 1 -W 5 2001:db8::a00:2')
})

test('they set a sysctl of the new interface, and tell the neighbours whose an address is', ({ target }) => {
  paste([
    { op: 'vacant', netns: BLUE, name: 'eth*', addresses: [] },
    { op: 'veth', netns: target.netns, name: 'eth0', peer: { netns: BLUE, name: 'eth*' } },
    { op: 'sysctl', netns: BLUE, key: 'ipv4/conf/{ifname}/rp_filter', value: '2' },
    { op: 'address', netns: target.netns, name: 'eth0', address: '10.0.0.2', prefix: 24 },
    { op: 'address', netns: BLUE, name: 'eth*', address: '10.0.0.1', prefix: 24 },
    { op: 'link', netns: BLUE, name: 'eth*', up: true },
  ])
  assert.match(sh('ip netns exec blue cat /proc/sys/net/ipv4/conf/eth0/rp_filter'), /^2$/m)
  const neighbour = `nsenter --net=${target.netns} ip neigh`
  sh(`${neighbour} replace 10.0.0.1 lladdr 02:00:00:00:00:99 dev eth0 nud reachable`)
  paste([
    { op: 'ready', netns: BLUE, name: 'eth0' },
    { op: 'announce', netns: BLUE, name: 'eth0' },
  ])
  assert.match(sh(`${neighbour} show 10.0.0.1`), link('ip -n blue', 'eth0').address)
  assert.match(sh('ip netns exec blue cat /proc/sys/net/ipv4/conf/eth0/arp_notify'), /^0$/m)
})

test('a second plug takes the next free name and keeps the default route', () => {
  const second: Step[] = [
    { op: 'vacant', netns: BLUE, name: 'eth*', addresses: [] },
    { op: 'veth', netns: '', name: 'ovs0-s1', peer: { netns: BLUE, name: 'eth*' } },
    { op: 'address', netns: BLUE, name: 'eth*', address: '10.1.0.1', prefix: 24 },
    { op: 'link', netns: BLUE, name: 'eth*', up: true },
    {
      op: 'route',
      netns: BLUE,
      destination: 'default',
      gateway: '10.1.0.254',
      name: 'eth*',
      keepExisting: true,
    },
  ]
  paste([
    { op: 'veth', netns: '', name: 'ovs0-s9', peer: { netns: BLUE, name: 'eth0' } },
    { op: 'address', netns: BLUE, name: 'eth0', address: '10.0.0.1', prefix: 24 },
    { op: 'link', netns: BLUE, name: 'eth0', up: true },
    { op: 'route', netns: BLUE, destination: 'default', gateway: '10.0.0.254', name: 'eth0' },
  ])
  paste(second)
  assert.equal(addresses('ip -n blue', 'eth1'), ['10.1.0.1/24'])
  assert.is(sh('ip -n blue route show default').trim(), 'default via 10.0.0.254 dev eth0 proto static')
  assert.throws(() => paste(second), /File exists/)
  sh('ip link del ovs0-s1; ip link del ovs0-s9')
})

test("they make an end in the shell's own namespace from within another", () => {
  paste([{ op: 'bridge', netns: BRIDGE, name: 'br0' }])
  paste([
    {
      op: 'veth',
      netns: BRIDGE,
      name: 'br0-s254',
      master: 'br0',
      peer: { netns: '', name: 'br0', mac: '52:00:0a:00:00:fe', group: 52 },
    },
    { op: 'link', netns: '', name: 'br0', up: true, mtu: 1300, alias: '' },
  ])
  assert.is(link('ip -n ecdock-br0', 'br0-s254').master, 'br0')
  const own = link('ip', 'br0')
  assert.is(own.address, '52:00:0a:00:00:fe')
  assert.is(own.group, '52')
  assert.is(own.mtu, 1300)
  sh('ip link del br0')
})

test('they turn checksum offload off, in a namespace with and without a name', ({ target }) => {
  const tap = (netns: string): Step[] => [
    { op: 'veth', netns: BRIDGE, name: netns === BLUE ? 'a' : 'b', peer: { netns, name: 'eth0' } },
    { op: 'tx-checksum-off', netns, name: 'eth0' },
  ]
  paste([...tap(BLUE), ...tap(target.netns)])
  for (const where of ['ip netns exec blue', `nsenter --net=${target.netns}`]) {
    assert.match(sh(`${where} ethtool -k eth0`), /^tx-checksumming: off$/m)
  }
  assert.match(sh('ip netns exec ecdock-br0 ethtool -k a'), /^tx-checksumming: on$/m)
})

test('they set what belongs to the namespace and leave the rest alone', () => {
  const key = '/proc/sys/net/ipv6/conf/default/disable_ipv6'
  const before = readFileSync(key, 'utf8')
  const value = before.trim() === '0' ? '1' : '0'
  paste([{ op: 'sysctl', netns: '/run/netns/my ns', key: 'ipv6/conf/default/disable_ipv6', value }])
  assert.is(sh(`ip netns exec 'my ns' cat ${key}`).trim(), value)
  assert.is(readFileSync(key, 'utf8'), before)
})

test.run()
