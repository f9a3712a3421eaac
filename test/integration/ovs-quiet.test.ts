/** What nobody has asked for, and ports of Open vSwitch therefore do not say: IPv6 of the host's end, and a target's DAD. */
import { readFile } from 'node:fs/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Vswitch } from '../../src/vswitch/vswitch.js'
import { USERMODE } from '../support/datapath.js'
import { inside } from '../support/netns.js'
import { onVswitch } from '../support/on-vswitch.js'
import { type PrivateOvs, startOvs } from '../support/ovs.js'
import { run } from '../support/process.js'
import { needs } from '../support/requirements.js'
import { answers, megabyteEachWay } from '../support/traffic.js'

const ovsTest = needs('root', 'openvswitch', 'iproute2', 'ping') ? test : test.skip
const usermodeTest = USERMODE ? ovsTest : test.skip
const target = (number: number) => ({ netns: `/run/netns/target${number}` })

let ovs: PrivateOvs

test.before(async () => {
  ovs = await startOvs()
})

test.after(() => ovs.stop())

ovsTest("the host has no IPv6 at its end of a port, and the targets' passes", () =>
  onOvs(async (vswitch) => {
    await vswitch.reserve([2])
    for (const slot of [1, 2]) await vswitch.plug(target(slot), { slot })
    for (const name of ['ovs0-s1', 'ovs0-p2']) {
      assert.is(await run('ip', ['-6', 'address', 'show', 'dev', name]), '')
      assert.is(await run('ip', ['-6', 'route', 'show', 'table', 'all', 'dev', name]), '')
      assert.is((await readFile(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, 'utf8')).trim(), '1')
    }
    await megabyteEachWay(target(1).netns, target(2).netns, '2001:db8::a00:2')
  }),
)

ovsTest('an MTU that is too small for IPv6 needs no such setting', () =>
  onOvs(async (vswitch) => {
    for (const slot of [1, 2]) await vswitch.plug(target(slot), { slot, mtu: 1000 })
    await answers(target(1).netns, '10.0.0.2')
  }),
)

usermodeTest('on the userspace datapath the link-local address can be used at once', () =>
  onOvs(async (vswitch) => {
    await vswitch.reserve([2])
    for (const slot of [1, 2]) {
      await vswitch.plug(target(slot), { slot })
      const own = await linkLocal(slot)
      assert.match(own, `inet6 fe80::5000:aff:fe00:${slot}/64`)
      assert.not.match(own, 'tentative')
      assert.is(own.split('inet6').length, 2, own)
    }
    await answers(target(1).netns, 'fe80::5000:aff:fe00:2%eth0')
    await vswitch.unplug(2)
    await vswitch.plug(target(2), { slot: 2, sysctls: { 'net.ipv6.conf.IFNAME.addr_gen_mode': 1 } })
    assert.is(await linkLocal(2), '')
  }),
)

function linkLocal(slot: number): Promise<string> {
  return inside(target(slot).netns, 'ip', ['-6', '-o', 'address', 'show', 'dev', 'eth0', 'scope', 'link'])
}

function onOvs(body: (vswitch: Vswitch) => Promise<void>): Promise<void> {
  const create = { name: 'ovs0', kind: 'ovs', usermode: USERMODE } as const
  return onVswitch({ ovsdb: ovs.ovsdb, ovs, create }, ({ vswitch }) => body(vswitch))
}

test.run()
