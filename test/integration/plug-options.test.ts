import { existsSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { allowedNames } from '../../src/vswitch/plug-options/sysctls.js'
import type { PlugOptions } from '../../src/vswitch/vswitch.js'
import { USERMODE } from '../support/datapath.js'
import { heard } from '../support/frames.js'
import { inside } from '../support/netns.js'
import { type Laid, onVswitch } from '../support/on-vswitch.js'
import { type PrivateOvs, startOvs } from '../support/ovs.js'
import { assertUnchanged, picture } from '../support/picture.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { answers, megabyteEachWay, pings } from '../support/traffic.js'

const here = needs('root', 'iproute2', 'ping', 'socat') ? test : test.skip
const withOvs = needs('root', 'openvswitch', 'iproute2', 'ethtool', 'ping', 'tcpdump', 'socat')

let ovs: PrivateOvs | undefined

test.before(async () => {
  if (withOvs) ovs = await startOvs()
})

test.after(() => ovs?.stop())

/** Runs a test on a vswitch of each kind. */
function onEach(name: string, targets: number, body: (laid: Laid) => Promise<void>): void {
  here(`${name} (bridge)`, () => onVswitch({ targets }, body))
  onOvs(`${name} (ovs)`, targets, body)
}

/** Tag, trunks and vlan_mode of a slot's Port row, as ovs-vsctl shows them. */
async function vlanColumns(slot: number): Promise<string[]> {
  const columns = [
    '--bare',
    '--columns=tag,trunks,vlan_mode',
    'find',
    'Port',
    `external_ids:ecdock-fast-slot=${slot}`,
  ]
  return ((await ovs?.vsctl(...columns)) ?? '').split('\n')
}

/** Echo requests that a target's own stack has got while `action` ran. */
async function echoed(netns: string, action: () => Promise<unknown>): Promise<number> {
  const count = async () => {
    const [names = [], values = []] = (await inside(netns, 'cat', ['/proc/net/snmp']))
      .split('\n')
      .filter((line) => line.startsWith('Icmp:'))
      .map((line) => line.split(' '))
    return Number(values[names.indexOf('InEchos')])
  }
  const before = await count()
  await action()
  return (await count()) - before
}

/** One setting, as it is in the namespace. */
async function sysctl(netns: string, key: string): Promise<string> {
  return (await inside(netns, 'sysctl', ['-n', key])).trim()
}

/** Runs a test on a vswitch of kind `ovs`. */
function onOvs(name: string, targets: number, body: (laid: Laid) => Promise<void>): void {
  const ovsTest = withOvs ? test : test.skip
  ovsTest(name, () => {
    if (ovs === undefined) throw new Error('Open vSwitch has not been started')
    const create = { name: 'ovs0', kind: 'ovs', usermode: USERMODE } as const
    return onVswitch({ ovsdb: ovs.ovsdb, ovs, targets, create }, body)
  })
}

onEach('a target gets further routes, over IPv4 and IPv6', 3, async ({ vswitch, targets }) => {
  const [client = '', router = '', far = ''] = targets
  const forwarding = { 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 }
  await vswitch.plug({ netns: router }, { slot: 9, sysctls: forwarding })
  await inside(router, 'ip', ['address', 'add', '10.9.0.1/32', 'dev', 'lo'])
  await inside(router, 'ip', ['address', 'add', 'fd00:9::1/128', 'dev', 'lo'])
  await vswitch.plug(
    { netns: client },
    {
      slot: 1,
      routes: [
        { to: '10.9.0.0/16', via: '10.0.0.9' },
        { to: 'fd00:9::/64', via: '2001:db8::a00:9' },
      ],
    },
  )
  await megabyteEachWay(client, router, '10.9.0.1')
  await megabyteEachWay(client, router, 'fd00:9::1')
  assert.match(await inside(client, 'ip', ['route']), /^default via 10\.0\.0\.254 /m)

  await vswitch.plug({ netns: far }, { slot: 2, routes: [{ to: 'default', via: '10.0.0.9' }] })
  assert.match(await inside(far, 'ip', ['route']), /^default via 10\.0\.0\.9 dev eth0 proto static/m)
  await megabyteEachWay(far, router, '10.9.0.1')
})

onEach('a route that the kernel refuses undoes the plug, and is named', 1, async ({ vswitch, targets }) => {
  const [target = ''] = targets
  await inside(target, 'ip', ['link', 'set', 'lo', 'up'])
  const before = await picture(target)
  const routes = [
    { to: '10.8.0.0/16', via: '10.0.0.9' },
    { to: '10.9.0.0/16', via: '192.0.2.1' },
  ]
  const sysctls = { 'net.ipv4.ip_forward': 1 }
  const error = await refusal(vswitch.plug({ netns: target }, { slot: 1, routes, sysctls }), 'KERNEL')
  assert.match(error.message, /to 10\.9\.0\.0\/16 via 192\.0\.2\.1/)
  assertUnchanged(await picture(target), before)
  assert.is(await sysctl(target, 'net.ipv4.ip_forward'), '0')
  assert.equal(await vswitch.ports(), [])
})

onEach("sysctls are the target's, before its interface is up", 1, async ({ vswitch, targets }) => {
  const [target = ''] = targets
  const ours = readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8')
  const sysctls = {
    'net.ipv4.ip_forward': ours === '1\n' ? 0 : 1,
    'net.ipv4.conf.IFNAME.rp_filter': 2,
    'net.ipv6.conf.IFNAME.accept_ra': '0',
    'net.ipv6.conf.IFNAME.addr_gen_mode': 1,
  }
  await vswitch.plug({ netns: target }, { slot: 1, sysctls })
  const read = (key: string) => sysctl(target, key)
  assert.is(await read('net.ipv4.ip_forward'), String(sysctls['net.ipv4.ip_forward']))
  assert.is(await read('net.ipv4.conf.eth0.rp_filter'), '2')
  assert.is(await read('net.ipv6.conf.eth0.accept_ra'), '0')
  assert.not.match(await inside(target, 'ip', ['-6', 'address']), 'fe80', 'addr_gen_mode came early enough')
  assert.is(readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8'), ours)
  await vswitch.unplug(1)

  const without = { 'net.ipv6.conf.IFNAME.disable_ipv6': 1 }
  const port = await vswitch.plug({ netns: target }, { slot: 1, sysctls: without, ifname: 'lan0' })
  assert.is(port.ipv6, '')
  assert.not.match(await inside(target, 'ip', ['address', 'show', 'lan0']), 'inet6')
  assert.match(await inside(target, 'ip', ['address', 'show', 'lan0']), 'inet 10.0.0.1/24')
})

here('a sysctl that the kernel refuses undoes the plug', () =>
  onVswitch({ targets: 1 }, async ({ vswitch, targets }) => {
    const [target = ''] = targets
    const before = await picture(target)
    const sysctls = { 'net.ipv4.ip_default_ttl': 7, 'net.ipv4.conf.IFNAME.rp_filter': 2 ** 40 }
    await refusal(vswitch.plug({ netns: target }, { slot: 1, sysctls }), 'KERNEL')
    await refusal(
      vswitch.plug({ netns: target }, { slot: 1, sysctls: { 'net.ipv4.conf.nobody.rp_filter': 1 } }),
      'KERNEL',
    )
    assertUnchanged(await picture(target), before)
    assert.is(await sysctl(target, 'net.ipv4.ip_default_ttl'), '64')
  }),
)

here('every sysctl on the list belongs to the namespace that it is set in', () =>
  onVswitch({ targets: 1 }, async ({ vswitch, targets }) => {
    const [target = ''] = targets
    const names = allowedNames().flatMap((name) => {
      const [stem = '', keys] = name.split('{')
      return keys === undefined
        ? [name]
        : keys
            .slice(0, -1)
            .split(',')
            .map((key) => `${stem}${key}`)
    })
    assert.ok(names.length > 50)
    const path = (name: string) => `/proc/sys/${name.replaceAll('.', '/').replace('IFNAME', 'lo')}`
    const known = names.filter((name) => existsSync(path(name)))
    assert.ok(known.length > names.length / 2)
    const ours = known.map((name) => readFileSync(path(name), 'utf8'))
    // The values that they have, on the loopback where they are an interface's: all that counts is that they can be set.
    const values = (await inside(target, 'cat', known.map(path))).trimEnd().split('\n')
    assert.is(values.length, known.length)
    const sysctls = Object.fromEntries(
      known.map((name, at) => [name.replace('IFNAME', 'lo'), values[at] ?? '']),
    )
    await vswitch.plug({ netns: target }, { slot: 1, sysctls })
    assert.equal(
      known.map((name) => readFileSync(path(name), 'utf8')),
      ours,
    )
  }),
)

const SLOT_2 = ['10.0.0.2', '2001:db8::a00:2']

/** Target 1 talks to slot 2, and knows its MAC for minutes; then target 3 gets slot 2, and another MAC. */
async function succeed({ vswitch, targets }: Laid, options: PlugOptions): Promise<void> {
  const [neighbour = '', first = '', second = ''] = targets
  const known = 10 * 60 * 1000
  const sysctls = {
    'net.ipv4.neigh.IFNAME.base_reachable_time_ms': known,
    'net.ipv6.neigh.IFNAME.base_reachable_time_ms': known,
  }
  await vswitch.plug({ netns: neighbour }, { slot: 1, sysctls })
  await vswitch.plug({ netns: first }, { slot: 2, mac: '02:00:00:00:00:0a' })
  for (const address of SLOT_2) await answers(neighbour, address)
  await vswitch.unplug(2)
  await vswitch.plug({ netns: second }, { slot: 2, mac: '02:00:00:00:00:0b', ...options })
}

onEach(
  'a re-used address with another MAC works at once, because the neighbours are told',
  3,
  async (laid) => {
    await succeed(laid, {})
    for (const address of SLOT_2) await answers(laid.targets[0] ?? '', address)
    // The settings that make the kernel do it are as they were.
    const second = laid.targets[2] ?? ''
    assert.is(await sysctl(second, 'net.ipv4.conf.eth0.arp_notify'), '0')
    assert.is(await sysctl(second, 'net.ipv6.conf.eth0.ndisc_notify'), '0')
  },
)

onEach('a neighbour that is not told goes on sending to the old MAC', 3, async (laid) => {
  await succeed(laid, { announce: false })
  for (const address of SLOT_2) assert.not.ok(await pings(laid.targets[0] ?? '', address), address)
})

/** Target N is in slot N, and knows the MAC of the others, so that no broadcast decides what it can reach. */
async function inSlots({ vswitch, targets }: Laid, options: readonly PlugOptions[]): Promise<void> {
  for (const [at, each] of options.entries()) {
    await vswitch.plug({ netns: targets[at] ?? '' }, { ...each, slot: at + 1 })
  }
  for (const netns of targets.slice(0, options.length)) {
    for (const slot of [1, 2, 3, 4]) {
      const entry = [`10.0.0.${slot}`, 'lladdr', `52:00:0a:00:00:0${slot}`, 'dev', 'eth0', 'nud', 'permanent']
      await inside(netns, 'ip', ['neigh', 'replace', ...entry])
    }
  }
}

onOvs('a VLAN is one for all that are in it, and for nobody else', 4, async (laid) => {
  const { vswitch, targets } = laid
  const [first = '', second = '', third = '', fourth = ''] = targets
  await inSlots(laid, [{ vlan: 10 }, { vlan: 10 }, { vlan: 20 }, {}])
  await megabyteEachWay(first, second, '10.0.0.2')
  assert.not.ok(await pings(first, '10.0.0.3'))
  assert.not.ok(await pings(first, '10.0.0.4'))
  assert.not.ok(await pings(fourth, '10.0.0.1'))
  // A slot flow to 10.0.0.4 is there, and must carry nothing out of the VLAN, not even one way.
  assert.is(await echoed(fourth, () => pings(third, '10.0.0.4')), 0)
  // Counted so, what does arrive is seen.
  assert.ok((await echoed(second, () => answers(first, '10.0.0.2'))) > 0)

  // The slot leaves its VLAN with the next plug, and all is as if it had never been in one.
  await vswitch.unplug(1)
  await vswitch.plug({ netns: first }, { slot: 1 })
  await megabyteEachWay(first, fourth, '10.0.0.4')
  assert.equal(await vlanColumns(1), [''])
  await vswitch.unplug(4)
  await vswitch.plug({ netns: fourth }, { slot: 4, vlan: 20 })
  await megabyteEachWay(fourth, third, '10.0.0.3')
  assert.not.ok(await pings(first, '10.0.0.4'))
})

onOvs('a trunk carries its VLANs with tags, and the native one without', 3, async ({ vswitch, targets }) => {
  const [first = '', second = '', trunk = ''] = targets
  await vswitch.plug({ netns: first }, { slot: 1, vlan: 10 })
  await vswitch.plug({ netns: second }, { slot: 2, vlan: 20 })
  await vswitch.plug({ netns: trunk }, { slot: 3, vlan: 10, trunks: [20, 30] })
  assert.equal(await vlanColumns(3), ['10', '20 30', 'native-untagged'])
  await megabyteEachWay(first, trunk, '10.0.0.3')
  const request = () => pings(second, '10.0.0.77')
  await heard(trunk, 'eth0', /802\.1Q.* vlan 20, .*Request who-has 10\.0\.0\.77/, request)
  await heard(trunk, 'eth0', /ethertype ARP .*Request who-has 10\.0\.0\.78/, () => pings(first, '10.0.0.78'))
})

// Where something heeds it, test/vm/kernel-datapath.test.ts looks at it.
if (USERMODE) {
  onOvs('a limit is refused on the userspace datapath, which heeds none', 1, async ({ vswitch, targets }) => {
    await refusal(vswitch.plug({ netns: targets[0] ?? '' }, { slot: 1, ingressRate: 10_000 }), 'UNSUPPORTED')
    assert.equal(await vswitch.ports(), [])
  })
}

onOvs('--explain shows all of it', 1, async ({ vswitch, targets }) => {
  const commands = await vswitch.explain(
    { netns: targets[0] ?? '' },
    {
      slot: 1,
      vlan: 10,
      trunks: [20, 21],
      mac: '02:00:00:00:00:01',
      routes: [{ to: '10.9.0.0/16', via: '10.0.0.9' }],
      sysctls: { 'net.ipv4.conf.IFNAME.rp_filter': 2 },
    },
  )
  const text = commands.join('\n')
  assert.match(text, 'sysctl -w net.ipv4.conf.eth0.rp_filter=2')
  assert.match(text, 'route add 10.9.0.0/16 via 10.0.0.9 dev eth0')
  assert.match(text, 'tag=10 trunks=20,21 vlan_mode=native-untagged')
  assert.match(text, 'in_port=1,priority=32769,actions=normal')
  // The switch has the port by then.
  assert.ok(text.indexOf('arp_notify=1') > text.indexOf('ovs-vsctl'))
})

test.run()
