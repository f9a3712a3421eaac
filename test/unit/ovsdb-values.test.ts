import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { EcdockError } from '../../src/errors.js'
import { nextRow } from '../../src/ovsdb/row-update.js'
import {
  type Atom,
  applyDifference,
  type ColumnType,
  decodeValue,
  defaultValue,
  encodeValue,
  named,
  uuid,
} from '../../src/ovsdb/value.js'

const ID = uuid('550e8400-e29b-41d4-a716-446655440000')
const OTHER = uuid('00000000-0000-4000-8000-000000000001')

const INTEGER: ColumnType = { shape: 'scalar', key: 'integer' }
const TEXT: ColumnType = { shape: 'scalar', key: 'string' }
const TAG: ColumnType = { shape: 'optional', key: 'integer' }
const TRUNKS: ColumnType = { shape: 'set', key: 'integer' }
const PORTS: ColumnType = { shape: 'set', key: 'uuid' }
const IDS: ColumnType = { shape: 'map', key: 'string', value: 'string' }
const QUEUES: ColumnType = { shape: 'map', key: 'integer', value: 'uuid' }

function codeOf(action: () => unknown): string {
  try {
    action()
    return 'none'
  } catch (error) {
    return (error as EcdockError).code
  }
}

test('values are written as RFC 7047 section 5.1 has them', () => {
  assert.is(encodeValue(TEXT, 'ovs0'), 'ovs0')
  assert.is(encodeValue(TAG, 12), 12)
  assert.equal(encodeValue(TAG, undefined), ['set', []])
  assert.equal(encodeValue(TRUNKS, [1, 2]), ['set', [1, 2]])
  assert.equal(encodeValue(TRUNKS, new Set([3])), ['set', [3]])
  assert.equal(encodeValue(PORTS, [ID, named('port')]), [
    'set',
    [
      ['uuid', ID],
      ['named-uuid', 'port'],
    ],
  ])
  assert.equal(encodeValue(IDS, { a: '1', __proto__x: '2' }), [
    'map',
    [
      ['a', '1'],
      ['__proto__x', '2'],
    ],
  ])
  assert.equal(encodeValue(IDS, new Map([['a', '1']])), ['map', [['a', '1']]])
  assert.equal(encodeValue(QUEUES, { 7: ID }), ['map', [[7, ['uuid', ID]]]])
})

test('values that a column cannot hold are refused before they are sent', () => {
  for (const [column, value] of [
    [TEXT, 1],
    [TEXT, 'nul \0'],
    [TEXT, 'half a pair \udc00'],
    [TEXT, undefined],
    [INTEGER, 1.5],
    [INTEGER, 2 ** 53],
    [INTEGER, Number.NaN],
    [TAG, '12'],
    [TAG, null],
    [TRUNKS, 5],
    [TRUNKS, ['1']],
    [PORTS, ['ovs0']],
    [PORTS, [{ namedUuid: 'no name' }]],
    [IDS, 'a=b'],
    [IDS, { a: 1 }],
  ] as const) {
    assert.is(
      codeOf(() => encodeValue(column, value)),
      'USAGE',
      JSON.stringify(value),
    )
  }
  assert.is(
    codeOf(() => uuid('550E8400')),
    'USAGE',
  )
  assert.is(
    codeOf(() => named('1st')),
    'USAGE',
  )
})

test('received values are read, a set of one element also without its brackets', () => {
  assert.is(decodeValue(TAG, 12), 12)
  assert.is(decodeValue(TAG, ['set', [12]]), 12)
  assert.is(decodeValue(TAG, ['set', []]), undefined)
  assert.equal(decodeValue(TRUNKS, 7), new Set([7]))
  assert.equal(decodeValue(PORTS, ['uuid', ID]), new Set([ID]))
  assert.equal(
    decodeValue(PORTS, [
      'set',
      [
        ['uuid', ID],
        ['uuid', OTHER],
      ],
    ]),
    new Set([ID, OTHER]),
  )
  assert.equal(decodeValue(IDS, ['map', [['a', 'b']]]), new Map([['a', 'b']]))
})

test('received values of another type are refused', () => {
  for (const [column, json] of [
    [TEXT, 1],
    [TEXT, null],
    [TEXT, ['set', ['a']]],
    [INTEGER, '1'],
    [TAG, ['set', [1, 2]]],
    [TAG, ['set', 1]],
    [TRUNKS, ['set', ['a']]],
    [TRUNKS, ['map', []]],
    [PORTS, ['uuid', 'x']],
    [PORTS, ['uuid', ID, ID]],
    [IDS, ['set', []]],
    [IDS, ['map', [['a']]]],
    [IDS, { a: 'b' }],
  ] as const) {
    assert.is(
      codeOf(() => decodeValue(column, json)),
      'OVSDB_PROTOCOL',
      JSON.stringify(json),
    )
  }
})

