import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { EcdockError } from '../../src/errors.js'
import { OpenFlowClient, type OpenFlowOptions } from '../../src/openflow/client.js'
import { managementSocket } from '../../src/openflow/management-socket.js'
import { SLOT_FLOW_COOKIE } from '../../src/openflow/own-flow.js'
import { removeSlotFlows, type SlotFlow, setSlotFlows, slotFlows } from '../../src/openflow/slot-flows.js'
import { DATAPATH } from '../support/datapath.js'
import { type PrivateOvs, startOvs } from '../support/ovs.js'
import { run, waitUntil } from '../support/process.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'

const ovsTest = needs('root', 'openvswitch') ? test : test.skip
const MAC = '52:00:0a:00:00:01'
const OTHER_MAC = '52:00:0a:00:00:02'

let ovs: PrivateOvs

test.before(async () => {
  ovs = await startOvs()
})

test.after(() => ovs.stop())

/** A bridge that has NORMAL as its one flow, as every new one. */
async function onBridge(
  action: (client: OpenFlowClient) => Promise<void>,
  options: OpenFlowOptions = {},
): Promise<void> {
  await ovs.vsctl('add-br', 'ovs0', '--', 'set', 'Bridge', 'ovs0', `datapath_type=${DATAPATH}`)
  const client = await OpenFlowClient.connect(managementSocket('ovs0', { ovsdb: ovs.ovsdb }), options)
  try {
    await action(client)
  } finally {
    await client.close()
    await ovs.vsctl('del-br', 'ovs0')
  }
}

function ofctl(...args: string[]): Promise<string> {
  return run('ovs-ofctl', ['--timeout=20', ...args], { env: ovs.env })
}

/** The flows but NORMAL, sorted, without what changes by itself. */
async function dumped(): Promise<string[]> {
  const lines = (await ofctl('--no-stats', 'dump-flows', 'ovs0')).trim().split('\n')
  return lines.map((line) => line.trim()).filter((line) => line !== '' && !line.includes('priority=0 '))
}

/** The slot flows that slots from 1 to `count` have on 10.0.0.254/16. */
function slots(count: number): SlotFlow[] {
  return Array.from({ length: count }, (_, index) => {
    const slot = index + 1
    const low = [slot >> 8, slot & 255].map((byte) => byte.toString(16).padStart(2, '0'))
    return { mac: `52:00:0a:00:${low.join(':')}`, slot }
  })
}

function none(errors: readonly (EcdockError | undefined)[]): void {
  assert.equal(
    errors.filter((error) => error !== undefined),
    [],
  )
}

ovsTest('the flows of slots are set as ecDock sets them, with our cookie, and removed', () =>
  onBridge(async (client) => {
    none(await setSlotFlows(client, slots(3)))
    const cookie = 'cookie=0x6563646b736c6f74'
    assert.equal((await dumped()).sort(), [
      `${cookie}, dl_dst=52:00:0a:00:00:01 actions=output:1`,
      `${cookie}, dl_dst=52:00:0a:00:00:02 actions=output:2`,
      `${cookie}, dl_dst=52:00:0a:00:00:03 actions=output:3`,
    ])
    assert.equal(bySlot(await slotFlows(client)), slots(3))

    none(await setSlotFlows(client, [{ mac: MAC, slot: 9 }]))
    assert.equal(bySlot(await slotFlows(client)), [...slots(3).slice(1), { mac: MAC, slot: 9 }])

    await removeSlotFlows(client, [MAC, '52:00:0a:00:00:77'])
    assert.equal(bySlot(await slotFlows(client)), slots(3).slice(1))
    await removeSlotFlows(client, 'all')
    await removeSlotFlows(client, 'all')
    assert.equal(await dumped(), [])
    assert.match(await ofctl('dump-flows', 'ovs0'), 'actions=NORMAL')
  }),
)

