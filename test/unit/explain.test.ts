import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { explainSteps } from '../../src/kernel/explain.js'
import type { Step } from '../../src/kernel/plan.js'
import { shellQuote } from '../../src/kernel/shell-quote.js'

const BRIDGE = '/run/netns/ecdock-br0'
const BLUE = '/run/netns/blue'
const PID = '/proc/1234/ns/net'

function explains(steps: Step[], lines: string[]): void {
  assert.equal(explainSteps(steps), lines)
}

test('a link of somebody else is taken into the target, and renamed there', () => {
  const moved = { op: 'adopt', netns: '', name: 'ovs0-s1', to: BLUE, as: 'eth0' } as const
  assert.equal(
    explainSteps([
      { ...moved, mac: '52:00:0a:00:00:01', mtu: 1400 },
      { ...moved, to: PID },
    ]),
    [
      'ip link set dev ovs0-s1 netns blue name eth0 address 52:00:0a:00:00:01 mtu 1400',
      'ip link set dev ovs0-s1 netns /proc/1234/ns/net name eth0',
    ],
  )
})

test('a tap is made in its namespace; to hand it over is what no command does', () => {
  const step = {
    op: 'tap',
    netns: BLUE,
    name: 'eth0',
    control: '/run/lab/control',
    port: 7,
    label: 'port 7',
  } as const
  explains(
    [{ ...step, mac: '52:00:0a:00:00:07', mtu: 9000, group: 51, alias: 'slot 7' }],
    [
      'ip -n blue tuntap add mode tap vnet_hdr name eth0',
      'ip -n blue link set dev eth0 address 52:00:0a:00:00:07 mtu 9000 group 51',
      "ip -n blue link set dev eth0 alias 'slot 7'",
      '# open "eth0" there, and hand it over for port 7 of the switch',
    ],
  )
  explains(
    [{ ...step, netns: '', vde: '/run/vde/lab', mark: 'slot' }],
    ['# open "eth0" there, and hand it over for the VDE switch at "/run/vde/lab"'],
  )
})

test('a veth pair is made in place, each end in its namespace, and gets its alias afterwards', () => {
  explains(
    [
      {
        op: 'veth',
        netns: BRIDGE,
        name: 'br0-s1',
        master: 'br0',
        group: 51,
        alias: 'ecdock 1 pid:7',
        mtu: 9000,
        peer: { netns: BLUE, name: 'eth0', mac: '52:00:0a:00:00:01', mtu: 9000, alias: 'slot 1' },
      },
    ],
    [
      'ip -n ecdock-br0 link add name br0-s1 master br0 mtu 9000 group 51 up' +
        ' numtxqueues 1 numrxqueues 1 type veth peer name eth0 address 52:00:0a:00:00:01 mtu 9000 numtxqueues 1 numrxqueues 1 netns blue',
      "ip -n ecdock-br0 link set dev br0-s1 alias 'ecdock 1 pid:7'",
      "ip -n blue link set dev eth0 alias 'slot 1'",
    ],
  )
})

test('a namespace that has no name is entered by its path', () => {
  explains(
    [
      { op: 'veth', netns: '', name: 'ovs0-s1', peer: { netns: PID, name: 'eth0', group: 3 } },
      { op: 'veth', netns: PID, name: 'eth1', master: 'br1', peer: { netns: '', name: 'ovs0-s2' } },
      { op: 'veth', netns: BLUE, name: 'a', peer: { netns: BLUE, name: 'b' } },
      { op: 'link', netns: '/run/my ns/x', name: 'eth0', up: true },
    ],
    [
      'ip link add name ovs0-s1 up numtxqueues 1 numrxqueues 1 type veth peer name eth0 group 3 numtxqueues 1 numrxqueues 1 netns /proc/1234/ns/net',
      'nsenter --net=/proc/1234/ns/net ip link add name eth1 master br1 up numtxqueues 1 numrxqueues 1 type veth peer name ovs0-s2 numtxqueues 1 numrxqueues 1 netns /proc/$$/ns/net',
      'ip -n blue link add name a up numtxqueues 1 numrxqueues 1 type veth peer name b numtxqueues 1 numrxqueues 1',
      "nsenter '--net=/run/my ns/x' ip link set dev eth0 up",
    ],
  )
})

