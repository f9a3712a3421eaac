/** The flows of slots when ovs-vswitchd was started anew, and when it cannot be spoken to. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Host } from '../../src/host.js'
import type { Vswitch } from '../../src/vswitch/vswitch.js'
import { onOwnOvs } from '../support/on-own-ovs.js'
import type { PrivateOvs } from '../support/ovs.js'
import { portsOf } from '../support/plugged.js'
import { run } from '../support/process.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { megabyteEachWay, pings } from '../support/traffic.js'

const ovsTest = needs('root', 'openvswitch', 'iproute2', 'ping', 'socat') ? test : test.skip
const target = (number: number) => ({ netns: `/run/netns/target${number}` })

let ovs: PrivateOvs

ovsTest('after a restart of ovs-vswitchd the next plug of any program sets all flows again', () =>
  onOvs(6, async (vswitch) => {
    await vswitch.reserve([1, 7])
    await vswitch.plug(target(1), { slot: 1 })
    await vswitch.plug(target(2), { slot: 2, mac: '02:00:00:00:00:02' })
    await vswitch.plug(target(3), { slot: 3, vlan: 10 })
    await vswitch.plug(target(4), { slot: 4, internal: true })
    await vswitch.plug(target(6), { slot: 6, dualNic: true })
    const before = await flows()
    assert.is(before.length, 6, before.join('\n'))
    for (const how of ['restart', 'del-flows']) {
      if (how === 'restart') await ovs.restartVswitchd('ovs0')
      else await ofctl('del-flows', 'ovs0', 'cookie=0x6563646b00000000/0xffffffff00000000')
      assert.equal(await flows(), [])
      await ofctl('mod-port', 'ovs0', '6', 'flood')
      await elsewhere(ovs.ovsdb, async (host) => {
        const other = await host.vswitch('ovs0')
        await other.plug(target(5), { slot: 5 })
        await other.unplug(5)
        await other.release([5])
      })
      assert.equal(await flows(), before)
      assert.match(await ofctl('--no-names', 'show', 'ovs0'), /^ 6\(.*\n +config: +NO_FLOOD/m)
    }
    // Internal devices of the userspace datapath went with ovs-vswitchd.
    for (const slot of [4, 6]) await vswitch.unplug(slot)
  }),
)

ovsTest('a slot that is plugged into with another MAC leaves no flow to the one before', () =>
  onOvs(2, async (vswitch) => {
    await vswitch.reserve([1])
    assert.equal(await flows(), [to(1)])
    const mac = '02:00:00:00:00:02'
    const toMac = (slot: number) => `dl_dst=${mac} actions=output:${slot}`
    for (const [options, expected] of [
      [{ mac }, [toMac(1)]],
      [{}, [to(1)]],
      [{ mac, vlan: 10 }, [from(1)]],
      [{ mac }, [toMac(1)]],
    ] as const) {
      await vswitch.plug(target(1), { slot: 1, ...options })
      assert.equal(await flows(), expected)
      await vswitch.unplug(1)
    }
    // Of a slot that was not reserved, too.
    await vswitch.release()
    for (const [options, expected] of [
      [{ mac }, [toMac(1)]],
      [{}, [to(1)]],
    ] as const) {
      await vswitch.plug(target(1), { slot: 1, ...options })
      assert.equal(await flows(), expected)
      await vswitch.unplug(1)
    }
    // Another slot has it now, and keeps it.
    await vswitch.plug(target(2), { slot: 2, mac })
    await vswitch.plug(target(1), { slot: 1 })
    assert.equal(await flows(), [toMac(2), to(1)])
    await vswitch.unplug(1)
    await vswitch.release()
    assert.equal(await flows(), [toMac(2)])
  }),
)

ovsTest(
  'what is plugged in while ovs-vswitchd is away gets its flows when it is back, with a VLAN and without',
  () =>
    onOvs(4, async (vswitch) => {
      await vswitch.plug(target(1), { slot: 1 })
      await ovs.killVswitchd()
      const plugging = vswitch.plugAll([
        { target: target(2), slot: 2 },
        { target: target(3), slot: 3, vlan: 10 },
        { target: target(4), slot: 4, vlan: 10 },
      ])
      await ovs.startVswitchd()
      portsOf(await plugging)
      assert.equal(await flows(), [to(1), to(2), from(3), from(4)].sort())
      await megabyteEachWay(target(1).netns, target(2).netns, '10.0.0.2')
      await megabyteEachWay(target(3).netns, target(4).netns, '10.0.0.4')
      assert.not.ok(await pings(target(3).netns, '10.0.0.2'))
    }),
)

ovsTest(
  'where OpenFlow cannot be spoken, a slot can be had, but none with a VLAN, which flows could betray',
  () =>
    onOvs(3, async (vswitch) => {
      await vswitch.reserve([1, 3])
      await vswitch.plug(target(3), { slot: 3, vlan: 10 })
      await vswitch.unplug(3)
      await elsewhere(ovs.tcpEndpoint ?? '', async (host) => {
        const other = await host.vswitch('ovs0')
        for (const slot of [1, 2]) {
          const before = await ovs.vsctl('list-ports', 'ovs0')
          const error = await refusal(other.plug(target(slot), { slot, vlan: 10 }), 'OPENFLOW_UNREACHABLE')
          assert.match(error.message, /VLAN/)
          assert.match(error.hint ?? '', /OVS_RUNDIR/)
          assert.is(await ovs.vsctl('list-ports', 'ovs0'), before)
          assert.equal(await host.kernel.linksByName(target(slot).netns, ['eth0']), [undefined])
          assert.is(await other.port(slot), undefined)
        }
        const outcomes = await other.plugAll([
          { target: target(1), slot: 1 },
          { target: target(2), slot: 2, vlan: 10 },
          // It had one.
          { target: target(3), slot: 3 },
        ])
        assert.equal(
          outcomes.map(({ ok }) => ok),
          [true, false, true],
        )
        await other.plug(target(2), { slot: 2 })
        await megabyteEachWay(target(1).netns, target(2).netns, '10.0.0.2')
        await megabyteEachWay(target(1).netns, target(3).netns, '10.0.0.3')
      })
    }),
)

test.run()

/** A vswitch `ovs0` on an Open vSwitch of the test's own, and so many namespaces target1, target2, … */
function onOvs(targets: number, body: (vswitch: Vswitch) => Promise<void>): Promise<void> {
  return onOwnOvs({ targets, tcp: true }, (laid) => {
    ovs = laid.ovs
    return body(laid.vswitch)
  })
}

/** As a program of its own would, that knows nothing of what was before. */
async function elsewhere(ovsdb: string, body: (host: Host) => Promise<void>): Promise<void> {
  const host = await Host.open({ ovsdb })
  try {
    await body(host)
  } finally {
    await host.close()
  }
}

function ofctl(...args: string[]): Promise<string> {
  return run('ovs-ofctl', args, { env: ovs.env })
}

/** The userspace datapath has a flow for them, which is of no slot. */
const ROUTER_SOLICITATIONS = 'icmp_type=133'

/** Our flows of slots, without what is counted, sorted. */
async function flows(): Promise<string[]> {
  const lines = (
    await ofctl('--no-names', 'dump-flows', 'ovs0', 'cookie=0x6563646b00000000/0xffffffff00000000')
  ).split('\n')
  const found = lines
    .filter((line) => line.includes('actions=') && !line.includes(ROUTER_SOLICITATIONS))
    .map((line) => line.replace(/.*(?=(dl_dst|in_port)=)/, ''))
  return found.sort()
}

const to = (slot: number) => `dl_dst=52:00:0a:00:00:0${slot} actions=output:${slot}`
const from = (slot: number) => `in_port=${slot} actions=NORMAL`
