import { existsSync, writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Host } from '../../src/host.js'
import { parsePortAlias } from '../../src/vswitch/record.js'
import type { PlugOutcome } from '../../src/vswitch/vswitch.js'
import { type Job, LIBRARY_PROGRAM, type Report } from '../support/library-program.js'
import { inside } from '../support/netns.js'
import { type Laid, onVswitch } from '../support/on-vswitch.js'
import {
  assertAsIpShows,
  assertUnplugged,
  codeOrSlot,
  portsOf,
  trafficAround,
  trafficWithHost,
  withoutPrefix,
} from '../support/plugged.js'
import { run, waitUntil } from '../support/process.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { answers, megabyteEachWay, pings } from '../support/traffic.js'

const bridgeTest = needs('root', 'iproute2', 'ping', 'socat') ? test : test.skip
const OWN = { ipv4: '10.0.0.254', ipv6: '2001:db8::a00:fe' }

bridgeTest('two targets that are plugged in reach each other, and the host, at once', () =>
  onBridge(2, async ({ vswitch, targets }) => {
    const [first = '', second = ''] = targets
    const one = await vswitch.plug({ netns: first }, { slot: 1 })
    const two = await vswitch.plug({ netns: second }, { slot: 2 })
    await megabyteEachWay(first, second, '10.0.0.2')
    await megabyteEachWay(second, first, '2001:db8::10.0.0.1')
    await trafficWithHost(first, one, OWN)
    assert.equal([one.slot, one.ifname, one.mac], [1, 'eth0', '52:00:0a:00:00:01'])
    assert.equal([two.ipv4, two.ipv6, two.gateway], ['10.0.0.2/24', '2001:db8::a00:2/64', OWN.ipv4])
    assert.is(two.state, 'up')
    assert.ok((two.ms ?? 0) > 0)

    await vswitch.unplug(2)
    assert.not.ok(await pings(first, '10.0.0.2'))
    await answers(first, OWN.ipv4)
  }),
)

bridgeTest('eight are plugged in in one go, and the switch shows them as `ip` does', () =>
  onBridge(8, async ({ vswitch, targets }) => {
    const heard: number[] = []
    const outcomes = await vswitch.plugAll(
      targets.map((netns) => ({ target: { netns } })),
      { onOutcome: (outcome, index) => heard.push(outcome.ok ? index : -1) },
    )
    const plugged = portsOf(outcomes)
    assert.equal(
      plugged.map(({ slot }) => slot),
      [1, 2, 3, 4, 5, 6, 7, 8],
    )
    assert.equal(heard.sort(), [0, 1, 2, 3, 4, 5, 6, 7])
    await trafficAround(targets, plugged)

    const ports = await vswitch.ports()
    for (const [at, port] of ports.entries()) {
      const { stats, ...shown } = port
      const { ms, ...told } = plugged[at] ?? port
      assert.equal(shown, told)
      assert.ok((stats?.rxBytes ?? 0) > 2 ** 20, 'a megabyte came through')
      assert.equal((await vswitch.port(port.slot))?.ifname, port.ifname)
      await assertAsIpShows(targets[at] ?? '', port)
    }
    const links = JSON.parse(
      await inside('/run/netns/ecdock-br0', 'ip', ['-json', 'link', 'show', 'master', 'br0']),
    ) as { ifname: string; ifalias: string }[]
    assert.equal(
      links.map(({ ifname }) => ifname).sort(),
      ['br0-up', ...ports.map(({ hostIfname }) => hostIfname)].sort(),
    )
    for (const { ifname, ifalias } of links) {
      const record = parsePortAlias(ifalias)
      const port = ports.find(({ hostIfname }) => hostIfname === ifname)
      assert.equal([record?.slot, record?.target, record?.netnsId], [port?.slot, port?.target, port?.netnsId])
    }
    assert.is(await vswitch.port(9), undefined)

    assertUnplugged(await vswitch.unplugAll([8, 1, 2, 3, 4, 5, 6, 7]))
    assert.equal(await vswitch.ports(), [])
    for (const netns of targets) assert.is((await inside(netns, 'ip', ['-br', 'link'])).match(/eth/), null)
  }),
)

bridgeTest('a process id is a target, and so is the path of a namespace', () =>
  onBridge(1, async ({ vswitch, targets, startProcess }) => {
    const target = await startProcess()
    const one = await vswitch.plug({ pid: target.pid })
    const two = await vswitch.plug({ netns: targets[0] ?? '' })
    assert.is(one.target, `pid:${target.pid}`)
    assert.is(two.target, `netns:${targets[0]}`)
    await megabyteEachWay(target.netns, targets[0] ?? '', withoutPrefix(two.ipv4))
    await vswitch.unplugAll([1, 2])
  }),
)

