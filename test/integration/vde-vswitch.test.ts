import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Host } from '../../src/host.js'
import { connect } from '../../src/vde/connection.js'
import { VdeConsole } from '../../src/vde/console.js'
import { findSwitch } from '../../src/vde/switch-process.js'
import { inside } from '../support/netns.js'
import { type Laid, onVswitch } from '../support/on-vswitch.js'
import { assertAsIpShows, portsOf, trafficAround, trafficWithHost } from '../support/plugged.js'
import { waitUntil } from '../support/process.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { answers, megabyteEachWay, pings } from '../support/traffic.js'
import { BROADCAST, frameOf } from '../support/vde.js'
import { withHost } from '../support/world.js'

const vdeTest = needs('root', 'iproute2', 'ping', 'socat') ? test : test.skip
const OWN = { ipv4: '10.0.0.254', ipv6: '2001:db8::a00:fe' }
const HOME = '/run/ecdock-fast/vde/vde0'

vdeTest('two targets that are plugged in reach each other, and the host, at once', () =>
  onVde(2, async ({ vswitch, targets }) => {
    const [first = '', second = ''] = targets
    const one = await vswitch.plug({ netns: first }, { slot: 1 })
    const two = await vswitch.plug({ netns: second }, { slot: 2 })
    await megabyteEachWay(first, second, '10.0.0.2')
    await megabyteEachWay(second, first, '2001:db8::10.0.0.1')
    await trafficWithHost(first, one, OWN)
    assert.equal([one.slot, one.ifname, one.mac, one.hostIfname], [1, 'eth0', '52:00:0a:00:00:01', ''])
    assert.equal([two.ipv4, two.ipv6, two.gateway], ['10.0.0.2/24', '2001:db8::a00:2/64', OWN.ipv4])
    await assertAsIpShows(first, one)

    await vswitch.unplug(2)
    assert.not.ok(await pings(first, '10.0.0.2'))
    await answers(first, OWN.ipv4)
    assert.equal(
      (await vswitch.ports()).map(({ slot }) => slot),
      [1],
    )
    assert.not.match(await inside(second, 'ip', ['-br', 'link']), /eth0/)
  }),
)

vdeTest('forty are plugged in in one go, jumbo frames pass, and all are taken out in one go', () =>
  onVde(40, async ({ vswitch, targets }) => {
    const plugged = portsOf(await vswitch.plugAll(targets.map((netns) => ({ target: { netns }, mtu: 9000 }))))
    assert.equal(
      plugged.map(({ slot }) => slot),
      targets.map((_, at) => at + 1),
    )
    await inside(targets[0] ?? '', 'ping', ['-n', '-q', '-c1', '-W5', '-Mdo', '-s', '8972', '10.0.0.40'])
    await trafficAround(targets.slice(0, 3), plugged.slice(0, 3))
    const read = await vswitch.ports()
    assert.equal(
      read.map(({ slot, target, mtu, state, ifname }) => [slot, target, mtu, state, ifname]),
      plugged.map(({ slot, target }) => [slot, target, 9000, 'up', 'eth0']),
    )
    assert.ok((read[0]?.stats?.rxPackets ?? 0) > 0)
    const outcomes = await vswitch.unplugAll([...plugged.map(({ slot }) => slot), 77])
    assert.equal(
      outcomes.flatMap((outcome) => (outcome.ok ? [] : [outcome.slot, outcome.error.code])),
      [77, 'SLOT_EMPTY'],
    )
    assert.equal(await vswitch.ports(), [])
  }),
)

vdeTest('a slot that is taken, by a target or by a client of the switch, is told by whom', () =>
  onVde(2, async ({ host, vswitch, targets }) => {
    const [first = '', second = ''] = targets
    await vswitch.plug({ netns: first }, { slot: 1 })
    const taken = await refusal(vswitch.plug({ netns: second }, { slot: 1 }), 'SLOT_TAKEN')
    assert.match(taken.message, /netns:.*\(eth0\)/)
    const { socketDir, own, pid } = await host.vdeSockets(vswitch.name)
    assert.equal([socketDir, own], [join(HOME, 'sock'), true])
    assert.ok((pid ?? 0) > 0)
    const guest = await connect(socketDir, { port: 2, description: 'a guest' })
    guest.on('error', () => {}) // When the test fails, the switch ends first.
    assert.match(
      (await refusal(vswitch.plug({ netns: second }, { slot: 2 }), 'SLOT_TAKEN')).message,
      /a guest/,
    )
    // The targets that lost are as they were, and the next free slot is the third.
    assert.not.match(await inside(second, 'ip', ['-br', 'link']), /eth/)
    assert.is((await vswitch.plug({ netns: second })).slot, 3)

    guest.send(frameOf(BROADCAST, '52:00:0a:00:00:02', 'x'.repeat(46)))
    const opened = await VdeConsole.open(join(HOME, 'mgmt'))
    await waitUntil('the switch knows the guest', async () =>
      (await opened.hash()).some(({ mac, port }) => mac === '52:00:0a:00:00:02' && port === 2),
    )
    await opened.close()
    await guest.close()
  }),
)

