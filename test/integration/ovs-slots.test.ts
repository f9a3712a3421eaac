/** Slots of Open vSwitch that are used again and again, on a datapath of either kind. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Host } from '../../src/host.js'
import { LINK_GROUP } from '../../src/vswitch/record.js'
import type { Vswitch } from '../../src/vswitch/vswitch.js'
import { USERMODE } from '../support/datapath.js'
import { inside } from '../support/netns.js'
import { type PrivateOvs, startOvs } from '../support/ovs.js'
import { patience } from '../support/patience.js'
import { portsOf } from '../support/plugged.js'
import { run } from '../support/process.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { megabyteEachWay } from '../support/traffic.js'
import { leavingNothing } from '../support/world.js'

const ovsTest = needs('root', 'openvswitch', 'socat') ? test : test.skip
const OVS0 = { name: 'ovs0', kind: 'ovs', usermode: USERMODE, subnet: '10.0.255.254/16' } as const

for (const [count, reserved] of [
  [10, 0],
  [10, 10],
  [100, 0],
  [500, 500],
] as const) {
  const how = reserved === 0 ? 'not reserved' : 'reserved'
  ovsTest(`${count} slots, ${how}: unplugged and plugged in again at once, each reaches the next`, () =>
    onOvs(count, reserved, async ({ host, vswitch }) => {
      const slots = Array.from({ length: count }, (_, at) => at + 1)
      // Below 1280 bytes there is no IPv6, whose multicast takes a userspace datapath of this size half a minute.
      const mtu = count > 100 ? 1200 : 1500
      const requests = slots.map((slot) => ({ target: { netns: `t${slot}` }, slot, mtu }))
      portsOf(await vswitch.plugAll(requests))
      await eachReachesTheNext(host, count)
      for (let round = 0; round < 2; round++) {
        assert.ok((await vswitch.unplugAll(slots)).every(({ ok }) => ok))
        assert.equal(await vswitch.reservedSlots(), slots)
        const ports = portsOf(await vswitch.plugAll(requests))
        assert.ok(ports.every(({ slot, ofport, state }) => slot === ofport && state === 'up'))
        await eachReachesTheNext(host, count)
      }
      await megabyteEachWay(`/run/netns/t${count}`, '/run/netns/t1', '10.0.0.1')
    }),
  )
}

ovsTest(
  'what is plugged into a reserved slot needs no transaction, and vswitchd sees no interface change',
  () =>
    onOvs(2, 2, async ({ ovs, vswitch }) => {
      const before = await seenByVswitchd(ovs)
      for (let round = 0; round < 3; round++) {
        for (const slot of [1, 2]) await vswitch.plug({ netns: `t${slot}` }, { slot })
        await megabyteEachWay('/run/netns/t1', '/run/netns/t2', '10.0.0.2')
        assert.ok((await vswitch.unplugAll([1, 2])).every(({ ok }) => ok))
      }
      assert.equal(await seenByVswitchd(ovs), before)
    }),
)

ovsTest('many who use slots again at the same time, one by one, all get theirs', () =>
  onOvs(40, 0, async ({ host, vswitch }) => {
    const slots = Array.from({ length: 40 }, (_, at) => at + 1)
    portsOf(await vswitch.plugAll(slots.map((slot) => ({ target: { netns: `t${slot}` }, slot }))))
    assert.ok((await vswitch.unplugAll(slots)).every(({ ok }) => ok))
    // A crash has left the interfaces of a standing port without rows.
    await run('ip', ['link', 'add', 'ovs0-p3', 'type', 'veth', 'peer', 'name', 'ovs0-x3'])
    await run('ip', ['link', 'set', 'ovs0-p3', 'alias', 'ecdock-fast slot vswitch=ovs0 slot=3'])
    const plugs = slots.map((slot) => vswitch.plug({ netns: `t${slot}` }, { slot }))
    const twice = vswitch.plugAll([{ target: { netns: 't1' }, slot: 2, ifname: 'eth9' }])
    assert.equal(
      (await Promise.all(plugs)).map(({ slot, ofport }) => [slot, ofport]),
      slots.map((slot) => [slot, slot]),
    )
    assert.is((await twice)[0]?.ok, false)
    await eachReachesTheNext(host, 40)
  }),
)

ovsTest('frames of 9000 bytes pass through a slot that was reserved for smaller ones', () =>
  onOvs(2, 2, async ({ vswitch }) => {
    for (const slot of [1, 2]) await vswitch.plug({ netns: `t${slot}` }, { slot, mtu: 9000 })
    await inside('/run/netns/t1', 'ping', ['-c', '2', '-M', 'do', '-s', '8972', '-W', '5', '10.0.0.2'])
  }),
)

ovsTest('standing ports that are gone, as after a restart of the machine, are made again', () =>
  onOvs(2, 2, async ({ ovs, vswitch }) => {
    await vswitch.plug({ netns: 't2' }, { slot: 2 })
    // OVSDB keeps its rows on disk; what they stand for does not come back.
    await run('ip', ['link', 'delete', 'ovs0-p1'])
    await run('ip', ['-n', 'ecdock-ovs0', 'link', 'delete', 'ovs0-b1'])
    assert.match(await ovs.vsctl('list-ports', 'ovs0'), 'ovs0-p1')
    const port = await vswitch.plug({ netns: 't1' }, { slot: 1 })
    assert.equal([port.slot, port.ofport], [1, 1])
    await megabyteEachWay('/run/netns/t1', '/run/netns/t2', '10.0.0.2')
  }),
)

for (const [where, name] of [
  ['on the host', 'ovs0-p1'],
  ['in the namespace of the vswitch', 'ovs0-u1'],
] as const) {
  ovsTest(`a standing port whose interface ${where} somebody has deleted is made again`, () =>
    onOvs(2, 2, async ({ vswitch }) => {
      await vswitch.plug({ netns: 't2' }, { slot: 2 })
      const netns = name === 'ovs0-u1' ? ['-n', 'ecdock-ovs0'] : []
      await run('ip', [...netns, 'link', 'delete', name])
      const port = await vswitch.plug({ netns: 't1' }, { slot: 1 })
      assert.equal([port.slot, port.ofport], [1, 1])
      await megabyteEachWay('/run/netns/t1', '/run/netns/t2', '10.0.0.2')
    }),
  )
}

ovsTest('a namespace of the name that its slots need, but of somebody else, is left alone', () =>
  onOvs(1, 0, async ({ host, vswitch }) => {
    await host.kernel.createNamespaces(['ecdock-ovs0'])
    try {
      const error = await vswitch.reserve([1]).catch((e: unknown) => e as { code: string })
      assert.is(error?.code, 'NETNS_EXISTS')
      await vswitch.plug({ netns: 't1' }, { slot: 1 })
    } finally {
      await vswitch.unplug(1)
      await host.kernel.deleteNamespaces(['ecdock-ovs0'])
    }
  }),
)

ovsTest(
  'when somebody has deleted the bridge, `cleanup` removes what is left of its slots, and only that',
  () =>
    onOvs(3, 2, async ({ ovs, host, vswitch }) => {
      // One has a standing port, one has none; slot 2 is empty.
      for (const slot of [1, 3]) await vswitch.plug({ netns: `t${slot}` }, { slot })
      await host.kernel.createNamespaces(['ecdock-mine'], 'ecdock-fast slots vswitch=other ovsdb=01234567')
      await host.kernel.createNamespaces(['ecdock-theirs'])
      await ovs.vsctl('del-br', 'ovs0')
      const left = await namesLeft(host)
      try {
        const other = await startOvs({ vswitchd: false })
        for (const ovsdb of [other.ovsdb, 'unix:/nowhere/db.sock']) {
          const elsewhere = await Host.open({ ovsdb })
          const { removed, skipped } = await elsewhere.cleanup()
          assert.equal(removed, [])
          assert.match(skipped.join(), /left alone \(.*ovs0.*\)/)
          assert.equal(await namesLeft(host), left)
          await elsewhere.close()
        }
        await other.stop()

        const planned = await host.cleanup({ dryRun: true })
        assert.equal(await namesLeft(host), left)
        const { removed, failed } = await host.cleanup()
        assert.equal(
          removed.map(({ kind, name }) => `${kind} ${name}`),
          ['vswitch ovs0', 'link ovs0-s3'],
        )
        assert.equal(removed, planned.removed)
        assert.equal(failed, [])
        assert.equal(await namesLeft(host), ['ecdock-mine', 'ecdock-theirs', 't1: lo', 't3: lo'])
      } finally {
        await host.kernel.deleteNamespaces(['ecdock-mine', 'ecdock-theirs'])
        await host.createVswitch(OVS0)
      }
    }),
)

ovsTest(
  'a bridge that somebody has deleted is made again: `cleanup` removes what the first one has left',
  () =>
    onOvs(3, 3, async ({ ovs, host, vswitch }) => {
      await vswitch.plug({ netns: 't1' }, { slot: 1 })
      await ovs.vsctl('del-br', 'ovs0')
      const again = await host.createVswitch(OVS0)
      // A slot that is made ready anew takes the place of what is left of it.
      await again.reserve([3])
      await again.plug({ netns: 't3' }, { slot: 3 })
      const { removed, failed } = await host.cleanup()
      assert.equal(
        removed.map(({ kind, name }) => `${kind} ${name}`),
        ['port ovs0-s1', 'slot ovs0-s1', 'slot ovs0-s2'],
      )
      assert.equal(failed, [])
      const slot = (n: number) => [`ecdock-ovs0: ovs0-b${n}`, `ecdock-ovs0: ovs0-u${n}`, `host: ovs0-p${n}`]
      assert.equal(
        await namesLeft(host),
        [
          'ecdock-ovs0',
          'ecdock-ovs0: lo',
          'ecdock-ovs0: ovs0-s3',
          ...slot(3),
          't1: lo',
          't3: eth0',
          't3: lo',
        ].sort(),
      )
      await again.plug({ netns: 't1' }, { slot: 1 })
      await megabyteEachWay('/run/netns/t1', '/run/netns/t3', '10.0.0.3')
      assert.equal((await host.cleanup()).removed, [])
    }),
)

ovsTest(
  'a standing port that a crash has cut short keeps its slot from being used until `cleanup` removes it',
  () =>
    onOvs(1, 1, async ({ host, vswitch }) => {
      const marked = ['group', String(LINK_GROUP), 'type', 'veth', 'peer', 'name', 'ovs0-u2']
      await run('ip', ['link', 'add', 'ovs0-p2', ...marked, 'netns', 'ecdock-ovs0'])
      // Not ours: it is not in our group.
      await run('ip', ['-n', 'ecdock-ovs0', 'link', 'add', 'ovs0-b3', 'type', 'bridge'])
      for (const slot of [2, 3]) {
        const error = await refusal(vswitch.reserve([slot]), 'KERNEL')
        assert.match(error.hint ?? '', /cleanup/)
      }
      const { removed } = await host.cleanup()
      assert.equal(
        removed.map(({ kind, name }) => `${kind} ${name}`),
        ['slot ovs0-s2'],
      )
      await vswitch.reserve([2])
      await refusal(vswitch.reserve([3]), 'KERNEL')
      await vswitch.plug({ netns: 't1' }, { slot: 2 })
      await run('ip', ['-n', 'ecdock-ovs0', 'link', 'delete', 'ovs0-b3'])
    }),
)

test.run()

interface Laid {
  ovs: PrivateOvs
  host: Host
  vswitch: Vswitch
}

/** An Open vSwitch of the test's own with a vswitch `ovs0`, and so many namespaces t1, t2, … */
async function onOvs(count: number, slots: number, body: (laid: Laid) => Promise<void>): Promise<void> {
  await leavingNothing(async () => {
    const ovs = await startOvs()
    const host = await Host.open({ ovsdb: ovs.ovsdb })
    const names = Array.from({ length: count }, (_, at) => `t${at + 1}`)
    await host.kernel.createNamespaces(names)
    try {
      const vswitch = await host.createVswitch({ ...OVS0, slots })
      assert.is((await vswitch.reservedSlots()).length, slots)
      await body({ ovs, host, vswitch })
      await host.deleteVswitch('ovs0')
    } finally {
      await host.kernel.deleteNamespaces(names)
      await host.close()
      await ovs.stop()
    }
  })
}