test('a bridge is made up, and passes multicast to all ports', () => {
  explains(
    [{ op: 'bridge', netns: BRIDGE, name: 'br0', mac: '52:00:0a:00:00:fe', alias: 'x' }],
    [
      'ip -n ecdock-br0 link add name br0 address 52:00:0a:00:00:fe up type bridge mcast_snooping 0',
      'ip -n ecdock-br0 link set dev br0 alias x',
    ],
  )
})

test('a link is changed in one command', () => {
  explains(
    [
      { op: 'link', netns: BLUE, name: 'lo', up: true },
      { op: 'link', netns: BLUE, name: 'eth0', up: false, mtu: 1400, group: 0, alias: '', master: 'br0' },
    ],
    [
      'ip -n blue link set dev lo up',
      "ip -n blue link set dev eth0 master br0 mtu 1400 group 0 alias '' down",
    ],
  )
})

test('addresses are usable at once, and an existing route may stay', () => {
  explains(
    [
      { op: 'address', netns: BLUE, name: 'eth0', address: '10.0.0.1', prefix: 24 },
      { op: 'address', netns: BLUE, name: 'eth0', address: '2001:db8::a00:1', prefix: 64 },
      {
        op: 'route',
        netns: BLUE,
        destination: 'default',
        gateway: '10.0.0.254',
        name: 'eth0',
        keepExisting: true,
      },
      { op: 'route', netns: BLUE, destination: 'default', gateway: '2001:db8::a00:fe', name: 'eth0' },
      { op: 'route', netns: BLUE, destination: '10.9.0.0/16', gateway: '10.0.0.9', name: 'eth0' },
    ],
    [
      'ip -n blue addr add 10.0.0.1/24 dev eth0',
      'ip -n blue addr add 2001:db8::a00:1/64 dev eth0 nodad',
      'ip -n blue route show exact default | grep -q . || ip -n blue route add default via 10.0.0.254 dev eth0 proto static',
      'ip -n blue -6 route add default via 2001:db8::a00:fe dev eth0 proto static',
      'ip -n blue route add 10.9.0.0/16 via 10.0.0.9 dev eth0 proto static',
    ],
  )
})

test('checksum offload and sysctls are set from inside the namespace', () => {
  explains(
    [
      { op: 'tx-checksum-off', netns: BLUE, name: 'eth0' },
      { op: 'tx-checksum-off', netns: PID, name: 'eth0' },
      { op: 'sysctl', netns: BLUE, key: 'ipv6/conf/default/disable_ipv6', value: '1' },
      { op: 'sysctl', netns: '', key: 'ipv6/conf/eth0.7/disable_ipv6', value: '0' },
    ],
    [
      'ip netns exec blue ethtool -K eth0 tx off',
      'nsenter --net=/proc/1234/ns/net ethtool -K eth0 tx off',
      'ip netns exec blue sysctl -w net.ipv6.conf.default.disable_ipv6=1',
      'sysctl -w net/ipv6/conf/eth0.7/disable_ipv6=0',
    ],
  )
})

test('a namespace is made with its loopback up', () => {
  explains(
    [{ op: 'netns', name: 'ecdock-br0', alias: '{"v":1}' }],
    ['ip netns add ecdock-br0', `ip -n ecdock-br0 link set dev lo alias '{"v":1}' up`],
  )
})