ovsTest('2,000 flows go behind one barrier, and all are there', () =>
  onBridge(async (client) => {
    none(await setSlotFlows(client, slots(2000)))
    assert.equal(bySlot(await slotFlows(client)), slots(2000))
    assert.is((await dumped()).length, 2000)
    const odd = slots(2000).filter(({ slot }) => slot % 2 === 1)
    await removeSlotFlows(
      client,
      odd.map(({ mac }) => mac),
    )
    assert.is((await dumped()).length, 1000)
    assert.ok((await slotFlows(client)).every(({ slot }) => slot % 2 === 0))
  }),
)

ovsTest('a flow that is not ours stays: with the same address, another priority, or another cookie', () =>
  onBridge(async (client) => {
    const foreign = [
      `cookie=0x1,priority=5,dl_dst=${MAC},actions=drop`,
      `cookie=0x2,priority=40000,dl_dst=${MAC},actions=output:7`,
      `cookie=0x3,dl_dst=${MAC},dl_type=0x806,actions=output:7`,
      `cookie=0x6563646a736c6f74,dl_dst=${OTHER_MAC},actions=output:7`,
    ]
    for (const flow of foreign) await ofctl('add-flow', 'ovs0', flow)
    const before = await dumped()
    none(await setSlotFlows(client, [{ mac: MAC, slot: 1 }]))
    assert.is((await dumped()).length, before.length + 1)
    await removeSlotFlows(client, [MAC, OTHER_MAC])
    assert.equal(await dumped(), before)
    none(await setSlotFlows(client, [{ mac: MAC, slot: 1 }]))
    await removeSlotFlows(client, 'all')
    assert.equal(await dumped(), before)
  }),
)

ovsTest('a flow of the same match and priority that is not ours is not replaced', () =>
  onBridge(async (client) => {
    await ofctl('add-flow', 'ovs0', `cookie=0x7,dl_dst=${MAC},actions=drop`)
    // Few are looked for one by one, many all together.
    for (const count of [2, 20]) {
      const [first, ...others] = await setSlotFlows(client, slots(count))
      assert.is(first?.code, 'SLOT_TAKEN')
      assert.match(
        first?.message ?? '',
        `slot 1 is taken by a flow dl_dst=${MAC},priority=32768 that is not ours`,
      )
      assert.match(first?.message ?? '', 'its cookie is 0x7')
      none(others)
      assert.equal(bySlot(await slotFlows(client)), slots(count).slice(1))
      assert.ok((await dumped()).includes(`cookie=0x7, dl_dst=${MAC} actions=drop`))
    }
    await removeSlotFlows(
      client,
      slots(20).map(({ mac }) => mac),
    )
    assert.equal(await dumped(), [`cookie=0x7, dl_dst=${MAC} actions=drop`])
  }),
)

ovsTest('Open vSwitch itself would have replaced it, even with CHECK_OVERLAP', () =>
  onBridge(async (client) => {
    await ofctl('add-flow', 'ovs0', `cookie=0x7,dl_dst=${MAC},actions=drop`)
    const add = { command: 'add', match: { dlDst: MAC }, checkOverlap: true } as const
    none(await client.apply([{ ...add, cookie: 8n }]))
    assert.equal(await dumped(), [`cookie=0x8, dl_dst=${MAC} actions=drop`])
    const [error] = await client.apply([{ ...add, match: { dlType: 0x800 } }])
    assert.match(error?.message ?? '', 'openflow flow add: OFPET_FLOW_MOD_FAILED OFPFMFC_OVERLAP')
  }),
)

ovsTest('slots that are none hear it each for itself', () =>
  onBridge(async (client) => {
    const errors = await setSlotFlows(client, [
      { mac: 'none', slot: 1 },
      { mac: MAC, slot: 0 },
      { mac: OTHER_MAC, slot: 2 },
      { mac: OTHER_MAC.toUpperCase(), slot: 3 },
    ])
    assert.equal(
      errors.map((error) => error?.code),
      ['MAC_INVALID', 'USAGE', undefined, 'MAC_TAKEN'],
    )
    assert.equal(await slotFlows(client), [{ mac: OTHER_MAC, slot: 2 }])
    await refusal(removeSlotFlows(client, ['none']), 'MAC_INVALID')
  }),
)

