/** What becomes of plugs when OVSDB is not there, goes away, hangs, or is another one. */
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Host } from '../../src/host.js'
import { inside } from '../support/netns.js'
import { FIRST, hasRow, OVS0, onOvs, SECOND } from '../support/on-ovs.js'
import { startOvs } from '../support/ovs.js'
import { patience } from '../support/patience.js'
import { run, waitUntil } from '../support/process.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { answers, megabyteEachWay } from '../support/traffic.js'
import { leavingNothing, withHost } from '../support/world.js'

const ovsTest = needs('root', 'openvswitch', 'iproute2', 'ping', 'socat') ? test : test.skip

ovsTest('OVSDB that is not running: that is said, with what to do', () =>
  withHost(
    async (host) => {
      const error = await refusal(host.createVswitch(OVS0), 'OVSDB_UNREACHABLE')
      assert.match(error.message, '/nowhere/db.sock')
      assert.ok(error.hint)
      assert.match(
        (await refusal(host.vswitch('ovs0'), 'VSWITCH_NOT_FOUND')).hint ?? '',
        /nothing answers at/,
      )
      assert.equal(await host.vswitches(), [])
      // The other kind does not need it.
      const vswitch = await host.createVswitch({ name: 'br0', subnet: '10.0.0.254/24' })
      assert.is(vswitch.kind, 'bridge')
      await host.deleteVswitch('br0')
    },
    { ovsdb: 'unix:/nowhere/db.sock' },
  ),
)

ovsTest('an address of OVSDB that is none, and a time-out that is none, are refused', async () => {
  const host = await Host.open({ ovsdb: 'somewhere' })
  await refusal(host.createVswitch(OVS0), 'USAGE')
  await host.close()
  for (const ovsTimeoutMs of [0, -1, Number.NaN, 2 ** 31]) await refusal(Host.open({ ovsTimeoutMs }), 'USAGE')
})

ovsTest('a database that nobody has initialised is told from one that is away', () =>
  leavingNothing(async () => {
    const ovs = await startOvs({ vswitchd: false })
    const host = await Host.open({ ovsdb: ovs.ovsdb })
    const empty = JSON.stringify(['Open_vSwitch', { op: 'delete', table: 'Open_vSwitch', where: [] }])
    await run('ovsdb-client', ['transact', ovs.ovsdb, empty])
    const error = await refusal(host.createVswitch(OVS0), 'OVSDB_REFUSED')
    assert.match(error.hint ?? '', /ovs-vsctl init/)
    await host.close()
    await ovs.stop()
  }),
)

ovsTest('without ovs-vswitchd a vswitch is not created, nor a row left', () =>
  leavingNothing(async () => {
    const ovs = await startOvs({ vswitchd: false })
    const host = await Host.open({ ovsdb: ovs.ovsdb, ovsTimeoutMs: patience(500) })
    const error = await refusal(host.createVswitch(OVS0), 'TIMEOUT')
    assert.match(error.hint ?? '', /ovs-vswitchd/)
    assert.is(await ovs.vsctl('--no-wait', 'list-br'), '')
    await host.close()
    await ovs.stop()
  }),
)

ovsTest('OVSDB that is killed half-way and comes back: OVSDB_LOST, and no row is left', () =>
  onOvs({}, async ({ ovs, vswitch }) => {
    await vswitch.plug({ netns: FIRST })
    // The rows are in the database, and what has to be waited for does not come.
    process.kill(ovs.vswitchdPid ?? 0, 'SIGSTOP')
    const plug = refusal(vswitch.plug({ netns: SECOND }), 'OVSDB_LOST')
    await hasRow(ovs, 'ovs0-s2')
    await ovs.killServer()
    await sleep(100)
    await ovs.startServer()
    process.kill(ovs.vswitchdPid ?? 0, 'SIGCONT')
    await plug
    assert.is(await ovs.vsctl('list-ports', 'ovs0'), 'ovs0-s1')
    assert.is(await inside(SECOND, 'ip', ['link', 'show', 'type', 'veth']), '')
    assert.is((await vswitch.plug({ netns: SECOND })).slot, 2)
    await megabyteEachWay(FIRST, SECOND, '10.0.0.2')
  }),
)

