import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseSubnet } from '../../src/addressing/subnet.js'
import { portFlags, portOptions } from '../../src/cli/port-flags.js'
import { decodeMark, encodeMark } from '../../src/containers/labels.js'
import { EcdockError, type ErrorCode } from '../../src/errors.js'
import { policing } from '../../src/vswitch/plug-options/policing.js'
import { portRoutes } from '../../src/vswitch/plug-options/routes.js'
import { allowedNames, disablesIpv6, portSysctls } from '../../src/vswitch/plug-options/sysctls.js'
import { portVlan } from '../../src/vswitch/plug-options/vlan.js'
import { plugPlan } from '../../src/vswitch/plug-plan.js'
import type { PlugOptions, PortSettings, VswitchKind } from '../../src/vswitch/vswitch.js'
import { checkRequest, type Wiring, wire } from '../../src/vswitch/wiring.js'

const TARGET = { label: 'netns:blue', netns: '/run/netns/blue' }

function wired(options: PlugOptions, kind: VswitchKind = 'ovs', hasIpv6 = true, polices = true): Wiring {
  const request = { target: { netns: 'blue' }, ...options }
  checkRequest(request)
  const subnet = parseSubnet('10.0.0.254/24')
  return wire(
    { kind, polices, name: 'sw0', subnet, ipv6Prefix: '2001:db8' },
    hasIpv6,
    request,
    TARGET,
    options.slot ?? 1,
  )
}

function refused(code: ErrorCode, action: () => unknown): EcdockError {
  try {
    action()
  } catch (error) {
    if (!(error instanceof EcdockError)) throw error
    assert.is(error.code, code)
    return error
  }
  throw new Error(`nothing was refused; ${code} was expected`)
}

/** The compiled test lies somewhere below the checkout, or below what links to it. */
function inCheckout(path: string): string {
  let directory = import.meta.dirname
  while (!existsSync(join(directory, 'README.md'))) directory = dirname(directory)
  return join(directory, path)
}

/** As JavaScript may give it, where no compiler looks. */
function unchecked(options: unknown): PlugOptions {
  return options as PlugOptions
}

test('a VLAN makes an access port, trunks a trunk port, both a native VLAN', () => {
  assert.is(portVlan({}), undefined)
  assert.equal(portVlan({ vlan: 7 }), { mode: 'access', tag: 7, trunks: [] })
  assert.equal(portVlan({ trunks: [30, 10, 30] }), { mode: 'trunk', trunks: [10, 30] })
  assert.equal(portVlan({ vlan: 4094, trunks: [1] }), { mode: 'native-untagged', tag: 4094, trunks: [1] })
})

test('what is no VLAN is refused', () => {
  for (const vlan of [0, 4095, -1, 1.5, Number.NaN, '7', null, 2 ** 53]) {
    refused('USAGE', () => portVlan(unchecked({ vlan })))
    refused('USAGE', () => portVlan(unchecked({ trunks: [vlan] })))
  }
  for (const trunks of [[], '10', { length: 1 }, new Array(5000).fill(1)]) {
    refused('USAGE', () => portVlan(unchecked({ trunks })))
  }
})

test('a limit is a rate, with or without a burst', () => {
  assert.is(policing({}), undefined)
  assert.equal(policing({ ingressRate: 1000 }), { rate: 1000, burst: 0 })
  assert.equal(policing({ ingressRate: 1000, ingressBurst: 80 }), { rate: 1000, burst: 80 })
  assert.match(refused('USAGE', () => policing({ ingressBurst: 80 })).message, 'without ingressRate')
  for (const ingressRate of [0, -1, 1.5, 2 ** 32, '9', Number.POSITIVE_INFINITY]) {
    refused('USAGE', () => policing(unchecked({ ingressRate })))
    refused('USAGE', () => policing(unchecked({ ingressRate: 1, ingressBurst: ingressRate })))
  }
})

