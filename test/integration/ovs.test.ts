import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Host } from '../../src/host.js'
import { DATAPATH, removeLeftDatapath, USERMODE } from '../support/datapath.js'
import { type Job, LIBRARY_PROGRAM, type Report } from '../support/library-program.js'
import { inside, namedNamespace } from '../support/netns.js'
import { type Laid, type OnVswitchOptions, onVswitch } from '../support/on-vswitch.js'
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
import { run, runToEnd } from '../support/process.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { answers, megabyteEachWay, pings } from '../support/traffic.js'
import { leavingNothing, withHost } from '../support/world.js'

const ovsTest = needs('root', 'openvswitch', 'iproute2', 'ethtool', 'ping', 'socat') ? test : test.skip
const OWN = { ipv4: '10.0.0.254', ipv6: '2001:db8::a00:fe' }

let ovs: PrivateOvs

test.before(async () => {
  ovs = await startOvs({ tcp: true })
})

test.after(() => ovs.stop())

for (const kind of ['unix', 'tcp'] as const) {
  ovsTest(`two targets reach each other and the host at once (OVSDB over ${kind})`, () =>
    onOvs(
      2,
      { ovsdb: kind === 'unix' ? ovs.ovsdb : (ovs.tcpEndpoint ?? '') },
      async ({ vswitch, targets }) => {
        const [first = '', second = ''] = targets
        const one = await vswitch.plug({ netns: first }, { slot: 1 })
        const two = await vswitch.plug({ netns: second }, { slot: 9 })
        // TCP, not a ping alone: on the userspace datapath segments with missing checksums would be thrown away.
        await trafficAround(targets, [one, two])
        await trafficWithHost(first, one, OWN)
        assert.equal([one.ofport, two.ofport], [1, 9])
        assert.equal([two.hostIfname, two.mac, two.ifname], ['ovs0-s9', '52:00:0a:00:00:09', 'eth0'])

        await vswitch.unplug(9)
        assert.not.ok(await pings(first, '10.0.0.9'))
        await answers(first, OWN.ipv4)
      },
    ),
  )
}

ovsTest('eight are plugged in in one go, and Open vSwitch, `ip` and the library agree', () =>
  onOvs(8, {}, async ({ vswitch, targets }) => {
    const requests = targets.map((netns, at) => ({ target: { netns }, slot: 10 * (at + 1) }))
    const plugged = portsOf(await vswitch.plugAll(requests))
    await trafficAround(targets, plugged)
    for (const [at, port] of (await vswitch.ports()).entries()) {
      const { stats, ...shown } = port
      const { ms, ...told } = plugged[at] ?? port
      assert.equal(shown, told)
      assert.is(port.ofport, port.slot)
      assert.ok((stats?.rxBytes ?? 0) > 2 ** 20, 'a megabyte came through')
      await assertAsIpShows(targets[at] ?? '', port)
      assert.is(await ovs.vsctl('get', 'Interface', port.hostIfname, 'ofport'), String(port.slot))
    }
    // vswitch.xml's key, so that other programs understand the row too.
    const ids = await ovs.vsctl('get', 'Interface', 'ovs0-s10', 'external_ids')
    assert.is(ids, '{attached-mac="52:00:0a:00:00:0a"}')
    assert.match(await ovs.vsctl('get', 'Port', 'ovs0-s10', 'external_ids'), /ecdock-fast-slot="10"/)

    const slots = requests.map(({ slot }) => slot)
    assertUnplugged(await vswitch.unplugAll(slots))
    assert.equal(await vswitch.ports(), [])
    assert.equal(await vswitch.release(), slots)
    assert.is(await ovs.vsctl('list-ports', 'ovs0'), '')
  }),
)