bridgeTest('jumbo frames pass whole', () =>
  onBridge(2, async ({ vswitch, targets }) => {
    const [first = '', second = ''] = targets
    portsOf(await vswitch.plugAll(targets.map((netns) => ({ target: { netns }, mtu: 9000 }))))
    // 20 bytes of IPv4 or 40 of IPv6 header, and 8 of ICMP; -M do: no fragments.
    await inside(first, 'ping', ['-n', '-q', '-c1', '-W5', '-Mdo', '-s', '8972', '10.0.0.2'])
    await inside(first, 'ping', ['-n', '-q', '-c1', '-W5', '-Mdo', '-s', '8952', '2001:db8::10.0.0.2'])
    await megabyteEachWay(first, second, '10.0.0.2')
  }),
)

bridgeTest('an interface too small for IPv6 has IPv4 alone', () =>
  onBridge(2, async ({ vswitch, targets }) => {
    const [first = '', second = ''] = targets
    const [port] = portsOf(await vswitch.plugAll(targets.map((netns) => ({ target: { netns }, mtu: 576 }))))
    assert.equal([port?.mtu, port?.ipv6], [576, ''])
    await megabyteEachWay(first, second, '10.0.0.2')
    if (port !== undefined) await assertAsIpShows(first, port)
  }),
)

bridgeTest('a target has as many interfaces as it is plugged in, by number or by name', () =>
  onBridge(2, async ({ host, vswitch, targets }) => {
    const [first = '', second = ''] = targets
    const other = await host.createVswitch({ name: 'br1', subnet: '10.1.0.254/24', ipv6Prefix: '2001:db9' })
    const target = { netns: first }
    const names = [
      await vswitch.plug(target),
      await other.plug(target),
      await vswitch.plug(target, { ifname: 'lan9' }),
      await vswitch.plug(target),
    ].map(({ ifname }) => ifname)
    assert.equal(names, ['eth0', 'eth1', 'lan9', 'eth2'])
    // In one call they get one number after the other, too.
    const [eth0, eth1] = portsOf(
      await other.plugAll([{ target: { netns: second } }, { target: { netns: second } }]),
    )
    assert.equal([eth0?.ifname, eth1?.ifname], ['eth0', 'eth1'])
    assert.is(eth0?.ipv6, '2001:db9::a01:2/64')
    await megabyteEachWay(second, first, '10.1.0.1')
    await host.deleteVswitch('br1')
    const left = JSON.parse(await inside(first, 'ip', ['-json', 'link'])) as { ifname: string }[]
    assert.equal(
      left.map(({ ifname }) => ifname),
      ['lo', 'eth0', 'lan9', 'eth2'],
    )
  }),
)

bridgeTest('the first interface brings the default route, and a later one leaves it', () =>
  onBridge(2, async ({ vswitch, targets }) => {
    const [first = '', second = ''] = targets
    await vswitch.plug({ netns: first })
    await vswitch.plug({ netns: first })
    assert.is((await routes(first)).trim(), 'default via 10.0.0.254 dev eth0 proto static')
    await vswitch.plug({ netns: second }, { defaultRoute: false })
    assert.is(await routes(second), '')
  }),
)

bridgeTest('without a slot the lowest free one is taken, also after something was unplugged', () =>
  onBridge(6, async ({ vswitch, targets }) => {
    const plug = async (at: number, slot?: number) =>
      (await vswitch.plug({ netns: targets[at] ?? '' }, slot === undefined ? {} : { slot })).slot
    assert.equal([await plug(0), await plug(1, 3), await plug(2), await plug(3)], [1, 3, 2, 4])
    assertUnplugged(await vswitch.unplugAll([2, 3]))
    assert.equal(
      (await vswitch.plugAll([targets[4], targets[5]].map((netns = '') => ({ target: { netns } })))).map(
        codeOrSlot,
      ),
      [2, 3],
    )
    // Several calls at the same time of one program share what they choose.
    const more = await Promise.all([0, 1, 2, 3, 4, 5].map((at) => plug(at)))
    assert.equal(
      more.sort((a, b) => a - b),
      [5, 6, 7, 8, 9, 10],
    )
  }),
)

