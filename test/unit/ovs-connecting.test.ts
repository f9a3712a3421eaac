import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { SlotFlow } from '../../src/openflow/slot-flows.js'
import type { MadePort } from '../../src/vswitch/backend.js'
import { connectsAtATime, OvsConnection } from '../../src/vswitch/ovs/connection.js'
import type { OpenVswitch } from '../../src/vswitch/ovs/open-vswitch.js'

test('a port is connected with all others, unless there are enough for two halves and few in all', () => {
  assert.is(connectsAtATime(1, 1), 1)
  assert.is(connectsAtATime(47, 1), 47)
  assert.is(connectsAtATime(48, 1), 24)
  assert.is(connectsAtATime(101, 1), 51)
  assert.is(connectsAtATime(127, 1), 64)
  assert.is(connectsAtATime(128, 1), 128)
  assert.is(connectsAtATime(60, 68), 30)
  assert.is(connectsAtATime(60, 69), 60)
})

/** An Open vSwitch that takes in all rows, and what its flows were told. */
function laid() {
  const told: string[] = []
  const noted = (what: string) => async (flows: readonly SlotFlow[]) => {
    told.push(`${what} ${flows.map(({ slot }) => slot).join()}`)
    return flows.map(() => undefined)
  }
  const flows = {
    losses: 0,
    set: noted('set'),
    remove: noted('remove'),
    confine: noted('confine'),
    setFree: async () => undefined,
  }
  const bridge = {
    uuid: '00000000-0000-4000-8000-000000000001',
    name: 'ovs0',
    ports: new Set(['other']),
    mirrors: new Set(),
    external_ids: new Map(),
  }
  const foreign = { uuid: 'port', name: 'ovs0-s2', external_ids: new Map(), interfaces: new Set() }
  const state = { bridge: true, foreign: false }
  const replica = {
    byName(table: string, name: string) {
      if (table === 'Bridge') return state.bridge ? bridge : undefined
      return table === 'Interface' ? { name, ofport: Number(name.slice(-1)) } : undefined
    },
    rows: () => (state.foreign ? [foreign] : []),
    get: () => undefined,
  }
  const ovs = {
    client: { replica, requestTimeoutMs: 1000 },
    commits: { commit: async (build: (label: string) => unknown) => build('p0_') },
    flows: () => flows,
  } as unknown as OpenVswitch
  return { told, state, connection: new OvsConnection(ovs, 'ovs0') }
}

function made(slot: number): MadePort {
  const wiring = { slot, hostIfname: `ovs0-s${slot}`, mac: `52:00:0a:00:00:0${slot}` }
  return { wiring, port: {}, ifindex: slot } as unknown as MadePort
}

const [one, two] = [made(1), made(2)]
const codes = (errors: ReadonlyMap<MadePort, { code: string }>) =>
  [one, two].map((port) => errors.get(port)?.code)

test('flows are set when a port is added, and what is cancelled then gives them back', async () => {
  const { told, connection } = laid()
  connection.add([one])
  connection.add([two])
  assert.equal(
    told.filter((what) => what.startsWith('set')),
    ['set 1', 'set 2'],
  )
  assert.equal(codes(await connection.finish(AbortSignal.abort())), ['CANCELLED', 'CANCELLED'])
  assert.is(told.at(-1), 'remove 1,2')
})

test('a slot that is somebody else’s by the time of connecting gives its flow back', async () => {
  const { told, state, connection } = laid()
  connection.add([one, two])
  state.foreign = true
  assert.equal(codes(await connection.finish(undefined)), [undefined, 'SLOT_TAKEN'])
  assert.is(told.at(-1), 'remove 2')
})

test('a slot that was somebody else’s and is free by the time of connecting has its flow, too', async () => {
  const { told, state, connection } = laid()
  state.foreign = true
  connection.add([one, two])
  state.foreign = false
  assert.equal(codes(await connection.finish(undefined)), [undefined, undefined])
  assert.equal(
    told.filter((what) => /^(set|remove) \d/.test(what)),
    ['set 1', 'set 2'],
  )
})

test('when the bridge is deleted meanwhile, all are told so', async () => {
  const { told, state, connection } = laid()
  connection.add([one, two])
  state.bridge = false
  assert.equal(codes(await connection.finish(undefined)), ['VSWITCH_NOT_FOUND', 'VSWITCH_NOT_FOUND'])
  assert.equal(
    told.filter((what) => what.startsWith('remove')),
    [],
  )
})

test.run()