ovsTest('OVSDB that is killed half-way and stays away: OVSDB_LOST, and `cleanup` finds the row later', () =>
  onOvs({ ovsTimeoutMs: patience(1000) }, async ({ ovs, vswitch }) => {
    process.kill(ovs.vswitchdPid ?? 0, 'SIGSTOP')
    const plug = refusal(vswitch.plug({ netns: FIRST }), 'OVSDB_LOST')
    await hasRow(ovs, 'ovs0-s1')
    await ovs.killServer()
    await plug
    assert.is(await inside(FIRST, 'ip', ['link', 'show', 'type', 'veth']), '')
    assert.is(await run('ip', ['link', 'show', 'type', 'veth']), '')
    // As long as it is away, nothing can be plugged in, and nothing is left of the attempt.
    await refusal(vswitch.plug({ netns: FIRST }), 'OVSDB_UNREACHABLE')
    assert.is(await run('ip', ['link', 'show', 'type', 'veth']), '')

    await ovs.startServer()
    process.kill(ovs.vswitchdPid ?? 0, 'SIGCONT')
    assert.is(await ovs.vsctl('list-ports', 'ovs0'), 'ovs0-s1')
    const later = await Host.open({ ovsdb: ovs.ovsdb })
    assert.equal((await later.cleanup({ slots: true })).removed, [
      { kind: 'slot', name: 'ovs0-s1', why: 'the slot is empty' },
    ])
    assert.is(await ovs.vsctl('list-ports', 'ovs0'), '')
    await later.close()
    // The first one tries again after pauses, which have grown.
    await waitUntil(
      'it is connected again, and plugs in',
      async () => (await vswitch.plugAll([{ target: { netns: FIRST } }]))[0]?.ok === true,
      20_000,
    )
    await answers(FIRST, '10.0.0.254')
  }),
)

ovsTest('OVSDB that hangs: TIMEOUT, no interface is left, and `cleanup` finds what came later', () =>
  onOvs({ ovsTimeoutMs: patience(1000) }, async ({ ovs, host, vswitch }) => {
    process.kill(ovs.serverPid ?? 0, 'SIGSTOP')
    const error = await refusal(vswitch.plug({ netns: FIRST }), 'TIMEOUT')
    assert.is(error.op, 'ovsdb transact')
    assert.is(await inside(FIRST, 'ip', ['link', 'show', 'type', 'veth']), '')
    process.kill(ovs.serverPid ?? 0, 'SIGCONT')
    // What had been sent may be carried out now.
    await ovs.vsctl('list-br')
    await host.cleanup({ slots: true })
    assert.is(await ovs.vsctl('list-ports', 'ovs0'), '')
    assert.is((await vswitch.plug({ netns: FIRST })).ofport, 1)
  }),
)

ovsTest('while OVSDB does not answer, `cleanup` leaves the ports alone, and says so', () =>
  onOvs({ ovsTimeoutMs: patience(1000) }, async ({ ovs, host }) => {
    const vswitch = await host.vswitch('ovs0')
    await vswitch.plug({ netns: FIRST })
    const elsewhere = await Host.open({ ovsdb: 'unix:/nowhere/db.sock' })
    const { removed, skipped } = await elsewhere.cleanup()
    assert.equal(removed, [])
    assert.match(
      skipped.join(),
      /left alone \(ovs0-s1\): No OVSDB server can be reached at \/nowhere\/db\.sock/,
    )
    await elsewhere.close()

    process.kill(ovs.serverPid ?? 0, 'SIGSTOP')
    const hanging = await Host.open({ ovsdb: ovs.ovsdb, ovsTimeoutMs: patience(1000) })
    const br0 = await hanging.createVswitch({ name: 'br0', subnet: '10.9.0.254/24' })
    for (const asked of [host, hanging]) {
      const report = await asked.cleanup()
      assert.equal(report.removed, [])
      assert.match(report.skipped.join(), /left alone \(ovs0-s1\): The OVSDB server did not answer/)
    }
    // Who does not use Open vSwitch is not held up by it for good.
    assert.equal(
      (await hanging.vswitches()).map(({ name }) => name),
      [br0.name],
    )
    process.kill(ovs.serverPid ?? 0, 'SIGCONT')
    await hanging.deleteVswitch('br0')
    await hanging.close()
    await answers(FIRST, '10.0.0.254')
  }),
)

ovsTest('`cleanup` leaves the ports of another database on the same host alone', () =>
  onOvs({}, async ({ vswitch }) => {
    await vswitch.plug({ netns: FIRST })
    const other = await startOvs({ vswitchd: false })
    const host = await Host.open({ ovsdb: other.ovsdb })
    const { removed, skipped } = await host.cleanup()
    assert.equal(removed, [])
    assert.match(skipped.join(), /left alone \(ovs0-s1\): they may belong to another database/)
    await answers(FIRST, '10.0.0.254')
    await host.close()
    await other.stop()
  }),
)

ovsTest('a server that is restarted between two plugs is not noticed', () =>
  onOvs({}, async ({ ovs, vswitch }) => {
    await vswitch.plug({ netns: FIRST })
    await ovs.killServer('SIGTERM')
    const plug = vswitch.plug({ netns: SECOND })
    await ovs.startServer()
    assert.is((await plug).slot, 2)
    await megabyteEachWay(SECOND, FIRST, '10.0.0.1')
  }),
)

test.run()