test('what only a plan can check becomes a comment', () => {
  explains(
    [
      { op: 'alive', netns: PID },
      { op: 'vacant', netns: BLUE, name: 'eth0', mac: '52:00:0a:00:00:01', addresses: ['10.0.0.1'] },
      { op: 'alive', netns: '/tmp/a\nrm -rf b' },
      { op: 'ready', netns: BLUE, name: 'eth0' },
    ],
    [
      '# stop here if "/proc/1234/ns/net" is another namespace by now than at the start',
      '# stop here if namespace "/run/netns/blue" already has the name "eth0"' +
        ' or the MAC "52:00:0a:00:00:01" or the address "10.0.0.1"',
      '# stop here if "/tmp/a\\nrm -rf b" is another namespace by now than at the start',
      '# wait until frames pass through "eth0"',
    ],
  )
})

const CHOOSING: Step[] = [
  { op: 'vacant', netns: BLUE, name: 'eth*', addresses: [] },
  { op: 'veth', netns: '', name: 'ovs0-s1', peer: { netns: BLUE, name: 'eth*' } },
  { op: 'sysctl', netns: BLUE, key: 'ipv6/conf/eth*/accept_ra', value: '0' },
  { op: 'link', netns: BLUE, name: 'eth*', up: true },
]

test('the commands choose the lowest free name where the plan would', () => {
  explains(CHOOSING, [
    'n=0; while ip -n blue link show dev eth$n >/dev/null 2>&1; do n=$((n + 1)); done',
    'ip link add name ovs0-s1 up numtxqueues 1 numrxqueues 1 type veth peer name eth$n numtxqueues 1 numrxqueues 1 netns blue',
    'ip netns exec blue sysctl -w net.ipv6.conf.eth$n.accept_ra=0',
    'ip -n blue link set dev eth$n up',
  ])
})

test('an alias tells the name and the namespace, which are known only then', () => {
  const alias = 'port ifname={ifname} netns={netns} target=x'
  const plug = (name: string): Step[] => [
    { op: 'vacant', netns: BLUE, name, addresses: [] },
    { op: 'veth', netns: '', name: 'a', alias, peer: { netns: BLUE, name } },
  ]
  const id = '$(stat -Lc %i /run/netns/blue)'
  assert.is(
    explainSteps(plug('eth*')).at(-1),
    `ip link set dev a alias 'port ifname='eth$n' netns='${id}' target=x'`,
  )
  assert.is(
    explainSteps(plug('eth7')).at(-1),
    `ip link set dev a alias 'port ifname=eth7 netns='${id}' target=x'`,
  )
  explains([{ op: 'link', netns: '', name: 'a', alias: '{ifname}' }], ["ip link set dev a alias '{ifname}'"])
})

test('a quoted word reaches the program as it is', () => {
  const words = fc.array(
    fc.oneof(
      fc.constantFrom(
        "'",
        '"',
        '$x',
        '`id`',
        '\\',
        '\n',
        '*',
        '~',
        '#',
        '=',
        '!',
        ' ',
        ';',
        '{a,b}',
        '',
        '-n',
        'ñ',
      ),
      fc.string(),
    ),
    { minLength: 1, maxLength: 40 },
  )
  fc.assert(
    fc.property(words, (parts) => {
      const all = [...parts, parts.join('')].map((part) => part.replaceAll('\0', ''))
      const out = execFileSync('sh', ['-c', `printf '%s\\0' ${all.map(shellQuote).join(' ')}`], {
        encoding: 'utf8',
      })
      assert.equal(
        out.split('\0').slice(0, -1),
        all.map((word) => Buffer.from(word).toString()),
      )
    }),
    { numRuns: 50 },
  )
})

test('plain words stay readable', () => {
  for (const word of ['eth0', '10.0.0.1/24', '2001:db8::1/64', '/proc/1/ns/net', 'a=b', 'x@y', '-n']) {
    assert.is(shellQuote(word), word)
  }
  assert.is(shellQuote(''), "''")
  assert.is(shellQuote('=cmd'), "'=cmd'")
  assert.is(shellQuote("it's"), `'it'\\''s'`)
})

test.run()