ovsTest('one that fails does not take the others of its batch with it', () =>
  onOvs(3, {}, async ({ vswitch, targets }) => {
    const [first = '', second = '', third = ''] = targets
    await foreignInternalPort('foreign0', 5)
    const outcomes = await vswitch.plugAll([
      { target: { netns: first }, slot: 1 },
      { target: { netns: second }, slot: 5 },
      { target: { netns: 'nothing' }, slot: 6 },
      { target: { netns: second }, slot: 1 },
      { target: { netns: third } },
    ])
    assert.equal(outcomes.map(codeOrSlot), [1, 'SLOT_TAKEN', 'TARGET_NOT_FOUND', 'SLOT_TAKEN', 2])
    await megabyteEachWay(first, third, '10.0.0.2')
    assert.match(await inside(second, 'ip', ['-br', 'link']), /^lo +\S+ +\S+ <[A-Z,_]+> $/m)
    assert.is(await ovs.vsctl('list-ports', 'ovs0'), 'foreign0\novs0-s1\novs0-s2')
  }),
)

ovsTest('a number that another port has is refused, and passed over when none is asked for', () =>
  onOvs(2, {}, async ({ vswitch, targets }) => {
    const [first = '', second = ''] = targets
    await foreignInternalPort('foreign0', 1)
    const before = await world(targets)
    const error = await refusal(vswitch.plug({ netns: first }, { slot: 1 }), 'SLOT_TAKEN')
    assert.match(error.message, 'slot 1 of ovs0 is taken by the port foreign0, which is not ours')
    assertUnchanged(await world(targets), before)

    assert.is((await vswitch.plug({ netns: first })).slot, 2)
    assert.is((await vswitch.plug({ netns: second })).slot, 3)
    assert.is(await ovs.vsctl('get', 'Interface', 'foreign0', 'ofport'), '1')
  }),
)

ovsTest('a port of the same name that is not ours is refused and left alone', () =>
  onOvs(1, {}, async ({ vswitch, targets }) => {
    await foreignInternalPort('ovs0-s1', 77)
    await run('ip', ['link', 'set', 'ovs0-s1', 'down'])
    const before = await world(targets)
    const error = await refusal(vswitch.plug({ netns: targets[0] ?? '' }, { slot: 1 }), 'SLOT_TAKEN')
    assert.match(error.message, 'slot 1 of ovs0 is taken by a port ovs0-s1 of Open vSwitch that is not ours')
    await refusal(vswitch.unplug(1), 'SLOT_EMPTY')
    assertUnchanged(await world(targets), before)
    assert.is((await vswitch.plug({ netns: targets[0] ?? '' })).slot, 2)
  }),
)

ovsTest('a foreign row without a device is refused and left alone as well', () =>
  onOvs(1, {}, async ({ vswitch, targets }) => {
    await ovs.vsctl('add-port', 'ovs0', 'ovs0-s4').catch(() => 'there is no such device')
    const before = await world(targets)
    const error = await refusal(vswitch.plug({ netns: targets[0] ?? '' }, { slot: 4 }), 'SLOT_TAKEN')
    assert.match(error.message, 'taken by a port ovs0-s4 of Open vSwitch that is not ours')
    assertUnchanged(await world(targets), before)
  }),
)

ovsTest('what Open vSwitch says of an interface that it cannot use is in the error', () =>
  leavingNothing(async () => {
    const other = await startOvs()
    const elsewhere = await namedNamespace('elsewhere')
    const target = await namedNamespace('target')
    // A plug sets up the loopback of its target, and that stays.
    await inside(target.path, 'ip', ['link', 'set', 'lo', 'up'])
    const host = await Host.open({ ovsdb: other.ovsdb })
    try {
      const create = { kind: 'ovs', usermode: USERMODE } as const
      const vswitch = await host.createVswitch({ name: 'ovs0', subnet: '10.0.0.254/24', ...create })
      // In another namespace it does not see the interfaces that are made here.
      await other.killVswitchd()
      await other.startVswitchd(elsewhere.path)
      const before = await picture(target.path)
      const error = await refusal(vswitch.plug({ netns: 'target' }, { slot: 3 }), 'OVS_PORT_FAILED')
      assert.match(
        error.message,
        'could not add ovs0-s3: could not open network device ovs0-s3 (No such device)',
      )
      assert.match(error.hint ?? '', /same network namespace/)
      assertUnchanged(await picture(target.path), before)
      assert.equal(await vswitch.ports(), [])
      assert.is(await other.vsctl('list-ports', 'ovs0'), '')

      const late = host.createVswitch({ name: 'ovs1', subnet: '10.1.0.254/24', ...create })
      assert.match((await refusal(late, 'KERNEL')).hint ?? '', /same network namespace/)
      assert.is(await other.vsctl('list-br'), 'ovs0')
      await host.deleteVswitch('ovs0')
    } finally {
      await host.close()
      await other.stop()
      await elsewhere.remove()
      await target.remove()
      // A vswitchd that was killed leaves its own interfaces.
      await removeLeftDatapath('ovs0')
    }
  }),
)

