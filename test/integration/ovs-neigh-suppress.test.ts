/** What neighbours ask each other on a vswitch that suppresses it, and on one that does not: who hears it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Host } from '../../src/host.js'
import type { Vswitch } from '../../src/vswitch/vswitch.js'
import { USERMODE } from '../support/datapath.js'
import { inside } from '../support/netns.js'
import { onOwnOvs } from '../support/on-own-ovs.js'
import type { PrivateOvs } from '../support/ovs.js'
import { OVS_TIMEOUT_MS, patience } from '../support/patience.js'
import { portsOf } from '../support/plugged.js'
import { run, waitUntil } from '../support/process.js'
import { needs } from '../support/requirements.js'
import { answers, megabyteEachWay, pings } from '../support/traffic.js'

const ovsTest = needs('root', 'openvswitch', 'iproute2', 'ping', 'tcpdump', 'socat') ? test : test.skip
const target = (number: number) => ({ netns: `/run/netns/target${number}` })
const ANY_OF_OURS = 'cookie=0x6563646b00000000/0xffffffff00000000'
const ARP_FOR_2 = /Request who-has 10\.0\.0\.2 /
const SOLICITED_2 = /neighbor solicitation, who has (2001:db8::a00:2|fe80::5000:aff:fe00:2)/
const TO_ROUTERS =
  'priority=32766,icmp6,vlan_tci=0x0000,dl_dst=33:33:00:00:00:02,icmp_type=133 actions=LOCAL,output:65261'
/** Of slot 1. */
const ROUTER_SOLICITED = /^.* 52:00:0a:00:00:01 > .*router solicitation/m
const REPORTED = /^.* 52:00:0a:00:00:01 > 33:33:00:00:00:16.*multicast listener report/m

let ovs: PrivateOvs

ovsTest(
  'with it, a third hears none of what two others ask for each other, and all passes between the two',
  () =>
    onOvs(3, true, async (vswitch, host) => {
      assert.ok(vswitch.neighSuppress)
      await plugThree(vswitch)
      const lines = await listening(3, async () => {
        await megabyteEachWay(target(1).netns, target(2).netns, '10.0.0.2')
        await megabyteEachWay(target(1).netns, target(2).netns, '2001:db8::a00:2')
        await answers(target(1).netns, '10.0.0.2')
        await answers(target(2).netns, '10.0.0.1')
        await answers(target(1).netns, 'fe80::5000:aff:fe00:2%eth0')
        // The interfaces come up anew, and say what they say then.
        for (const change of ['down', 'up'])
          await inside(target(1).netns, 'ip', ['link', 'set', 'eth0', change])
        await heardByHost(ROUTER_SOLICITED)
      })
      for (const pattern of [ARP_FOR_2, SOLICITED_2, ROUTER_SOLICITED, REPORTED]) {
        assert.not.match(lines, pattern)
      }
      assert.ok((await host.vswitch('ovs0')).neighSuppress)
      assert.match(
        await ovs.vsctl('get', 'Bridge', 'ovs0', 'external_ids'),
        'ecdock-fast-neigh-suppress="true"',
      )
    }),
)

ovsTest('without it, the third hears the questions; on the userspace datapath not those for routers', () =>
  onOvs(3, false, async (vswitch) => {
    assert.not(vswitch.neighSuppress)
    await plugThree(vswitch)
    const lines = await listening(3, async () => {
      await answers(target(1).netns, '10.0.0.2')
      await answers(target(1).netns, '2001:db8::a00:2')
      for (const change of ['down', 'up'])
        await inside(target(1).netns, 'ip', ['link', 'set', 'eth0', change])
      await heardByHost(ROUTER_SOLICITED)
    })
    for (const pattern of [ARP_FOR_2, SOLICITED_2, REPORTED]) assert.match(lines, pattern)
    if (USERMODE) assert.not.match(lines, ROUTER_SOLICITED)
    else assert.match(lines, ROUTER_SOLICITED)
    assert.equal(await flows(), [
      ...[1, 2, 3].map((slot) => `dl_dst=52:00:0a:00:00:0${slot} actions=output:${slot}`),
      ...(USERMODE ? [TO_ROUTERS] : []),
    ])
  }),
)