test('routes are read in canonical form, and the family is that of the next hop', () => {
  const routes = [
    { to: '10.9.0.0/16', via: '10.0.0.9' },
    { to: 'default', via: '10.0.0.9' },
    { to: 'FD00:9:0::/48', via: '2001:DB8::0A00:9' },
    { to: 'default', via: 'fe80::1' },
    { to: '10.1.2.3/32', via: '10.0.0.9' },
  ]
  assert.equal(portRoutes({ routes }), [
    { family: 'ipv4', destination: '10.9.0.0/16', gateway: '10.0.0.9' },
    { family: 'ipv4', destination: 'default', gateway: '10.0.0.9' },
    { family: 'ipv6', destination: 'fd00:9::/48', gateway: '2001:db8::a00:9' },
    { family: 'ipv6', destination: 'default', gateway: 'fe80::1' },
    { family: 'ipv4', destination: '10.1.2.3/32', gateway: '10.0.0.9' },
  ])
})

test('what is no route is refused, with what is wrong with it', () => {
  const to = (text: string, via = '10.0.0.9') => [{ to: text, via }]
  for (const text of [
    '10.9.0.1/16',
    '10.9.0.0/33',
    '10.9.0.0',
    '10.9.0.0/16/1',
    '10.9/16',
    '',
    'x'.repeat(1e6),
  ]) {
    refused('ADDRESS_INVALID', () => portRoutes({ routes: to(text) }))
  }
  for (const via of ['10.0.0', '0x0a000009', '10.0.0.9/24', 'fe80::1%eth0', '', ':']) {
    refused('ADDRESS_INVALID', () => portRoutes({ routes: to('10.9.0.0/16', via) }))
  }
  assert.match(
    refused('ADDRESS_INVALID', () => portRoutes({ routes: to('10.9.0.1/16') })).message,
    'bits set',
  )
  assert.match(
    refused('USAGE', () => portRoutes({ routes: to('fd00::/64') })).message,
    'another address family',
  )
  refused('USAGE', () => portRoutes({ routes: [...to('10.9.0.0/16'), ...to('10.9.0.0/16', '10.0.0.8')] }))
  for (const routes of [
    '10.9.0.0/16',
    [null],
    [{ to: 'default' }],
    [{ ...to('default')[0], dev: 'eth1' }],
    [7],
  ]) {
    refused('USAGE', () => portRoutes(unchecked({ routes })))
  }
  refused('USAGE', () => portRoutes({ routes: new Array(1025).fill({ to: 'default', via: '10.0.0.9' }) }))
})

test('a route by default takes the place of the one by the switch', () => {
  assert.is(wired({}).gateway, '10.0.0.254')
  assert.is(wired({ routes: [{ to: 'default', via: '10.0.0.9' }] }).gateway, undefined)
  assert.is(wired({ routes: [{ to: 'default', via: 'fe80::1' }] }).gateway, '10.0.0.254')
})

test('an IPv6 route needs an interface that has IPv6', () => {
  const routes = [{ to: 'default', via: 'fe80::1' }]
  wired({ routes })
  refused('UNSUPPORTED', () => wired({ routes }, 'ovs', false))
  refused('UNSUPPORTED', () => wired({ routes, mtu: 1000 }))
  refused('UNSUPPORTED', () => wired({ routes, sysctls: { 'net.ipv6.conf.IFNAME.disable_ipv6': 1 } }))
})

test('sysctls are named as sysctl(8) names them', () => {
  const sysctls = {
    'net.ipv4.ip_forward': 1,
    'net.ipv4.conf.IFNAME.rp_filter': '2',
    'net/ipv4/conf/eth0.100/proxy_arp': '1',
    'net.ipv4.conf.eth0.100.arp_ignore': '1',
    'net.ipv6.conf.all.forwarding': '1',
    'net.ipv4.tcp_rmem': '4096 131072 6291456',
    'net.core.somaxconn': '1024',
  }
  assert.equal(portSysctls({ sysctls }), [
    { key: 'ipv4/ip_forward', value: '1' },
    { key: 'ipv4/conf/{ifname}/rp_filter', value: '2' },
    { key: 'ipv4/conf/eth0.100/proxy_arp', value: '1' },
    { key: 'ipv4/conf/eth0.100/arp_ignore', value: '1' },
    { key: 'ipv6/conf/all/forwarding', value: '1' },
    { key: 'ipv4/tcp_rmem', value: '4096 131072 6291456' },
    { key: 'core/somaxconn', value: '1024' },
  ])
})