ovsTest('when somebody has deleted the bridge, that is said, and `cleanup` takes the rest away', () =>
  onOvs(2, {}, async ({ host, vswitch, targets }) => {
    const [first = '', second = ''] = targets
    await vswitch.plug({ netns: first })
    await ovs.vsctl('del-br', 'ovs0')
    const before = await world(targets)
    for (const slot of [1, 2]) {
      const error = await refusal(vswitch.plug({ netns: second }, { slot }), 'VSWITCH_NOT_FOUND')
      assert.match(error.message, /Open vSwitch has no bridge ovs0|has been deleted/)
    }
    await refusal(vswitch.ports(), 'VSWITCH_NOT_FOUND')
    await refusal(vswitch.unplug(1), 'VSWITCH_NOT_FOUND')
    await refusal(host.deleteVswitch('ovs0'), 'VSWITCH_NOT_FOUND')
    assertUnchanged(await world(targets), before)
    const { removed } = await host.cleanup()
    assert.equal(
      removed.map(({ kind, name }) => ({ kind, name })),
      [{ kind: 'link', name: 'ovs0-s1' }],
    )
  }),
)

ovsTest('a slot whose device is gone is empty, and can be used again at once, as often as one likes', () =>
  onOvs(2, {}, async ({ vswitch, targets }) => {
    const [first = '', second = ''] = targets
    portsOf(await vswitch.plugAll(targets.map((netns) => ({ target: { netns } }))))
    for (const again of ['unplug', 'same slot', 'any slot', 'unplug', 'same slot'] as const) {
      if (again === 'unplug') {
        await vswitch.unplug(1)
      } else {
        await inside(first, 'ip', ['link', 'delete', 'eth0'])
      }
      await refusal(vswitch.unplug(1), 'SLOT_EMPTY')
      assert.equal(
        (await vswitch.ports()).map(({ slot, state }) => [slot, state]),
        [[2, 'up']],
      )
      assert.equal(await vswitch.reservedSlots(), [1])
      assert.is(await vswitch.port(1), undefined)
      const port = await vswitch.plug({ netns: first }, again === 'any slot' ? {} : { slot: 1 })
      assert.equal([port.slot, port.ofport], [1, 1])
      await megabyteEachWay(first, second, '10.0.0.2')
      assert.equal(await vswitch.reservedSlots(), [])
    }
  }),
)

ovsTest('a device that Open vSwitch has lost is a stray: it is not plugged over, and can be unplugged', () =>
  onOvs(2, {}, async ({ vswitch, targets }) => {
    const [first = '', second = ''] = targets
    await vswitch.plug({ netns: first }, { slot: 1 })
    await ovs.vsctl('del-port', 'ovs0-s1')
    assert.is((await vswitch.port(1))?.state, 'stray')
    await refusal(vswitch.plug({ netns: second }, { slot: 1 }), 'SLOT_TAKEN')
    await vswitch.unplug(1)
    await vswitch.plug({ netns: second }, { slot: 1 })
    await answers(second, OWN.ipv4)
  }),
)