bridgeTest('two programs that plug in at the same time never share a slot', () =>
  onBridge(2, async ({ vswitch, targets }) => {
    const program = async (netns = '', oneByOne = false): Promise<Report> => {
      const requests = Array.from({ length: 40 }, () => ({ target: { netns } }))
      const job: Job = { vswitch: 'br0', requests, oneByOne }
      return JSON.parse(await run(process.execPath, [LIBRARY_PROGRAM, JSON.stringify(job)])) as Report
    }
    const reports = await Promise.all([program(targets[0]), program(targets[1], true)])
    const slots = reports.flatMap(({ plugged }) => plugged.map(codeOrSlot))
    const expected = Array.from({ length: 80 }, (_, at) => at + 1)
    assert.equal(
      slots.sort((a, b) => Number(a) - Number(b)),
      expected,
    )
    const ports = await vswitch.ports()
    assert.equal(
      ports.map(({ slot }) => slot),
      expected,
    )
    assert.is(ports.filter(({ target }) => target === `netns:${targets[0]}`).length, 40)
    assertUnplugged(await vswitch.unplugAll(expected))
  }),
)

bridgeTest('in bulk, slots that are asked for by number are kept for those who ask', () =>
  onBridge(1, async ({ vswitch, targets }) => {
    const target = { netns: targets[0] ?? '' }
    const anySlot = Array.from({ length: 40 }, () => ({ target }))
    const outcomes = await vswitch.plugAll([...anySlot, { target, slot: 5 }])
    assert.equal(outcomes.map(codeOrSlot), [
      ...Array.from({ length: 41 }, (_, at) => at + 1).filter((slot) => slot !== 5),
      5,
    ])
  }),
)

bridgeTest('outcomes come in the order of the requests, one error for each that failed', () =>
  onBridge(3, async ({ vswitch, targets }) => {
    const [first = '', second = '', third = ''] = targets
    await vswitch.plug({ netns: third }, { slot: 7 })
    const outcomes = await vswitch.plugAll([
      { target: { netns: first }, slot: 2 },
      { target: { netns: 'nothing' } },
      { target: { netns: second }, slot: 7 },
      { target: { netns: second }, slot: 254 },
      { target: { netns: second }, slot: 255 },
      { target: { netns: second }, slot: 2, ifname: 'eth9' },
      { target: { pid: 2 ** 22 } },
      { target: { netns: second }, ifname: 'much-too-long-a-name' },
      { target: { netns: first }, ifname: 'eth0' },
      { target: { netns: second } },
    ])
    assert.equal(outcomes.map(codeOrSlot), [
      2,
      'TARGET_NOT_FOUND',
      'SLOT_TAKEN',
      'SLOT_RESERVED',
      'SLOT_OUT_OF_RANGE',
      'SLOT_TAKEN',
      'TARGET_NOT_FOUND',
      'IFNAME_INVALID',
      'IFNAME_TAKEN',
      3,
    ])
    const taken = outcomes[2] as PlugOutcome & { ok: false }
    assert.match(taken.error.message, `slot 7 of br0 is taken by netns:${third} (eth0)`)
    await megabyteEachWay(first, second, '10.0.0.3')

    const unplugged = await vswitch.unplugAll([3, 99, 2, 3, 0, 254, 7])
    assert.equal(unplugged.map(codeOrSlot), [
      3,
      'SLOT_EMPTY',
      2,
      'SLOT_EMPTY',
      'SLOT_OUT_OF_RANGE',
      'SLOT_RESERVED',
      7,
    ])
  }),
)

bridgeTest('when an onOutcome throws, what it was told of stays, and nothing else', () =>
  onBridge(1, async ({ vswitch, targets }) => {
    const requests = Array.from({ length: 80 }, () => ({ target: { netns: targets[0] ?? '' } }))
    const told: number[] = []
    const plugging = vswitch.plugAll(requests, {
      onOutcome: (outcome, index) => {
        told.push(index)
        if (told.length === 40) throw new Error(`enough of ${outcome.ok}`)
      },
    })
    assert.match(String(await plugging.catch(String)), 'enough of true')
    assert.is(told.length, 40)
    assert.equal(
      (await vswitch.ports()).map(({ slot }) => slot - 1),
      told,
    )
    const made = await inside(targets[0] ?? '', 'ip', ['-br', 'link', 'show', 'type', 'veth'])
    assert.is(made.trim().split('\n').length, 40)
  }),
)