vdeTest('after the switch was killed its ports are down, and the next plug brings all of it back', () =>
  onVde(3, async ({ host, vswitch, targets }) => {
    const [first = '', second = '', third = ''] = targets
    await vswitch.plugAll([{ target: { netns: first } }, { target: { netns: second } }])
    const { pid = 0 } = await host.vdeSockets(vswitch.name)
    process.kill(pid, 'SIGKILL')
    await waitUntil('it is gone', async () => (await findSwitch(join(HOME, 'control'))) === undefined)
    assert.equal(
      (await vswitch.ports()).map(({ slot, state }) => [slot, state]),
      [
        [1, 'down'],
        [2, 'down'],
      ],
    )
    await vswitch.plug({ netns: third }, { slot: 3 })
    await trafficAround(targets, await vswitch.ports())
    await answers(first, OWN.ipv4)
    assert.is((await vswitch.ports()).filter(({ state }) => state === 'up').length, 3)

    process.kill((await host.vdeSockets(vswitch.name)).pid ?? 0, 'SIGKILL')
    await waitUntil('it is gone', async () => (await findSwitch(join(HOME, 'control'))) === undefined)
    // Without a switch process they are found by their marks.
    await vswitch.unplug(3)
    const report = await host.cleanup()
    assert.equal(
      report.removed.map(({ kind, name }) => [kind, name]),
      [['process', 'vde0']],
    )
    await megabyteEachWay(first, second, '10.0.0.2')
  }),
)

vdeTest(
  'a target that has ended leaves a ghost, whose slot can be used again, and which cleanup removes',
  () =>
    onVde(1, async ({ host, vswitch, targets, startProcess }) => {
      const [one, two] = [await startProcess(), await startProcess()]
      await vswitch.plugAll([one, two].map(({ pid }) => ({ target: { pid } })))
      await Promise.all([one.stop(), two.stop()])
      assert.equal(
        (await vswitch.ports()).map(({ slot, state }) => [slot, state]),
        [
          [1, 'ghost'],
          [2, 'ghost'],
        ],
      )
      await refusal(vswitch.plug({ pid: one.pid }), 'TARGET_NOT_FOUND')
      const again = await vswitch.plug({ netns: targets[0] ?? '' })
      await trafficWithHost(targets[0] ?? '', again, OWN)
      assert.is(again.slot, 1)
      const report = await host.cleanup()
      assert.equal(
        report.removed.map(({ kind, name }) => [kind, name]),
        [['port', 'vde0-s2']],
      )
      await refusal(vswitch.unplug(2), 'SLOT_EMPTY')
    }),
)

vdeTest('a plug that cannot be finished leaves nothing, in the target or at the switch', () =>
  onVde(1, async ({ vswitch, targets }) => {
    const [netns = ''] = targets
    const routes = [{ to: '10.9.0.0/16', via: '10.77.0.1' }]
    await refusal(vswitch.plug({ netns }, { slot: 1, routes }), 'KERNEL')
    assert.equal(await vswitch.ports(), [])
    assert.not.match(await inside(netns, 'ip', ['-br', 'link']), /eth/)
    await refusal(vswitch.plug({ netns }, { vlan: 7 }), 'UNSUPPORTED')
    assert.is((await vswitch.plug({ netns })).slot, 1)
  }),
)

vdeTest('what a plug would do is shown', () =>
  onVde(1, async ({ vswitch, targets }) => {
    const [netns = ''] = targets
    const lines = await vswitch.explain({ netns }, { slot: 5 })
    const name = netns.slice('/run/netns/'.length)
    assert.ok(lines.includes(`ip -n ${name} tuntap add mode tap vnet_hdr name eth0`))
    assert.ok(lines.includes('# open "eth0" there, and hand it over for port 5 of the switch'))
    assert.equal(await vswitch.ports(), [])
  }),
)