ovsTest('cleanup removes strays, and what empty slots keep when asked to; it says so first', () =>
  onOvs(3, {}, async ({ host, vswitch, targets }) => {
    portsOf(await vswitch.plugAll(targets.map((netns) => ({ target: { netns } }))))
    await run('ip', ['link', 'delete', 'ovs0-s1'])
    await ovs.vsctl('del-port', 'ovs0-s2')
    await vswitch.reserve([7])
    await foreignInternalPort('foreign0', 99)
    const stray = { kind: 'port', name: 'ovs0-s2', why: 'OVSDB does not know it' }
    const empty = ['ovs0-s1', 'ovs0-s7'].map((name) => ({ kind: 'slot', name, why: 'the slot is empty' }))
    assert.equal((await host.cleanup({ dryRun: true })).removed, [stray])
    assert.equal((await host.cleanup({ dryRun: true, slots: true })).removed, [stray, ...empty])
    assert.is((await vswitch.ports()).length, 2)
    assert.equal((await host.cleanup()).removed, [stray])
    assert.equal(await vswitch.reservedSlots(), [1, 7])
    assert.equal((await host.cleanup({ slots: true })).removed, empty)
    assert.equal(
      (await vswitch.ports()).map(({ slot }) => slot),
      [3],
    )
    assert.is(await ovs.vsctl('list-ports', 'ovs0'), 'foreign0\novs0-s3')
    assert.equal((await host.cleanup({ slots: true })).removed, [])
  }),
)

ovsTest('what somebody has changed by hand is passed over, and all else is found', () =>
  onOvs(1, {}, async ({ host, vswitch, targets }) => {
    await vswitch.plug({ netns: targets[0] ?? '' }, { slot: 7 })
    const broken = { name: 'ovs1', kind: 'ovs', usermode: USERMODE, subnet: '10.1.0.254/24' } as const
    await host.createVswitch(broken)
    await ovs.vsctl('set', 'Bridge', 'ovs1', 'external_ids:ecdock-fast-subnet=nonsense')
    const row = ['external_ids:ecdock-fast-slot="999"', 'external_ids:ecdock-fast-netns=nonsense']
    await ovs.vsctl('add-port', 'ovs0', 'ovs0-s999', '--', 'set', 'Port', 'ovs0-s999', ...row).catch(String)
    assert.equal(
      (await host.vswitches()).map(({ name }) => name),
      ['ovs0'],
    )
    assert.equal(
      (await vswitch.ports()).map(({ slot }) => slot),
      [7],
    )
    assert.equal((await host.cleanup()).removed, [])
    await refusal(host.vswitch('ovs1'), 'VSWITCH_NOT_FOUND')
    await ovs.vsctl('set', 'Bridge', 'ovs1', 'external_ids:ecdock-fast-subnet=10.1.0.254/24')
    await host.deleteVswitch('ovs1')
  }),
)

ovsTest('a device of the host joins as the uplink, and outlives the vswitch', async () => {
  const outside = await namedNamespace('outside')
  await inside(outside.path, 'ip', [
    'link',
    'add',
    'eth0',
    'type',
    'veth',
    'peer',
    'name',
    'up0',
    'netns',
    '1',
  ]).catch(() =>
    run('ip', ['link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', 'outside']),
  )
  await inside(outside.path, 'ethtool', ['-K', 'eth0', 'tx', 'off'])
  await inside(outside.path, 'ip', ['address', 'add', '10.0.0.200/24', 'dev', 'eth0'])
  await inside(outside.path, 'ip', ['link', 'set', 'eth0', 'up'])
  await run('ip', ['link', 'set', 'up0', 'up'])
  await onOvs(1, { create: { device: 'up0' } }, async ({ host, vswitch, targets }) => {
    assert.is(await ovs.vsctl('get', 'Interface', 'up0', 'ofport'), '65261')
    const port = await vswitch.plug({ netns: targets[0] ?? '' })
    await megabyteEachWay(outside.path, targets[0] ?? '', '10.0.0.1')
    await megabyteEachWay(targets[0] ?? '', outside.path, '10.0.0.200')
    assert.is(port.slot, 1)
    // Its number is nobody's slot, and the device nobody else's uplink.
    const other = { name: 'ovs1', kind: 'ovs', usermode: USERMODE, subnet: '10.1.0.254/24' } as const
    await refusal(host.createVswitch({ ...other, device: 'up0' }), 'VSWITCH_EXISTS')
    await refusal(host.createVswitch({ ...other, device: 'nothing' }), 'DEVICE_NOT_FOUND')
    await host.deleteVswitch('ovs0')
    await run('ip', ['link', 'show', 'up0'])
  })
  await run('ip', ['link', 'delete', 'up0'])
  await outside.remove()
})