ovsTest('what a flow can have is taken as ovs-ofctl shows it', () =>
  onBridge(async (client) => {
    const everything = { inPort: 'LOCAL', dlSrc: OTHER_MAC, dlDst: MAC, dlVlan: 100, dlType: 0x0806 } as const
    none(
      await client.apply([
        {
          command: 'add',
          match: everything,
          priority: 7,
          cookie: 0xffffffffffffffffn,
          idleTimeout: 100,
          hardTimeout: 200,
          actions: [{ output: 1 }, { output: 'FLOOD' }, { output: 'CONTROLLER', maxLength: 64 }],
        },
        { command: 'add', match: { dlVlan: 'none' }, actions: [{ output: 'ALL' }, { output: 'IN_PORT' }] },
        { command: 'add', match: { inPort: 3 }, actions: [{ output: 'LOCAL' }, { output: 'NORMAL' }] },
      ]),
    )
    assert.equal((await dumped()).sort(), [
      'cookie=0xffffffffffffffff, idle_timeout=100, hard_timeout=200, priority=7,arp,in_port=LOCAL,dl_vlan=100,' +
        `dl_src=${OTHER_MAC},dl_dst=${MAC} actions=output:1,FLOOD,CONTROLLER:64`,
      'in_port=3 actions=LOCAL,NORMAL',
      'vlan_tci=0x0000 actions=ALL,IN_PORT',
    ])
    const [listed] = await client.flows({ dlDst: MAC })
    if (listed === undefined) throw new Error('it is not listed')
    const { ageMs, packets, bytes, ...flow } = listed
    assert.equal(flow, {
      tableId: 0,
      match: everything,
      priority: 7,
      cookie: 0xffffffffffffffffn,
      idleTimeout: 100,
      hardTimeout: 200,
      actions: [{ output: 1 }, { output: 'FLOOD' }, { output: 'CONTROLLER', maxLength: 64 }],
    })
    assert.equal([packets, bytes], [0n, 0n])
    assert.ok(ageMs < 20_000)

    none(
      await client.apply([
        { command: 'modify', match: { inPort: 3 }, actions: [{ output: 4 }] },
        { command: 'modify-strict', match: everything, priority: 7, cookie: 7n, actions: [] },
        { command: 'modify-strict', match: { dlVlan: 'none' }, priority: 1, actions: [{ output: 5 }] },
      ]),
    )
    assert.equal(
      (await dumped()).map((line) => line.replace(/.* actions=/, '')).sort(),
      ['ALL,IN_PORT', 'drop', 'output:4', 'output:5'],
      'strict takes the priority into account, and adds one when there is none',
    )

    // The Nicira match has to say the same as the standard's.
    none(
      await client.apply([
        { command: 'delete-strict', match: everything, priority: 7, cookie: 1n, cookieMask: 3n },
        { command: 'delete-strict', match: { dlVlan: 'none' }, cookie: 1n, cookieMask: 1n },
      ]),
    )
    assert.is((await dumped()).length, 4, 'of another cookie')
    none(
      await client.apply([
        { command: 'delete-strict', match: everything, priority: 7, cookie: 3n, cookieMask: 3n },
        { command: 'delete-strict', match: { dlVlan: 'none' }, cookieMask: 1n },
        { command: 'delete', match: { inPort: 3 } },
      ]),
    )
    assert.equal(await dumped(), ['priority=1,vlan_tci=0x0000 actions=output:5'])
  }),
)