bridgeTest('what a program has plugged in stays, and the next one finds it', () =>
  onBridge(2, async ({ host, targets }) => {
    const [first = '', second = ''] = targets
    const requests = [{ target: { netns: first }, slot: 5, mtu: 1400 }, { target: { netns: second } }]
    const job: Job = { vswitch: 'br0', requests }
    const report = JSON.parse(await run(process.execPath, [LIBRARY_PROGRAM, JSON.stringify(job)])) as Report

    const later = await Host.open()
    const found = await later.vswitches()
    assert.equal(
      found.map(({ name, kind, subnet, ipv6Prefix }) => [name, kind, subnet, ipv6Prefix]),
      [['br0', 'bridge', '10.0.0.254/24', '2001:db8']],
    )
    const vswitch = await later.vswitch('br0')
    const withoutStats = (await vswitch.ports()).map(({ stats, ...port }) => port)
    assert.equal(
      withoutStats,
      report.ports.map(({ stats, ...port }) => port),
    )
    await megabyteEachWay(first, second, '10.0.0.1')
    await later.close()
    assert.is((await host.vswitch('br0')).name, 'br0')
  }),
)

bridgeTest('deleting a vswitch takes its ports out of their targets, which go on', () =>
  onBridge(2, async ({ host, vswitch, targets, startProcess }) => {
    const target = await startProcess()
    await vswitch.plug({ pid: target.pid })
    portsOf(await vswitch.plugAll(targets.map((netns) => ({ target: { netns } }))))
    await host.deleteVswitch('br0')
    for (const netns of [target.netns, ...targets]) {
      assert.equal(await routes(netns), '')
      const left = JSON.parse(await inside(netns, 'ip', ['-json', 'link'])) as { ifname: string }[]
      assert.equal(
        left.map(({ ifname }) => ifname),
        ['lo'],
      )
    }
    await refusal(host.vswitch('br0'), 'VSWITCH_NOT_FOUND')
    await refusal(vswitch.plug({ netns: targets[0] ?? '' }), 'VSWITCH_NOT_FOUND')
  }),
)

bridgeTest('a target that ends takes its port with it', () =>
  onBridge(0, async ({ vswitch, startProcess }) => {
    const target = await startProcess()
    await vswitch.plug({ pid: target.pid }, { slot: 9 })
    await target.stop()
    await waitUntil('its port is gone', async () => (await vswitch.ports()).length === 0)
    await refusal(vswitch.unplug(9), 'SLOT_EMPTY')
  }),
)

bridgeTest('frames for one target do not go to the others', () =>
  onBridge(3, async ({ vswitch, targets }) => {
    const [first = '', second = '', third = ''] = targets
    const [, , bystander] = portsOf(await vswitch.plugAll(targets.map((netns) => ({ target: { netns } }))))
    await answers(third, '10.0.0.1')
    await megabyteEachWay(first, second, '10.0.0.2')
    const sent = (await vswitch.port(bystander?.slot ?? 0))?.stats?.txBytes ?? Number.POSITIVE_INFINITY
    assert.ok(sent < 100_000, `${sent} bytes went to a bystander`)
  }),
)

const withIptables = needs('root', 'iproute2', 'iptables') ? test : test.skip
withIptables('traffic passes with the FORWARD policy that Docker sets, which stays as it was', async () => {
  await run('iptables', ['-P', 'FORWARD', 'DROP'])
  const bridgeNetfilter = '/proc/sys/net/bridge/bridge-nf-call-iptables'
  if (existsSync(bridgeNetfilter)) writeFileSync(bridgeNetfilter, '1')
  const before = await run('iptables-save', [])
  assert.match(before, ':FORWARD DROP')
  await onBridge(2, async ({ vswitch, targets }) => {
    const ports = portsOf(await vswitch.plugAll(targets.map((netns) => ({ target: { netns } }))))
    await trafficAround(targets, ports)
    if (ports[0] !== undefined) await trafficWithHost(targets[0] ?? '', ports[0], OWN)
  })
  assert.is(withoutCounters(await run('iptables-save', [])), withoutCounters(before))
  await run('iptables', ['-P', 'FORWARD', 'ACCEPT'])
})

test.run()

/** A vswitch `br0` on 10.0.0.254/24 and so many namespaces as targets, given by their paths. */
function onBridge(targets: number, body: (laid: Laid) => Promise<void>): Promise<void> {
  return onVswitch({ targets }, body)
}

function routes(netns: string): Promise<string> {
  return inside(netns, 'ip', ['route', 'show', 'default'])
}

/** iptables-save also tells the time, and how much passed. */
function withoutCounters(rules: string): string {
  return rules.replace(/^#.*$|\[\d+:\d+\]/gm, '')
}