test('a sysctl that is not on the list is refused with the list', () => {
  const names = [
    'kernel.hostname',
    'vm.swappiness',
    'net.core.rmem_max',
    'net.ipv4.tcp_mem',
    'net.ipv4',
    'net',
    '',
    'net.ipv4.conf',
    'net.ipv4.conf.rp_filter',
    'net.ipv4.conf.all.no_such',
    'net.ipv4.ip_forward.x.y',
    'net/ipv4/conf/a/b/rp_filter',
    'net/ipv4/../ipv4/ip_forward',
    '/net/ipv4/ip_forward',
    'net.constructor.keys',
    'net.__proto__.x',
    'net.ipv4.constructor.all.x',
    `net.ipv4.${'x'.repeat(1e6)}`,
  ]
  for (const name of names) {
    const { hint = '' } = refused('UNSUPPORTED', () => portSysctls({ sysctls: { [name]: '1' } }))
    assert.match(hint, 'net.ipv4.ip_forward')
    assert.match(hint, 'net.ipv6.conf.IFNAME.{accept_dad,')
  }
  for (const ifname of ['..', '.', 'a b', 'x'.repeat(16)]) {
    refused('IFNAME_INVALID', () => portSysctls({ sysctls: { [`net/ipv4/conf/${ifname}/rp_filter`]: '1' } }))
  }
  assert.ok(allowedNames().includes('net.core.somaxconn'))
})