vdeTest('a directory that is no switch is refused with its reason, and leaves nothing', () =>
  withHost(async (host) => {
    const home = mkdtempSync(join(tmpdir(), 'vde-none-'))
    const asked = (socketDir: string) =>
      host.createVswitch({ name: 'vde0', kind: 'vde', subnet: '10.0.0.254/24', socketDir })
    try {
      assert.match((await refusal(asked(join(home, 'no')), 'VDE_UNREACHABLE')).message, /no such directory/)
      assert.match((await refusal(asked(home), 'VDE_UNREACHABLE')).message, /no socket ctl/)
      writeFileSync(join(home, 'ctl'), '')
      assert.match((await refusal(asked(home), 'VDE_UNREACHABLE')).message, /no socket/)
      assert.match((await refusal(asked(`/${'d'.repeat(100)}`), 'USAGE')).message, /bytes/)
      await refusal(asked('run/vde'), 'USAGE')
      const other = host.createVswitch({ name: 'br0', subnet: '10.0.0.254/24', socketDir: home })
      await refusal(other, 'UNSUPPORTED')
    } finally {
      rmSync(home, { recursive: true })
    }
  }),
)

vdeTest('a name is taken once, and what a crash left of a creation is removed', () =>
  onVde(0, async ({ host }) => {
    const again = { name: 'vde0', kind: 'vde', subnet: '10.1.0.254/24' } as const
    await refusal(host.createVswitch(again), 'VSWITCH_EXISTS')
    await refusal(host.createVswitch({ ...again, kind: 'bridge' }), 'VSWITCH_EXISTS')
    assert.equal(
      (await host.vswitches()).map(({ name, kind, subnet }) => [name, kind, subnet]),
      [['vde0', 'vde', '10.0.0.254/24']],
    )
    assert.is(JSON.parse(readFileSync(join(HOME, 'vswitch.json'), 'utf8')).subnet, '10.0.0.254/24')

    mkdirSync('/run/ecdock-fast/vde/vde1')
    await refusal(host.vswitch('vde1'), 'VSWITCH_NOT_FOUND')
    const report = await host.cleanup()
    assert.equal(
      report.removed.map(({ kind, name }) => [kind, name]),
      [['vswitch', 'vde1']],
    )
    assert.not(existsSync('/run/ecdock-fast/vde/vde1'))
  }),
)

vdeTest('what somebody else keeps where vswitches have their files is left alone', () =>
  onVde(0, async ({ host }) => {
    const foreign = ['letters/thesis.tex', '.git/config', 'vde2/sock/notes', 'vde0/notes']
    for (const file of foreign) {
      const path = join(HOME, '..', file)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, 'mine')
    }
    assert.equal((await host.cleanup()).removed, [])
    await host.deleteVswitch('vde0')
    for (const file of foreign) assert.is(readFileSync(join(HOME, '..', file), 'utf8'), 'mine')
    rmSync(join(HOME, '..'), { recursive: true })
    await host.createVswitch({ name: 'vde0', kind: 'vde', subnet: '10.0.0.254/24' })
  }),
)

vdeTest('a target whose path is too long for the label of its port is refused, and the others are not', () =>
  onVde(1, async ({ vswitch, targets }) => {
    const [netns = ''] = targets
    const long = join(mkdtempSync(join(tmpdir(), 'vde-long-')), 'ü'.repeat(120))
    mkdirSync(long)
    symlinkSync(netns, join(long, 'ns'))
    try {
      const [refused, plugged] = await vswitch.plugAll([
        { target: { netns: join(long, 'ns') } },
        { target: { netns } },
      ])
      assert.ok(refused?.ok === false && plugged?.ok === true)
      assert.is(refused.error.code, 'TARGET_INVALID')
      assert.match(refused.error.message, /too long for a vswitch of kind vde: 7\d\d bytes/)
      await refusal(vswitch.plug({ netns: join(long, 'ns') }, { slot: 2 }), 'TARGET_INVALID')
    } finally {
      rmSync(dirname(long), { recursive: true })
    }
  }),
)

vdeTest('two processes can start the switch again at the same time', () =>
  onVde(2, async ({ host, vswitch, targets }) => {
    const { pid = 0 } = await host.vdeSockets(vswitch.name)
    process.kill(pid, 'SIGKILL')
    const outcomes = await Promise.all(
      targets.map(async (netns, at) => (await same(host)).plug({ netns }, { slot: at + 1 })),
    )
    await trafficAround(targets, outcomes)
  }),
)

const same = (host: Host) => host.vswitch('vde0')

function onVde(count: number, body: (laid: Laid) => Promise<void>): Promise<void> {
  return onVswitch({ targets: count, create: { name: 'vde0', kind: 'vde' } }, body)
}

test.run()