/**
 * Not the host but other slots: the host would answer on the ports' own interfaces. What hundreds of interfaces say
 * to all others when they come up (MLD, router solicitations) keeps a userspace datapath busy for seconds.
 */
async function eachReachesTheNext(host: Host, count: number): Promise<void> {
  const deadline = Date.now() + patience(60_000)
  // Of hundreds some, because each question is copied to every port.
  const every = Math.max(1, Math.floor(count / 100))
  let left = Array.from({ length: count }, (_, at) => at + 1).filter((slot) => slot % every === 0)
  while (left.length > 0 && Date.now() < deadline) {
    const some = left.slice(0, 20)
    const probes = some.map((slot) => {
      const next = (slot % count) + 1
      return { netns: `/run/netns/t${slot}`, address: `10.0.${next >> 8}.${next & 255}`, timeoutMs: 3000 }
    })
    const outcomes = await host.kernel.probe(probes)
    const lost = some.filter((_, at) => outcomes[at]?.reply !== true)
    left = [...left.slice(20), ...lost]
  }
  assert.equal(left, [], 'slots without an answer')
}

/** What of `ovs0` and its targets there is besides Open vSwitch's own, sorted. */
async function namesLeft(host: Host): Promise<string[]> {
  const names = (await host.kernel.links(''))
    .filter(({ name }) => name.startsWith('ovs0-'))
    .map(({ name }) => `host: ${name}`)
  for (const { name, path } of await host.kernel.namespaces()) {
    if (name.startsWith('ecdock-')) names.push(name)
    if (!['ecdock-ovs0', 't1', 't3'].includes(name)) continue
    names.push(...(await host.kernel.links(path)).map((link) => `${name}: ${link.name}`))
  }
  return names.sort()
}

/** The database's last transaction that was waited for, and the interfaces that vswitchd can see, by index. */
async function seenByVswitchd(ovs: PrivateOvs): Promise<{ nextCfg: string; interfaces: string[] }> {
  const links = await run('ip', ['-o', 'link'])
  return {
    nextCfg: await ovs.vsctl('get', 'Open_vSwitch', '.', 'next_cfg'),
    interfaces: links.split('\n').map((line) => line.split(':').slice(0, 2).join()),
  }
}
