/** What is different on Open vSwitch's kernel datapath. `npm run test:vm` runs it, where there is one. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ecdockFastJson } from '../support/cli-program.js'
import { DATAPATH } from '../support/datapath.js'
import { inside } from '../support/netns.js'
import { onVswitch } from '../support/on-vswitch.js'
import { type PrivateOvs, startOvs } from '../support/ovs.js'
import { assertUnplugged, portsOf, trafficAround, trafficWithHost } from '../support/plugged.js'
import { run, waitUntil } from '../support/process.js'
import { needs } from '../support/requirements.js'
import { megabyteEachWay } from '../support/traffic.js'

needs('root', 'openvswitch', 'iproute2', 'ethtool', 'ping', 'socat')

const OVS0 = { name: 'ovs0', kind: 'ovs', subnet: '10.0.0.254/24' } as const

const OWN = { ipv4: '10.0.0.254', ipv6: '2001:db8::a00:fe' }

let ovs: PrivateOvs

test.before(async () => {
  ovs = await startOvs()
})

test.after(() => ovs.stop())

test('without `usermode` a vswitch is on the kernel datapath, and the kernel forwards what passes', () =>
  onVswitch({ ovsdb: ovs.ovsdb, ovs, create: OVS0, targets: 3 }, async ({ vswitch, targets }) => {
    assert.is(DATAPATH, 'system')
    assert.match(await ovs.vsctl('get', 'Bridge', 'ovs0', 'datapath_type'), /^("")?$|^system$/)
    const ports = portsOf(await vswitch.plugAll(targets.map((netns) => ({ target: { netns } }))))
    await trafficAround(targets, ports)
    for (const port of ports.slice(0, 1)) await trafficWithHost(targets[0] ?? '', port, OWN)
    assert.match(await run('ovs-dpctl', ['show']), /^system@ovs-system:[\s\S]*\bovs0-s3\b/)
    assert.match(await ovs.appctl('dpctl/dump-flows'), /packets:[1-9]/)
  }))

test('checksums are left to the kernel, which fills them in where a frame leaves it', () =>
  onVswitch({ ovsdb: ovs.ovsdb, ovs, create: OVS0, targets: 1 }, async ({ vswitch, targets }) => {
    const [target = ''] = targets
    await vswitch.plug({ netns: target })
    assert.match(await inside(target, 'ethtool', ['--show-features', 'eth0']), /^tx-checksumming: on$/m)
  }))

test('what a target can send is limited, until the next plug', () =>
  onVswitch({ ovsdb: ovs.ovsdb, ovs, create: OVS0, targets: 1 }, async ({ vswitch, targets }) => {
    const [target = ''] = targets
    await vswitch.plug({ netns: target }, { slot: 1, ingressRate: 10_000, ingressBurst: 800 })
    assert.match(await run('tc', ['filter', 'show', 'dev', 'ovs0-s1', 'ingress']), /police .*rate 10Mbit/)
    await megabyteEachWay(target, '', OWN.ipv4)
    await vswitch.unplug(1)
    await vswitch.plug({ netns: target }, { slot: 1 })
    const limited = ['--bare', '--columns=name', 'find', 'Interface', 'ingress_policing_rate>0']
    assert.is(await ovs.vsctl(...limited), '')
  }))

test('a device that has vanished has the port number -1, and its slot can be used again', () =>
  onVswitch({ ovsdb: ovs.ovsdb, ovs, create: OVS0, targets: 2 }, async ({ vswitch, targets }) => {
    const [first = '', second = ''] = targets
    portsOf(await vswitch.plugAll(targets.map((netns) => ({ target: { netns } }))))
    await run('ip', ['link', 'delete', 'ovs0-s1'])
    const ofport = () => ovs.vsctl('get', 'Interface', 'ovs0-s1', 'ofport')
    await waitUntil('ovs-vswitchd has seen it', async () => (await ofport()) === '-1')
    assert.is.not((await vswitch.port(1))?.state, 'up')
    assert.is((await vswitch.port(2))?.state, 'up')
    const again = await vswitch.plug({ netns: first }, { slot: 1 })
    assert.equal([again.state, again.ofport], ['up', 1])
    await megabyteEachWay(second, first, '10.0.0.1')
    assertUnplugged(await vswitch.unplugAll([1, 2]))
  }))

for (const [kind, flags] of [
  ['bridge', ['--kind', 'bridge']],
  ['ovs', ['--kind', 'ovs']],
  ['vde', ['--kind', 'vde']],
] as const) {
  test(`the demo on kind ${kind}: every ping comes back`, async () => {
    const command = ['--ovsdb', ovs.ovsdb, 'demo', ...flags, '--count', '4']
    const told = await ecdockFastJson<{ kind: string; pings: object }>(command)
    assert.equal([told.kind, told.pings], [kind, { sent: 8, received: 8 }])
  })
}

test('doctor finds the module', async () => {
  const { checks } = await ecdockFastJson<{ checks: { name: string; status: string }[] }>(['doctor'])
  assert.is(checks.find(({ name }) => name === 'openvswitch module')?.status, 'ok')
})

test.run()