ovsTest('flows of others that say more than we do are listed all the same', () =>
  onBridge(async (client) => {
    await ofctl(
      'add-flow',
      'ovs0',
      'tcp,nw_src=10.0.0.0/8,tp_dst=80,priority=9,actions=mod_vlan_vid:7,NORMAL',
    )
    await ofctl('add-flow', 'ovs0', 'table=5,reg0=1,priority=8,actions=resubmit(,6),learn(table=7)')
    const listed = (await client.flows()).filter(({ priority }) => priority > 0)
    const [ip, nicira] = listed.sort((a, b) => b.priority - a.priority)
    assert.equal(ip?.match, { dlType: 0x800, partial: true })
    assert.equal(ip?.actions, [{ type: 1, bytes: Buffer.from('00070000', 'hex') }, { output: 'NORMAL' }])
    assert.is(nicira?.tableId, 5)
    assert.ok(nicira?.actions.every((action) => 'type' in action && action.type === 0xffff))
    assert.is(nicira?.actions.length, 2)
  }),
)

ovsTest('each of many hears its own error, by the name of the standard', () =>
  onBridge(async (client) => {
    const flow = { command: 'add', match: { dlDst: MAC } } as const
    const errors = await client.apply([
      ...slots(500).map(({ mac, slot }) => ({ ...flow, match: { dlDst: mac }, actions: [{ output: slot }] })),
      { ...flow, match: {}, priority: 32768, checkOverlap: true },
      { port: 'LOCAL', hwAddr: MAC, config: { noFlood: true } },
      { port: 4711, hwAddr: MAC, config: { noFlood: true } },
      { ...flow, match: { dlDst: '52:00:0a:00:ff:02' } },
    ])
    none(errors.slice(0, 500))
    assert.equal(
      errors.slice(500).map((error) => error?.message.replace('The switch refused openflow ', '')),
      [
        'flow add: OFPET_FLOW_MOD_FAILED OFPFMFC_OVERLAP.',
        'port modify: OFPET_PORT_MOD_FAILED OFPPMFC_BAD_HW_ADDR.',
        'port modify: OFPET_PORT_MOD_FAILED OFPPMFC_BAD_PORT.',
        undefined,
      ],
    )
    assert.is((await dumped()).length, 501)
  }),
)

ovsTest('a port is kept from being flooded, as ovs-ofctl show tells, and let back', () =>
  onBridge(async (client) => {
    await ovs.vsctl(
      'add-port',
      'ovs0',
      'p7',
      '--',
      'set',
      'Interface',
      'p7',
      'type=internal',
      'ofport_request=7',
    )
    const shown = async () => /^ 7\(p7\):.*\n +config: +(.*)$/m.exec(await ofctl('show', 'ovs0'))?.[1]
    const before = await shown()
    assert.ok(before)
    none(await client.modifyPorts([{ port: 7, config: { noFlood: true } }]))
    assert.match((await shown()) ?? '', /\bNO_FLOOD\b/)
    const port = (await client.ports()).find(({ number }) => number === 7)
    assert.is(port?.name, 'p7')
    assert.is(port?.config.noFlood, true)
    assert.is(await ovs.vsctl('get', 'Interface', 'p7', 'mac_in_use'), `"${port?.hwAddr}"`)

    const errors = await client.modifyPorts([
      { port: 8, config: { noFlood: true } },
      { port: 7, config: { noFlood: false } },
    ])
    assert.match(errors[0]?.message ?? '', 'The bridge has no port 8')
    assert.is(errors[1], undefined)
    assert.is(await shown(), before)
  }),
)

ovsTest('features tell the datapath and its tables', () =>
  onBridge(async (client) => {
    const { datapathId, tables, ports, portsCut } = await client.features()
    const id = await ovs.vsctl('get', 'Bridge', 'ovs0', 'datapath_id')
    assert.is(`"${datapathId.toString(16).padStart(16, '0')}"`, id)
    assert.equal([tables, portsCut], [254, false])
    assert.equal(
      ports.map(({ number, name }) => [number, name]),
      [['LOCAL', 'ovs0']],
    )
    await client.echo()
  }),
)