ovsTest('without the kernel datapath that is said, with what to do, and nothing is left', () =>
  withHost(
    async (host) => {
      const before = await world([])
      const options = { name: 'ovs0', kind: 'ovs', subnet: '10.0.0.254/24' } as const
      const known = await run('sh', ['-c', 'modprobe openvswitch 2>/dev/null; ls /sys/module']).then(
        (modules) => modules.split('\n').includes('openvswitch'),
      )
      if (known) {
        await host.createVswitch(options)
        await host.deleteVswitch('ovs0')
      } else {
        const error = await refusal(host.createVswitch(options), 'UNSUPPORTED')
        assert.match(error.hint ?? '', /modprobe openvswitch.*--usermode/)
        assert.match(error.message, /Open vSwitch could not create ovs0/)
      }
      assertUnchanged(await world([]), before)
    },
    { ovsdb: ovs.ovsdb, ovs },
  ),
)

ovsTest('names and addresses that are taken are refused, and nothing is left', () =>
  onOvs(0, {}, async ({ host }) => {
    await ovs.vsctl('add-br', 'foreign0', '--', 'set', 'Bridge', 'foreign0', `datapath_type=${DATAPATH}`)
    await run('ip', ['link', 'add', 'taken0', 'type', 'bridge'])
    const before = await world([])
    const create = (name: string, subnet = '10.1.0.254/24') =>
      host.createVswitch({ name, subnet, kind: 'ovs', usermode: USERMODE })
    await refusal(create('ovs0'), 'VSWITCH_EXISTS')
    await refusal(create('foreign0'), 'VSWITCH_EXISTS')
    await refusal(create('taken0'), 'VSWITCH_EXISTS')
    const address = await refusal(create('ovs1', '10.0.0.254/16'), 'ADDRESS_TAKEN')
    assert.match(address.message, 'this host already has the address 10.0.0.254, on ovs0')
    const subnet = await refusal(create('ovs1', '10.0.0.253/24'), 'ADDRESS_TAKEN')
    assert.match(subnet.message, '10.0.0.254/24 in the same subnet, on ovs0')
    await run('ip', ['address', 'add', '2001:db8::a01:fe/64', 'dev', 'lo'])
    const ipv6 = await refusal(create('ovs1'), 'ADDRESS_TAKEN')
    assert.match(ipv6.message, 'this host already has the address 2001:db8::a01:fe, on lo')
    await run('ip', ['address', 'delete', '2001:db8::a01:fe/64', 'dev', 'lo'])
    await refusal(host.createVswitch({ name: 'ovs0', subnet: '10.1.0.254/24' }), 'VSWITCH_EXISTS')
    assert.match((await refusal(host.vswitch('foreign0'), 'VSWITCH_NOT_FOUND')).message, /was not created by/)
    await refusal(host.deleteVswitch('foreign0'), 'VSWITCH_NOT_FOUND')
    assertUnchanged(await world([]), before)
    await run('ip', ['link', 'delete', 'taken0'])
    await ovs.vsctl('del-br', 'foreign0')
  }),
)

ovsTest('without the privileges that is said, and nothing is created', async () => {
  const job: Job = {
    open: { ovsdb: ovs.tcpEndpoint ?? '' },
    create: { name: 'ovs0', kind: 'ovs', usermode: USERMODE, subnet: '10.0.0.254/24' },
    requests: [],
  }
  const command = ['--bounding-set=-all', '--inh-caps=-all', '--', process.execPath, LIBRARY_PROGRAM]
  const { stdout, stderr } = await runToEnd('setpriv', [...command, JSON.stringify(job)])
  assert.not.equal(stdout, '', stderr)
  assert.is((JSON.parse(stdout) as Report).error?.code, 'PERMISSION')
  assert.is(await ovs.vsctl('list-br'), '')
})