ovsTest("with it, announcements, other broadcasts and addresses that are no slot's are heard by all", () =>
  onOvs(3, true, async (vswitch) => {
    await plugThree(vswitch)
    // The same solicited-node group as that of slot 2.
    await inside(target(3).netns, 'ip', ['address', 'add', 'fd00::2/64', 'dev', 'eth0', 'nodad'])
    await inside(target(1).netns, 'ip', ['address', 'add', 'fd00::1/64', 'dev', 'eth0', 'nodad'])
    await inside(target(3).netns, 'ip', ['address', 'add', '10.0.0.200/24', 'dev', 'eth0'])
    const lines = await listening(3, async () => {
      await vswitch.unplug(1)
      await vswitch.plug(target(1), { slot: 1, announce: true })
      await answers(target(1).netns, '10.0.0.200')
      await inside(target(1).netns, 'ip', ['address', 'add', 'fd00::1/64', 'dev', 'eth0', 'nodad'])
      await answers(target(1).netns, 'fd00::2')
    })
    assert.match(lines, /Request who-has 10\.0\.0\.1 .*tell 10\.0\.0\.1,/)
    assert.match(lines, /neighbor advertisement, tgt is 2001:db8::a00:1/)
    assert.match(lines, /Request who-has 10\.0\.0\.200 /)
  }),
)

ovsTest("the switch's own addresses are found from each slot, and the slots by the host", () =>
  onOvs(3, true, async (vswitch) => {
    await plugThree(vswitch)
    const lines = await listening(3, async () => {
      for (const address of ['10.0.0.254', '2001:db8::a00:fe', 'fe80::5000:aff:fe00:fe%eth0']) {
        await answers(target(1).netns, address)
      }
      for (const address of ['10.0.0.2', '2001:db8::a00:2', 'fe80::5000:aff:fe00:2%ovs0']) {
        await answers('', address)
      }
      await megabyteEachWay(target(1).netns, '', '10.0.0.254')
    })
    // On the userspace datapath the host's ends of the pairs answer ARP, too; what goes to their MACs is nobody's here.
    const foreign = /who-has|who has| > 52:00:0a:00:00:(fe|01|02)/
    assert.equal(
      lines.split('\n').filter((line) => foreign.test(line)),
      [],
    )
  }),
)

ovsTest(
  'a slot with another MAC is found by it, and its VLAN and a second interface take the flows away',
  () =>
    onOvs(4, true, async (vswitch) => {
      // Its solicited-node group is that of slot 2.
      const mac = '02:00:00:00:00:02'
      portsOf(
        await vswitch.plugAll([
          { target: target(1), slot: 1, mac },
          { target: target(2), slot: 2 },
          { target: target(3), slot: 3, vlan: 10 },
          { target: target(4), slot: 4, dualNic: true },
        ]),
      )
      for (const address of ['10.0.0.1', '2001:db8::a00:1', 'fe80::ff:fe00:2%eth0']) {
        await answers(target(2).netns, address)
      }
      for (const address of ['10.0.0.2', '2001:db8::a00:2', 'fe80::5000:aff:fe00:2%eth0']) {
        await answers(target(1).netns, address)
      }
      const both = await flows()
      assert.is(flowsTo(both, 1), 4, both.join('\n'))
      assert.is(flowsTo(both, 2), 4)
      assert.is(flowsTo(both, 3), 0)
      assert.is(flowsTo(both, 4), 1)
      await vswitch.unplug(1)
      await vswitch.plug(target(1), { slot: 1 })
      assert.not.ok((await flows()).some((flow) => flow.includes(mac) || flow.includes('fe80::ff:fe00:2')))
      assert.is(flowsTo(await flows(), 1), 4)
      await vswitch.unplug(1)
      await vswitch.plug(target(1), { slot: 1, vlan: 10 })
      assert.is(flowsTo(await flows(), 1), 0)
      assert.not.ok((await flows()).some((flow) => flow.includes('10.0.0.1 ')))
      await answers(target(1).netns, '10.0.0.3')
      assert.not.ok(await pings(target(1).netns, '10.0.0.2'))
    }),
)

ovsTest('the flows come back after a restart of ovs-vswitchd, and go when the slots are released', () =>
  onOvs(3, true, async (vswitch) => {
    await vswitch.reserve([1])
    await vswitch.plug(target(1), { slot: 1 })
    await vswitch.plug(target(2), { slot: 2 })
    const before = await flows()
    assert.is(before.length, 9 + 2 * 5, before.join('\n'))
    for (const how of ['restart', 'del-flows']) {
      if (how === 'restart') await ovs.restartVswitchd('ovs0')
      else await ofctl('del-flows', 'ovs0', ANY_OF_OURS)
      assert.equal(await flows(), [])
      const other = await Host.open({ ovsdb: ovs.ovsdb, ovsTimeoutMs: OVS_TIMEOUT_MS })
      try {
        const again = await other.vswitch('ovs0')
        await again.plug(target(3), { slot: 3 })
        assert.is((await flows()).length, before.length + 5)
        await again.unplug(3)
        await again.release([3])
      } finally {
        await other.close()
      }
      assert.equal(await flows(), before)
    }
    await megabyteEachWay(target(1).netns, target(2).netns, '10.0.0.2')
    await vswitch.unplugAll([1, 2])
    assert.equal(await flows(), before)
    await vswitch.release()
    assert.is((await flows()).length, 9)
  }),
)