test('docs/ports.md names every sysctl that can be set', () => {
  const text = readFileSync(inCheckout('docs/ports.md'), 'utf8')
  const sysctls = text.slice(text.indexOf('## Sysctls'), text.indexOf('## Who has'))
  const named = new Set([...sysctls.matchAll(/`([^`]+)`/g)].map(([, name]) => name))
  for (const name of allowedNames()) {
    const [stem = '', keys = ''] = name.split('.{')
    for (const each of [stem, ...keys.replace('}', '').split(',')]) {
      if (each !== '') assert.ok(named.has(each), each)
    }
  }
})

test('the value of a sysctl is made of whole numbers', () => {
  const set = (value: unknown) => portSysctls(unchecked({ sysctls: { 'net.ipv4.ip_forward': value } }))
  for (const value of ['0', 1, '-1', '1 2', '1\t2']) set(value)
  for (const value of ['', ' 1', '1\n', 'yes', '1,2', 1.5, Number.NaN, true, null, [1], '1'.repeat(65)]) {
    refused('USAGE', () => set(value))
  }
  for (const sysctls of ['x', null, ['net.ipv4.ip_forward=1'], 7]) {
    refused('USAGE', () => portSysctls(unchecked({ sysctls })))
  }
})

test('who turns IPv6 off by a sysctl gets no IPv6 address', () => {
  for (const place of ['IFNAME', 'all', 'eth0']) {
    const sysctls = { [`net.ipv6.conf.${place}.disable_ipv6`]: '1' }
    assert.not.ok(wired({ sysctls, ifname: 'eth0' }).ipv6, place)
  }
  assert.ok(wired({ sysctls: { 'net.ipv6.conf.IFNAME.disable_ipv6': 0 } }).ipv6)
  assert.ok(wired({ sysctls: { 'net.ipv6.conf.eth1.disable_ipv6': 1 }, ifname: 'eth0' }).ipv6)
  assert.not.ok(disablesIpv6([], 'eth0'))
})

test('the plan of a plug sets sysctls before addresses, and routes when the interface is up', () => {
  const wiring = wired(
    {
      ifname: 'eth0',
      sysctls: { 'net.ipv4.conf.IFNAME.rp_filter': 0 },
      routes: [{ to: '10.9.0.0/16', via: '10.0.0.9' }],
      announce: true,
    },
    'bridge',
  )
  const ops = plugPlan(wiring, []).steps.map((step) =>
    step.op === 'link' ? `${step.name} up` : step.op === 'route' ? step.destination : step.op,
  )
  assert.equal(ops, [
    'vacant',
    'sysctl',
    'address',
    'address',
    'lo up',
    'eth0 up',
    'default',
    '10.9.0.0/16',
    'ready',
    'announce',
    'alive',
  ])
})

test("the neighbours are told of a MAC that is not the slot's own, unless it is said otherwise", () => {
  const mac = '02:00:00:00:00:01'
  assert.is(wired({}).announce, undefined)
  assert.is(wired({ mac }).announce, 'connected')
  assert.is(wired({ mac }, 'bridge').announce, 'made')
  assert.is(wired({ mac, announce: false }).announce, undefined)
  assert.is(wired({ announce: true }).announce, 'connected')
  refused('USAGE', () => wired(unchecked({ announce: 'yes' })))
})

test('a port of kind bridge has no VLANs and no limits', () => {
  for (const options of [{ vlan: 7 }, { trunks: [7] }, { ingressRate: 7 }]) {
    const { hint } = refused('UNSUPPORTED', () => wired(options, 'bridge'))
    assert.match(hint ?? '', 'kind ovs')
    wired(options, 'ovs')
  }
})

test('limits are refused where nothing would heed them', () => {
  wired({ ingressRate: 1000 })
  const { message } = refused('UNSUPPORTED', () => wired({ ingressRate: 1000 }, 'ovs', true, false))
  assert.match(message, 'userspace datapath')
  wired({ vlan: 7 }, 'ovs', true, false)
})

test('a container remembers what its port is like', () => {
  const port: PortSettings = {
    vlan: 7,
    routes: [{ to: 'default', via: '10.0.0.9' }],
    sysctls: { 'net.ipv4.ip_forward': '1' },
  }
  const labels = encodeMark({ vswitch: 'br0', slot: 1, name: 'web', port })
  assert.equal(decodeMark('web', labels)?.port, port)
  assert.is(
    decodeMark('web', encodeMark({ vswitch: 'br0', slot: 1, name: 'web', port: {} }))?.port,
    undefined,
  )
  for (const text of ['', '{', '7', '[]', 'null']) {
    assert.is(decodeMark('web', { ...labels, 'ecdock-fast.port': text })?.port, undefined)
  }
})

test('the command line says the same', () => {
  const parse = (flag: string, ...texts: string[]): unknown => {
    const option = portFlags().find(({ long }) => long === flag)
    let value: unknown
    for (const text of texts) value = option?.parseArg?.(text, value)
    return value
  }
  assert.equal(parse('--trunks', '10,20-22,7'), [10, 20, 21, 22, 7])
  assert.equal(parse('--route', '10.9.0.0/16=10.0.0.9', 'default=fe80::1'), [
    { to: '10.9.0.0/16', via: '10.0.0.9' },
    { to: 'default', via: 'fe80::1' },
  ])
  assert.equal(portOptions({ vlan: 7, sysctl: [['net.ipv4.ip_forward', '1']], route: [], announce: false }), {
    vlan: 7,
    sysctls: { 'net.ipv4.ip_forward': '1' },
    routes: [],
    announce: false,
  })
  const wrong: [string, string][] = [
    ['--vlan', '4095'],
    ['--vlan', '0x7'],
    ['--trunks', '5-3'],
    ['--trunks', '1,'],
    ['--trunks', '1-2-3'],
    ['--ingress-rate', '0'],
    ['--route', '10.9.0.0/16'],
    ['--route', '=10.0.0.9'],
    ['--sysctl', 'net.ipv4.ip_forward'],
  ]
  for (const [flag, text] of wrong) refused('USAGE', () => parse(flag, text))
})

test.run()