ovsTest('deleting a vswitch leaves the bridges and ports of others as they are', () =>
  onOvs(2, {}, async ({ host, vswitch, targets }) => {
    await ovs.vsctl('add-br', 'foreign0', '--', 'set', 'Bridge', 'foreign0', `datapath_type=${DATAPATH}`)
    await ovs.vsctl('add-port', 'foreign0', 'foreign1', '--', 'set', 'Interface', 'foreign1', 'type=internal')
    await run('ip', ['link', 'add', 'foreign2', 'type', 'veth', 'peer', 'name', 'foreign3'])
    await ovs.vsctl('add-port', 'foreign0', 'foreign2')
    const before = await ovs.vsctl('show')
    const rest = await host.createVswitch({
      name: 'ovs1',
      kind: 'ovs',
      usermode: USERMODE,
      subnet: '10.1.0.254/24',
    })
    portsOf(await rest.plugAll(targets.map((netns) => ({ target: { netns } }))))
    portsOf(await vswitch.plugAll(targets.map((netns) => ({ target: { netns } }))))
    await host.deleteVswitch('ovs1')
    assert.equal((await host.cleanup()).removed, [])
    assert.equal(
      (await vswitch.ports()).map(({ slot, state }) => [slot, state]),
      [
        [1, 'up'],
        [2, 'up'],
      ],
    )
    assertUnplugged(await vswitch.unplugAll([1, 2]))
    assert.equal(await vswitch.release(), [1, 2])
    assert.is(await ovs.vsctl('show'), before)
    await ovs.vsctl('del-br', 'foreign0')
    await run('ip', ['link', 'delete', 'foreign2'])
  }),
)

ovsTest('two programs that plug in at the same time never share a slot', () =>
  onOvs(2, {}, async ({ vswitch, targets }) => {
    const program = async (netns = '', oneByOne = false): Promise<Report> => {
      const requests = Array.from({ length: oneByOne ? 8 : 40 }, () => ({ target: { netns } }))
      const job: Job = { open: { ovsdb: ovs.ovsdb }, vswitch: 'ovs0', requests, oneByOne }
      return JSON.parse(await run(process.execPath, [LIBRARY_PROGRAM, JSON.stringify(job)])) as Report
    }
    const reports = await Promise.all([program(targets[0]), program(targets[1], true)])
    const slots = reports.flatMap(({ plugged }) => plugged.map(codeOrSlot))
    const expected = Array.from({ length: 48 }, (_, at) => at + 1)
    assert.equal(
      slots.sort((a, b) => Number(a) - Number(b)),
      expected,
    )
    const ports = await vswitch.ports()
    assert.ok(ports.every(({ slot, ofport, state }) => ofport === slot && state === 'up'))
    assertUnplugged(await vswitch.unplugAll(expected))
  }),
)

ovsTest('jumbo frames pass whole', () =>
  onOvs(2, {}, async ({ vswitch, targets }) => {
    portsOf(await vswitch.plugAll(targets.map((netns) => ({ target: { netns }, mtu: 9000 }))))
    await inside(targets[0] ?? '', 'ping', ['-nq', '-c1', '-W5', '-Mdo', '-s', '8972', '10.0.0.2'])
    await megabyteEachWay(targets[0] ?? '', targets[1] ?? '', '2001:db8::10.0.0.2')
  }),
)

test.run()

/** A vswitch `ovs0` on the datapath that is tested, on 10.0.0.254/24. */
function onOvs(
  targets: number,
  options: OnVswitchOptions,
  body: (laid: Laid) => Promise<void>,
): Promise<void> {
  const create = { name: 'ovs0', kind: 'ovs', usermode: USERMODE, ...options.create } as const
  return onVswitch({ ovsdb: ovs.ovsdb, ovs, ...options, targets, create }, body)
}

async function foreignInternalPort(name: string, ofport: number): Promise<void> {
  const settings = ['type=internal', `ofport_request=${ofport}`]
  await ovs.vsctl('add-port', 'ovs0', name, '--', 'set', 'Interface', name, ...settings)
}

/** This host, the database and these targets, as far as a refused call must leave them alone. */
async function world(targets: readonly string[]): Promise<string> {
  const pictures = await Promise.all(['/proc/self/ns/net', ...targets].map(picture))
  const rows = await Promise.all(
    ['Bridge', 'Port', 'Interface'].map((table) =>
      ovs.vsctl('--columns=name,external_ids,other_config', 'list', table),
    ),
  )
  return [await ovs.vsctl('show'), ...rows, ...pictures].join('\n')
}