ovsTest('a flow in the same place that is not ours stays, and the slot hears of it', () =>
  onOvs(1, true, async (vswitch) => {
    const place =
      'priority=32766,icmp6,dl_vlan=0xffff,dl_dst=33:33:ff:00:00:01,icmp_type=135,nd_target=2001:db8::a00:1'
    await ofctl('add-flow', 'ovs0', `cookie=0x7,${place},actions=drop`)
    const [outcome] = await vswitch.plugAll([{ target: target(1), slot: 1 }])
    assert.is(outcome?.ok === false && outcome.error.code, 'SLOT_TAKEN')
    assert.match(await ofctl('dump-flows', 'ovs0', 'cookie=0x7/-1'), /actions=drop/)
    await ofctl('del-flows', 'ovs0', 'cookie=0x7/-1')
    await vswitch.plug(target(1), { slot: 1 })
  }),
)

ovsTest('--explain shows commands that set the same flows', () =>
  onOvs(1, true, async (vswitch) => {
    const commands = (await vswitch.explain(target(1), { slot: 1 })).filter((line) =>
      line.includes('add-flow'),
    )
    for (const command of commands) {
      const [program = '', ...args] = command.split(' ')
      await run(program, args, { env: ovs.env })
    }
    const explained = await flows()
    await ofctl('del-flows', 'ovs0', ANY_OF_OURS)
    await vswitch.plug(target(1), { slot: 1 })
    assert.equal(await flows(), explained)
    await vswitch.unplug(1)
    const confining = await vswitch.explain(target(1), { slot: 1, vlan: 10 })
    assert.is(confining.filter((line) => line.includes('del-flows')).length, 5, confining.join('\n'))
  }),
)

test.run()

async function plugThree(vswitch: Vswitch): Promise<void> {
  portsOf(await vswitch.plugAll([1, 2, 3].map((slot) => ({ target: target(slot), slot }))))
}

function onOvs(
  targets: number,
  neighSuppress: boolean,
  body: (vswitch: Vswitch, host: Host) => Promise<void>,
): Promise<void> {
  return onOwnOvs({ targets, create: { neighSuppress } }, (laid) => {
    ovs = laid.ovs
    return body(laid.vswitch, laid.host)
  })
}

/** What tcpdump shows of all that a target gets while `action` runs, up to a broadcast that comes behind it. */
async function listening(number: number, action: () => Promise<void>): Promise<string> {
  const { netns } = target(number)
  const args = [
    '-Z',
    'root',
    '--immediate-mode',
    '-l',
    '-n',
    '-e',
    '-Q',
    'in',
    '-i',
    'eth0',
    'ether[6:4] == 0x52000a00',
  ]
  const child = spawn('nsenter', [`--net=${netns}`, '--', 'tcpdump', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'close')
  let lines = ''
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    lines += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  try {
    await waitUntil('tcpdump listens', () => said.includes('listening on'))
    await action()
    // Nobody has it, so all are asked.
    await waitUntil('the last question is heard', async () => {
      await pings(target(1).netns, '10.0.0.77')
      return lines.includes('who-has 10.0.0.77 ')
    })
    return lines.replaceAll(/.*who-has 10\.0\.0\.77 .*\n/g, '')
  } finally {
    child.kill('SIGKILL')
    await ended
  }
}

async function heardByHost(pattern: RegExp): Promise<void> {
  const args = [
    '-Z',
    'root',
    '--immediate-mode',
    '-l',
    '-n',
    '-e',
    '-c',
    '1',
    '-i',
    'ovs0',
    'ether src 52:00:0a:00:00:01 and icmp6 and ip6[40] == 133',
  ]
  assert.match(await run('tcpdump', args, { timeoutMs: patience(15_000) }), pattern)
}

function ofctl(...args: string[]): Promise<string> {
  return run('ovs-ofctl', args, { env: ovs.env })
}

/** Our flows, without what is counted, sorted. */
async function flows(): Promise<string[]> {
  const lines = (await ofctl('--no-names', '--no-stats', 'dump-flows', 'ovs0', ANY_OF_OURS)).split('\n')
  const found = lines.filter((line) => line.includes('actions='))
  return found.map((line) => line.trim().replace(/^cookie=\w+, /, '')).sort()
}

/** How many flows lead to this port alone. */
function flowsTo(all: readonly string[], slot: number): number {
  return all.filter((flow) => flow.endsWith(`actions=output:${slot}`)).length
}
