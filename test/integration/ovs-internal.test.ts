/** Internal ports, and targets with two interfaces, as ecDock's --internal and --dual-nic made them. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Host } from '../../src/host.js'
import { USERMODE } from '../support/datapath.js'
import { inside } from '../support/netns.js'
import { type Laid, onVswitch } from '../support/on-vswitch.js'
import { type PrivateOvs, startOvs } from '../support/ovs.js'
import { assertUnchanged, picture } from '../support/picture.js'
import {
  assertAsIpShows,
  assertUnplugged,
  codeOrSlot,
  portsOf,
  trafficAround,
  trafficWithHost,
} from '../support/plugged.js'
import { run } from '../support/process.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { answers, megabyteEachWay, pings } from '../support/traffic.js'
import { leavingNothing } from '../support/world.js'

const ovsTest = needs('root', 'openvswitch', 'iproute2', 'ping', 'socat') ? test : test.skip
const OWN = { ipv4: '10.0.0.254', ipv6: '2001:db8::a00:fe' }

let ovs: PrivateOvs

test.before(async () => {
  ovs = await startOvs()
})

test.after(() => ovs.stop())

ovsTest('internal ports reach each other, the host, and ports of the other kind', () =>
  onOvs(3, async ({ vswitch, targets }) => {
    const [first = '', second = '', third = ''] = targets
    const one = await vswitch.plug({ netns: first }, { internal: true })
    const two = await vswitch.plug({ netns: second }, { internal: true, slot: 9, mtu: 1400 })
    const three = await vswitch.plug({ netns: third })
    await trafficAround(targets, [one, two, three])
    await trafficWithHost(first, one, OWN)
    assert.equal(
      [one.slot, one.ofport, one.ifname, one.internal],
      [1, 1, USERMODE ? 'eth0' : 'ovs0-s1', true],
    )
    assert.equal([two.hostIfname, two.mac, two.mtu], ['ovs0-s9', '52:00:0a:00:00:09', 1400])
    await assertAsIpShows(first, one)
    await assertAsIpShows(second, two)
    assert.is(three.slot, 2)
    assert.is(await ovs.vsctl('get', 'Interface', 'ovs0-s9', 'type'), 'internal')
    assert.is(await ovs.vsctl('get', 'Interface', 'ovs0-s9', 'ofport'), '9')

    for (const port of [one, two]) {
      const { stats, ...read } = (await vswitch.port(port.slot)) ?? port
      const { ms, ...told } = port
      assert.equal(read, told)
      assert.ok((stats?.rxBytes ?? 0) > 2 ** 20, 'a megabyte came through')
    }
    assert.equal(
      (await vswitch.ports()).map(({ slot }) => slot),
      [1, 2, 9],
    )

    await vswitch.unplug(9)
    assert.match(await inside(second, 'ip', ['-br', 'link']), /^lo +\S+ +\S+ <[A-Z,_]+> $/m)
    assert.not.ok(await pings(first, '10.0.0.9'))
    assert.is(await ovs.vsctl('--columns=name', 'find', 'Port', 'name=ovs0-s9'), '')
    await refusal(vswitch.unplug(9), 'SLOT_EMPTY')
  }),
)

ovsTest('a slot changes from an internal port to another one and back', () =>
  onOvs(2, async ({ vswitch, targets }) => {
    const [first = '', second = ''] = targets
    await vswitch.plug({ netns: second }, { slot: 2 })
    for (const internal of [true, false, true, false]) {
      const port = await vswitch.plug({ netns: first }, { slot: 1, internal })
      await megabyteEachWay(second, first, '10.0.0.1')
      assert.is(port.ofport, 1)
      await vswitch.unplug(1)
    }
  }),
)

ovsTest('many at once, with one that fails', () =>
  onOvs(4, async ({ vswitch, targets }) => {
    const [first = '', second = '', third = '', fourth = ''] = targets
    const outcomes = await vswitch.plugAll([
      { target: { netns: first }, internal: true },
      { target: { netns: second }, slot: 5 },
      { target: { netns: third }, slot: 5, internal: true },
      { target: { netns: fourth }, slot: 7, internal: true, ifname: 'lo' },
      { target: { netns: third }, internal: true },
    ])
    const lo = USERMODE ? 'IFNAME_TAKEN' : 'UNSUPPORTED'
    assert.equal(outcomes.map(codeOrSlot), [1, 5, 'SLOT_TAKEN', lo, 2])
    await trafficAround([first, second, third], portsOf(outcomes.filter(({ ok }) => ok)))
    assert.equal((await ovs.vsctl('list-ports', 'ovs0')).split('\n'), ['ovs0-s1', 'ovs0-s2', 'ovs0-s5'])
    await refusal(vswitch.plug({ netns: fourth }, { slot: 1 }), 'SLOT_TAKEN')
    await refusal(vswitch.plug({ netns: fourth }, { slot: 1, internal: true }), 'SLOT_TAKEN')
    assertUnplugged(await vswitch.unplugAll([1, 2, 5]))
  }),
)

ovsTest('a plug that fails leaves nothing behind', () =>
  onOvs(1, async ({ vswitch, targets }) => {
    const [target = ''] = targets
    const second = USERMODE ? 'eth1' : 'ovs0-o1'
    await inside(target, 'ip', ['link', 'add', second, 'type', 'bridge'])
    await inside(target, 'ip', ['link', 'set', 'lo', 'up'])
    const before = [await ovs.vsctl('show'), await picture(target), await picture('/proc/self/ns/net')].join(
      '\n',
    )
    const plug = (options: object) => vswitch.plug({ netns: target }, { slot: 1, ...options })
    await refusal(plug({ internal: true, ifname: second }), USERMODE ? 'IFNAME_TAKEN' : 'UNSUPPORTED')
    await refusal(plug({ dualNic: true }), 'IFNAME_TAKEN')
    await refusal(plug({ dualNic: true, internal: true }), 'IFNAME_TAKEN')
    await refusal(plug({ internal: true, signal: AbortSignal.abort() }), 'CANCELLED')
    const after = [await ovs.vsctl('show'), await picture(target), await picture('/proc/self/ns/net')].join(
      '\n',
    )
    assertUnchanged(after, before)
  }),
)

ovsTest('the port of a target that has ended is a ghost, and its slot can be had', () =>
  onOvs(1, async ({ host, vswitch, targets, startProcess }) => {
    const gone = await startProcess()
    await vswitch.plug({ pid: gone.pid }, { slot: 1, internal: true })
    await gone.stop()
    const ghost = await vswitch.port(1)
    assert.equal([ghost?.state, ghost?.target], ['ghost', `pid:${gone.pid}`])
    const port = await vswitch.plug({ netns: targets[0] ?? '' }, { internal: true })
    assert.is(port.slot, 1)
    await megabyteEachWay('', targets[0] ?? '', '10.0.0.1')

    const another = await startProcess()
    await vswitch.plug({ pid: another.pid }, { slot: 2, internal: true })
    await another.stop()
    const { removed } = await host.cleanup()
    assert.equal(
      removed.map(({ kind, name }) => [kind, name]),
      [['port', 'ovs0-s2']],
    )
    assert.equal(
      (await vswitch.ports()).map(({ slot }) => slot),
      [1],
    )
  }),
)

for (const internal of [false, true]) {
  ovsTest(`two interfaces are bridged in the target, and neither is flooded to (internal: ${internal})`, () =>
    onOvs(2, async ({ vswitch, targets }) => {
      const [first = '', second = ''] = targets
      await vswitch.plug({ netns: second }, { slot: 2 })
      const port = await vswitch.plug({ netns: first }, { slot: 1, dualNic: true, internal })
      assert.equal([port.ifname, port.ofport, port.dualNic], ['br0', 1, true])
      await assertAsIpShows(first, port)
      const links = await inside(first, 'ip', ['-br', 'address'])
      assert.match(links, /^br0 +UP +10\.0\.0\.1\/24 .*2001:db8::a00:1\/64/m)
      assert.match(await inside(first, 'ip', ['link', 'show', 'br0']), '52:00:0a:00:00:01')
      const own = { first: internal && !USERMODE ? 'ovs0-s1' : 'eth0', second: USERMODE ? 'eth1' : 'ovs0-o1' }
      const shows = (ifname: string) => inside(first, 'ip', ['link', 'show', ifname])
      assert.match(await shows(own.first), /master br0 .*52:00:0a:00:00:01/s)
      assert.match(await shows(own.second), /master br0 .*52:80:0a:00:00:01/s)
      assert.match(await inside(first, 'ip', ['route']), 'default via 10.0.0.254 dev br0')
      assert.is(await ovs.vsctl('get', 'Interface', 'ovs0-o1', 'ofport'), '30001')
      for (const name of ['ovs0-s1', 'ovs0-o1']) {
        assert.is(await ovs.vsctl('get', 'Port', name, 'protected'), 'true')
      }
      const shown = (await ofctl('show', 'ovs0')).split(/^ (?=\d+\(|LOCAL)/m)
      for (const [name, floods] of [
        ['ovs0-s1', false],
        ['ovs0-o1', false],
        ['ovs0-s2', true],
      ] as const) {
        const config = shown.find((one) => one.includes(`(${name})`))
        assert.is(/config: .*NO_FLOOD/.test(config ?? ''), !floods, config)
      }

      // Nobody finds it by asking: the question would be flooded. Who has heard from it finds it.
      assert.not.ok(await pings(second, '10.0.0.1'))
      await answers(first, '10.0.0.2')
      await megabyteEachWay(second, first, '10.0.0.1')
      await megabyteEachWay(first, '', OWN.ipv4)

      await refusal(vswitch.plug({ netns: second }, { slot: 1 }), 'SLOT_TAKEN')
      assert.equal(
        (await vswitch.ports()).map(({ slot, state }) => [slot, state]),
        [
          [1, 'up'],
          [2, 'up'],
        ],
      )
      await vswitch.unplug(1)
      assert.match(await inside(first, 'ip', ['-br', 'link']), /^lo +\S+ +\S+ <[A-Z,_]+> $/m)
      assert.is(await ovs.vsctl('list-ports', 'ovs0'), 'ovs0-s2')
      // The slot has forgotten it.
      await vswitch.plug({ netns: first }, { slot: 1 })
      assert.is(await ovs.vsctl('--columns=name', 'find', 'Port', 'protected=true'), '')
      await megabyteEachWay(second, first, '10.0.0.1')
    }),
  )
}

if (USERMODE) {
  ovsTest('when ovs-vswitchd is started anew, its taps in targets are dead, and can be replaced', () =>
    leavingNothing(async () => {
      const own = await startOvs()
      const host = await Host.open({ ovsdb: own.ovsdb })
      const [one, two] = await host.kernel.createNamespaces(['one', 'two'])
      const targets = [one?.path ?? '', two?.path ?? '']
      try {
        const options = { name: 'ovs0', kind: 'ovs', usermode: true, subnet: '10.0.0.254/24' } as const
        const vswitch = await host.createVswitch(options)
        await vswitch.plug({ netns: 'one' }, { slot: 1, internal: true })
        await vswitch.plug({ netns: 'two' }, { slot: 2, internal: true, dualNic: true })
        await own.killVswitchd()
        await own.startVswitchd()
        for (const [at, target] of targets.entries()) {
          const slot = at + 1
          assert.is((await vswitch.port(slot))?.state, 'down')
          await vswitch.unplug(slot)
          assert.match(await inside(target, 'ip', ['-br', 'link']), /^lo +\S+ +\S+ <[A-Z,_]+> $/m)
          await vswitch.plug({ netns: target }, { slot, internal: true })
        }
        await megabyteEachWay(targets[0] ?? '', targets[1] ?? '', '10.0.0.2')
        await host.deleteVswitch('ovs0')
      } finally {
        await host.kernel.deleteNamespaces(['one', 'two'])
        await host.close()
        await own.stop()
      }
    }),
  )
}

ovsTest('delete-vswitch takes internal ports away, and the bridge of two interfaces', () =>
  onOvs(2, async ({ host, vswitch, targets }) => {
    const [first = '', second = ''] = targets
    await vswitch.plug({ netns: first }, { slot: 1, dualNic: true })
    await vswitch.plug({ netns: second }, { slot: 2, dualNic: true, internal: true })
    await host.deleteVswitch('ovs0')
    for (const target of targets) {
      assert.match(await inside(target, 'ip', ['-br', 'link']), /^lo +\S+ +\S+ <[A-Z,_]+> $/m)
    }
  }),
)

ovsTest('what cannot be is refused at the door', () =>
  onOvs(1, async ({ host, vswitch, targets }) => {
    const target = { netns: targets[0] ?? '' }
    await refusal(vswitch.plug(target, { internal: 'yes' as never }), 'USAGE')
    await refusal(vswitch.plug(target, { dualNic: 1 as never }), 'USAGE')
    await refusal(vswitch.plug(target, { dualNic: true, ifname: 'lan0' }), 'USAGE')
    const bridge = await host.createVswitch({ name: 'br0', subnet: '10.1.0.254/24' })
    await refusal(bridge.plug(target, { internal: true }), 'UNSUPPORTED')
    await refusal(bridge.plug(target, { dualNic: true }), 'UNSUPPORTED')
    const wide = await host.createVswitch({
      name: 'ovs1',
      kind: 'ovs',
      usermode: USERMODE,
      subnet: '10.2.255.254/16',
    })
    await refusal(wide.plug(target, { slot: 30_000, dualNic: true }), 'SLOT_OUT_OF_RANGE')
    await wide.plug(target, { slot: 1, dualNic: true })
    await refusal(wide.plug(target, { slot: 30_001 }), 'SLOT_TAKEN')
  }),
)

ovsTest('--explain shows the commands that do the same, and a shell can run them', () =>
  onOvs(2, async ({ vswitch, targets }) => {
    const [first = '', second = ''] = targets
    await vswitch.plug({ netns: second }, { slot: 2 })
    for (const dualNic of [false, true]) {
      const commands = await vswitch.explain({ netns: first }, { slot: 1, internal: true, dualNic })
      assert.match(commands.join('\n'), /ofport_request=1 .*type=internal/)
      await run('sh', ['-ec', commands.join('\n')], { env: ovs.env })
      await answers(first, '10.0.0.2', commands.join('\n'))
      const port = await vswitch.port(1)
      assert.equal([port?.state, port?.internal], ['up', true])
      await vswitch.unplug(1)
    }
  }),
)

/** Runs a test on ovs0, with so many namespaces to plug in. */
function onOvs(targets: number, body: (laid: Laid) => Promise<void>): Promise<void> {
  return onVswitch(
    { ovsdb: ovs.ovsdb, ovs, targets, create: { name: 'ovs0', kind: 'ovs', usermode: USERMODE } },
    body,
  )
}

function ofctl(...args: string[]): Promise<string> {
  return run('ovs-ofctl', args, { env: ovs.env })
}

test.run()
