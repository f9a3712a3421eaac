import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { joinInsertions } from '../../src/ovsdb/joining.js'
import { comment, insert, mutate, type Operation, rowIs, wait } from '../../src/ovsdb/operations.js'
import { named, type Uuid } from '../../src/ovsdb/value.js'

const [OVS0, OVS1] = [
  '00000000-0000-4000-8000-000000000001',
  '00000000-0000-4000-8000-000000000002',
] as Uuid[]

const port = (name: string) => insert('Port', { name }, name)
const into = (bridge: Uuid | undefined, ...names: string[]) =>
  mutate('Bridge', rowIs(bridge as Uuid), { ports: { insert: names.map((name) => named(name)) } })

test('what is inserted into one set of one row is one mutation, behind all that it refers to', () => {
  const { operations, places } = joinInsertions([
    port('a'),
    into(OVS0, 'a'),
    port('b'),
    into(OVS0, 'b'),
    comment('c'),
    port('d'),
    into(OVS0, 'd', 'e'),
    port('e'),
  ])
  assert.equal(operations, [
    port('a'),
    port('b'),
    comment('c'),
    port('d'),
    into(OVS0, 'a', 'b', 'd', 'e'),
    port('e'),
  ])
  assert.equal(places, [0, 4, 1, 4, 2, 3, 4, 5])
})

test('what is inserted twice is in the set once', () => {
  const { operations, places } = joinInsertions([into(OVS0, 'a', 'b'), into(OVS0, 'b', 'c')])
  assert.equal(operations, [into(OVS0, 'a', 'b', 'c')])
  assert.equal(places, [0, 0])
})

const row = rowIs(OVS0 as Uuid)
const apart: Record<string, Operation[]> = {
  'other rows': [into(OVS0, 'a'), into(OVS1, 'b'), into(OVS0, 'c')],
  'other columns': [
    into(OVS0, 'a'),
    mutate('Bridge', row, { mirrors: { insert: [named('m')] } }),
    into(OVS0, 'c'),
  ],
  deletions: [
    mutate('Bridge', row, { ports: { delete: [] } }),
    mutate('Bridge', row, { ports: { delete: [] } }),
  ],
  'deletions among insertions': [
    mutate('Bridge', row, { ports: { delete: [OVS1 as Uuid], insert: [named('a')] } }),
    mutate('Bridge', row, { ports: { delete: [OVS1 as Uuid], insert: [named('b')] } }),
  ],
  maps: [
    mutate('Bridge', row, { external_ids: { insert: { a: '1' } } }),
    mutate('Bridge', row, { external_ids: { insert: { a: '2' } } }),
  ],
  numbers: [
    mutate('Open_vSwitch', [], { next_cfg: { add: 1 } }),
    mutate('Open_vSwitch', [], { next_cfg: { add: 1 } }),
  ],
  'what looks at the table between them': [
    into(OVS0, 'a'),
    wait('Bridge', row, '==', ['name'], [{ name: 'ovs0' }]),
    into(OVS0, 'b'),
  ],
}

for (const [what, operations] of Object.entries(apart)) {
  test(`kept apart: ${what}`, () => {
    assert.equal(joinInsertions(operations), { operations, places: operations.map((_, at) => at) })
  })
}

test.run()
