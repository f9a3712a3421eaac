import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ecdockFast, ecdockFastJson } from '../support/cli-program.js'
import { USERMODE } from '../support/datapath.js'
import { heard } from '../support/frames.js'
import { type Laid, onVswitch } from '../support/on-vswitch.js'
import { type PrivateOvs, startOvs } from '../support/ovs.js'
import { run, runToEnd } from '../support/process.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { megabyteEachWay, pings } from '../support/traffic.js'

const ovsTest = needs('root', 'openvswitch', 'iproute2', 'ethtool', 'ping', 'tcpdump', 'socat')
  ? test
  : test.skip

let ovs: PrivateOvs

test.before(async () => {
  ovs = await startOvs()
})

test.after(() => ovs.stop())

/** Targets 1, 2 and 3 are in slots 1, 2 and 3. */
function withThree(body: (laid: Laid) => Promise<void>): Promise<void> {
  const create = { name: 'ovs0', kind: 'ovs', usermode: USERMODE } as const
  return onVswitch({ ovsdb: ovs.ovsdb, ovs, targets: 3, create }, async (laid) => {
    const requests = laid.targets.map((netns, at) => ({ target: { netns }, slot: at + 1 }))
    await laid.vswitch.plugAll(requests)
    await body(laid)
  })
}

const isThere = async (ifname: string) => (await runToEnd('ip', ['link', 'show', ifname])).status === 0

ovsTest('tcpdump sees what a mirrored slot sends and gets, and the slot works as before', () =>
  withThree(async ({ vswitch, targets }) => {
    const [first = '', second = '', third = ''] = targets
    await vswitch.mirror(2, { to: 'watch0' })
    assert.equal(await vswitch.mirrors(), [{ to: 'watch0', slots: [2] }])
    const ping = () => pings(first, '10.0.0.2')
    await heard('', 'watch0', /10\.0\.0\.1 > 10\.0\.0\.2: ICMP echo request/, ping)
    await heard('', 'watch0', /10\.0\.0\.2 > 10\.0\.0\.1: ICMP echo reply/, ping)
    await megabyteEachWay(first, second, '10.0.0.2')

    // Another slot to the same interface; and its frames are not the first one's.
    await vswitch.mirror(3, { to: 'watch0' })
    await heard('', 'watch0', /10\.0\.0\.3 > 10\.0\.0\.254: ICMP echo request/, () =>
      pings(third, '10.0.0.254'),
    )
    assert.equal(await vswitch.mirrors(), [{ to: 'watch0', slots: [2, 3] }])
    assert.equal(await vswitch.unmirror(2), ['watch0'])
    assert.equal(await vswitch.unmirror(2), [])
    assert.ok(await isThere('watch0'))
    assert.equal(await vswitch.unmirror(3), ['watch0'])
    assert.equal(await vswitch.mirrors(), [])
    assert.not.ok(await isThere('watch0'))
    assert.is(await ovs.vsctl('--bare', '--columns=name', 'list', 'Mirror'), '')
    await megabyteEachWay(first, second, '10.0.0.2')
  }),
)

ovsTest('a mirror stays with its slot, and takes no number that a slot could have', () =>
  withThree(async ({ vswitch, targets }) => {
    const [first = '', second = ''] = targets
    await vswitch.mirror(2, { to: 'watch0' })
    await vswitch.mirror(2, { to: 'watch1' })
    assert.is(await ovs.vsctl('get', 'Interface', 'watch1', 'ofport'), '65201')
    await vswitch.unplug(2)
    await vswitch.plug({ netns: second }, { slot: 2 })
    for (const watch of ['watch0', 'watch1']) {
      await heard('', watch, /10\.0\.0\.1 > 10\.0\.0\.2: ICMP echo request/, () => pings(first, '10.0.0.2'))
    }
    assert.equal(await vswitch.unmirror(2), ['watch0', 'watch1'])
  }),
)

ovsTest('an interface that is there serves as well, and stays', () =>
  withThree(async ({ vswitch, targets }) => {
    await run('ip', ['link', 'add', 'span0', 'up', 'type', 'veth', 'peer', 'name', 'probe0'])
    await run('ip', ['link', 'set', 'probe0', 'up'])
    try {
      await vswitch.mirror(1, { to: 'span0' })
      await heard('', 'probe0', /10\.0\.0\.2 > 10\.0\.0\.1: ICMP echo reply/, () =>
        pings(targets[0] ?? '', '10.0.0.2'),
      )
      await vswitch.unmirror(1)
      assert.ok(await isThere('span0'))
      assert.not.match(await ovs.vsctl('list-ports', 'ovs0'), 'span0')
    } finally {
      await run('ip', ['link', 'delete', 'span0'])
    }
  }),
)