ovsTest('when vswitchd is restarted the next call goes to the new one, which has none of the flows', () => {
  const lost: EcdockError[] = []
  const onLost = (error: EcdockError) => lost.push(error)
  return onBridge(
    async (client) => {
      none(await setSlotFlows(client, slots(10)))
      await ovs.killVswitchd()
      await waitUntil('it is noticed', () => !client.connected)
      assert.equal(
        lost.map(({ code }) => code),
        ['OPENFLOW_LOST'],
      )
      const error = await refusal(slotFlows(client), 'OPENFLOW_UNREACHABLE')
      assert.match(error.hint ?? '', 'Does ovs-vswitchd run')
      await ovs.startVswitchd()
      await waitUntil('the bridge is back', () =>
        client.barrier().then(
          () => true,
          () => false,
        ),
      )
      assert.equal(await slotFlows(client), [])
      none(await setSlotFlows(client, slots(10)))
      assert.equal(bySlot(await slotFlows(client)), slots(10))
    },
    { onLost },
  )
})

ovsTest('vswitchd is killed in the middle of it: who waits hears it', () =>
  onBridge(async (client) => {
    const pid = ovs.vswitchdPid
    assert.ok(pid)
    process.kill(pid, 'SIGSTOP')
    const calls = [setSlotFlows(client, slots(1000)), removeSlotFlows(client, 'all'), client.barrier()]
    const heard = Promise.all(calls.map((call) => refusal(call, 'OPENFLOW_LOST')))
    await ovs.killVswitchd()
    for (const error of await heard) assert.match(error.hint ?? '', 'may or may not have been done')
    await ovs.startVswitchd()
  }),
)

ovsTest('a vswitchd that does not answer is waited for no longer than is said, and then goes on', () =>
  onBridge(async (client) => {
    const pid = ovs.vswitchdPid
    assert.ok(pid)
    process.kill(pid, 'SIGSTOP')
    try {
      await refusal(setSlotFlows(client, slots(20), { timeoutMs: 50 }), 'TIMEOUT')
      const abort = new AbortController()
      const call = refusal(client.barrier({ signal: abort.signal }), 'CANCELLED')
      abort.abort()
      await call
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    none(await setSlotFlows(client, slots(20)))
    assert.equal(bySlot(await slotFlows(client)), slots(20))
  }),
)

ovsTest('the bridge is deleted under our feet', () =>
  onBridge(async (client) => {
    none(await setSlotFlows(client, slots(1)))
    await ovs.vsctl('del-br', 'ovs0')
    await waitUntil('it is noticed', () => !client.connected)
    await refusal(setSlotFlows(client, slots(1)), 'OPENFLOW_UNREACHABLE')
    await ovs.vsctl('add-br', 'ovs0', '--', 'set', 'Bridge', 'ovs0', `datapath_type=${DATAPATH}`)
    await waitUntil('the new one has its socket', () =>
      client.barrier().then(
        () => true,
        () => false,
      ),
    )
    assert.equal(await slotFlows(client), [])
  }),
)

ovsTest('a bridge that does not speak OpenFlow 1.0 says how to allow it', async () => {
  await ovs.vsctl(
    'add-br',
    'new',
    '--',
    'set',
    'Bridge',
    'new',
    `datapath_type=${DATAPATH}`,
    'protocols=OpenFlow13',
  )
  const path = managementSocket('new', { ovsdb: ovs.ovsdb })
  const error = await refusal(OpenFlowClient.connect(path), 'UNSUPPORTED')
  assert.match(error.message, 'does not speak OpenFlow 1.0')
  assert.match(error.hint ?? '', 'protocols')
  await ovs.vsctl('del-br', 'new')
})

ovsTest('there is no such bridge', async () => {
  const error = await refusal(
    OpenFlowClient.connect(managementSocket('none', { ovsdb: ovs.ovsdb })),
    'OPENFLOW_UNREACHABLE',
  )
  assert.is(error.errno, 'ENOENT')
  assert.match(error.message, 'none.mgmt')
})

function bySlot(flows: readonly SlotFlow[]): SlotFlow[] {
  return [...flows].sort((a, b) => a.slot - b.slot || a.mac.localeCompare(b.mac))
}

test('the cookie of slot flows can be read', () => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(SLOT_FLOW_COOKIE)
  assert.is(String(bytes), 'ecdkslot')
})

test.run()