test('a difference takes away what is there and brings what is not', () => {
  assert.equal(applyDifference(TRUNKS, new Set([1, 2]), ['set', [2, 3]]), new Set([1, 3]))
  assert.equal(applyDifference(TRUNKS, new Set([1]), 1), new Set())
  const before = new Map([
    ['go', '1'],
    ['change', '1'],
    ['stay', '1'],
  ])
  const difference = [
    'map',
    [
      ['go', '1'],
      ['change', '2'],
      ['come', '1'],
    ],
  ]
  assert.equal(
    applyDifference(IDS, before, difference),
    new Map([
      ['change', '2'],
      ['stay', '1'],
      ['come', '1'],
    ]),
  )
  assert.is(before.size, 3, 'the old value is not touched')
})

test('a column that holds at most one element gets its new value', () => {
  assert.is(applyDifference(TAG, 5, 6), 6)
  assert.is(applyDifference(TAG, 5, ['set', []]), undefined)
  assert.is(applyDifference(TEXT, 'a', 'b'), 'b')
})

test('the difference of two sets or maps leads from one to the other', () => {
  const numbers = fc.uniqueArray(fc.integer())
  fc.assert(
    fc.property(numbers, numbers, (from, to) => {
      const difference = [...from.filter((n) => !to.includes(n)), ...to.filter((n) => !from.includes(n))]
      assert.equal(applyDifference(TRUNKS, new Set(from), ['set', difference]), new Set(to))
    }),
  )
  const dictionary = fc.dictionary(fc.string({ maxLength: 2 }), fc.string({ maxLength: 1 }))
  const sorted = (map: unknown) => [...(map as Map<Atom, Atom>)].sort()
  fc.assert(
    fc.property(dictionary, dictionary, (from, to) => {
      const gone = Object.entries(from).filter(([key]) => !Object.hasOwn(to, key))
      const new_ = Object.entries(to).filter(
        ([key, value]) => !Object.hasOwn(from, key) || from[key] !== value,
      )
      const result = applyDifference(IDS, new Map(Object.entries(from)), ['map', [...gone, ...new_]])
      assert.equal(sorted(result), sorted(new Map(Object.entries(to))))
    }),
  )
})

const COLUMNS = [
  { name: 'name', type: TEXT },
  { name: 'tag', type: TAG },
  { name: 'trunks', type: TRUNKS },
]
const ROW = { uuid: ID, name: 'p1', tag: 5, trunks: new Set([1]) }

test('an inserted row holds the default where nothing was said', () => {
  assert.equal(nextRow('update2', ID, COLUMNS, undefined, { insert: { name: 'p1' } }), {
    uuid: ID,
    name: 'p1',
    tag: undefined,
    trunks: new Set(),
  })
  assert.equal(nextRow('update2', ID, COLUMNS, undefined, { initial: {} })?.name, '')
  assert.equal(defaultValue({ shape: 'scalar', key: 'boolean' }), false)
})

test('a modified row keeps the columns that nothing was said about', () => {
  const row = nextRow('update2', ID, COLUMNS, ROW, { modify: { trunks: ['set', [1, 2]] } })
  assert.equal(row, { ...ROW, trunks: new Set([2]) })
  assert.equal(ROW.trunks, new Set([1]))
})

test('the update of RFC 7047 brings whole rows', () => {
  const change = { old: { tag: 5 }, new: { name: 'p1', tag: ['set', []], trunks: 3 } }
  assert.equal(nextRow('update', ID, COLUMNS, ROW, change), { ...ROW, tag: undefined, trunks: new Set([3]) })
  assert.is(nextRow('update', ID, COLUMNS, ROW, { old: {} }), undefined)
})

test('a deleted row is gone, and a row that is not known cannot be modified', () => {
  assert.is(nextRow('update2', ID, COLUMNS, ROW, { delete: null }), undefined)
  for (const change of [{ modify: {} }, {}, null, [], 'delete', { insert: 5 }]) {
    assert.is(
      codeOf(() => nextRow('update2', ID, COLUMNS, undefined, change)),
      'OVSDB_PROTOCOL',
    )
  }
})

test.run()