ovsTest('what cannot be mirrored, or mirrored to, is refused, and nothing is left', () =>
  withThree(async ({ vswitch }) => {
    await refusal(vswitch.mirror(9, { to: 'watch0' }), 'SLOT_EMPTY')
    await refusal(vswitch.mirror(254, { to: 'watch0' }), 'SLOT_RESERVED')
    await refusal(vswitch.mirror(1, { to: 'a name too long' }), 'IFNAME_INVALID')
    await refusal(vswitch.mirror(1, { to: 'ovs0' }), 'IFNAME_TAKEN')
    await ovs.vsctl('add-port', 'ovs0', 'foreign0', '--', 'set', 'Interface', 'foreign0', 'type=internal')
    await refusal(vswitch.mirror(1, { to: 'foreign0' }), 'IFNAME_TAKEN')
    assert.equal(await vswitch.mirrors(), [])
    assert.not.ok(await isThere('watch0'))
    assert.is(await ovs.vsctl('--bare', '--columns=name', 'list', 'Mirror'), '')
  }),
)

ovsTest("somebody else's mirror is left alone", () =>
  withThree(async ({ vswitch, host }) => {
    await ovs.vsctl(
      ...['--', '--id=@p', 'get', 'Port', 'ovs0', '--', '--id=@m', 'create', 'Mirror', 'name=theirs'],
      ...['select_all=true', 'output-port=@p', '--', 'add', 'Bridge', 'ovs0', 'mirrors', '@m'],
    )
    await vswitch.mirror(1, { to: 'watch0' })
    assert.equal(await vswitch.mirrors(), [{ to: 'watch0', slots: [1] }])
    await vswitch.unmirror(1)
    await host.cleanup()
    assert.is(await ovs.vsctl('--bare', '--columns=name', 'list', 'Mirror'), 'theirs')
  }),
)

ovsTest('cleanup takes a mirror of nothing away, and delete-vswitch every one', () =>
  withThree(async ({ vswitch, host }) => {
    await vswitch.mirror(1, { to: 'watch0' })
    await vswitch.mirror(2, { to: 'watch1' })
    await vswitch.unplug(1)
    await vswitch.release([1])
    assert.equal(await vswitch.mirrors(), [
      { to: 'watch0', slots: [] },
      { to: 'watch1', slots: [2] },
    ])
    const { removed } = await host.cleanup()
    assert.equal(
      removed.map(({ kind, name }) => `${kind} ${name}`),
      ['mirror watch0'],
    )
    assert.not.ok(await isThere('watch0'))
    assert.ok(await isThere('watch1'))
    await host.deleteVswitch('ovs0')
    assert.not.ok(await isThere('watch1'))
  }),
)

ovsTest('the command line mirrors a slot, and stops it', () =>
  withThree(async ({ vswitch }) => {
    const env = { ...process.env, ECDOCK_OVSDB: ovs.ovsdb }
    const said = await ecdockFast(['mirror', '2', '--to', 'watch0'], { env })
    assert.is(said.output, 'ovs0 slot 2 is mirrored to watch0\n')
    assert.equal(await vswitch.mirrors(), [{ to: 'watch0', slots: [2] }])
    assert.equal(await ecdockFastJson(['--slot', '2', 'mirror', '--off'], { env }), {
      vswitch: 'ovs0',
      slot: 2,
      stopped: ['watch0'],
    })
    assert.equal(await vswitch.mirrors(), [])
    for (const flags of [[], ['--off', '--to', 'watch0']]) {
      assert.is((await ecdockFast(['mirror', '2', ...flags], { env })).status, 2)
    }
  }),
)

ovsTest('a port of kind bridge cannot be mirrored', () =>
  onVswitch({ targets: 1 }, async ({ vswitch, targets }) => {
    await vswitch.plug({ netns: targets[0] ?? '' }, { slot: 1 })
    await refusal(vswitch.mirror(1, { to: 'watch0' }), 'UNSUPPORTED')
    assert.equal(await vswitch.mirrors(), [])
  }),
)

test.run()
