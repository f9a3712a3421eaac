import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { EcdockError } from '../../src/errors.js'
import { parseEndpoint, parseEndpoints } from '../../src/ovsdb/endpoint.js'
import { parseMessage, replyText, requestText } from '../../src/ovsdb/json-rpc.js'
import {
  comment,
  deleteRows,
  insert,
  mutate,
  rowIs,
  select,
  update,
  wait,
} from '../../src/ovsdb/operations.js'
import { decodeRows, parseResults, refusalOf, refusedRequest } from '../../src/ovsdb/result.js'
import { named, uuid } from '../../src/ovsdb/value.js'

const ID = uuid('550e8400-e29b-41d4-a716-446655440000')

function failure(action: () => unknown): EcdockError {
  try {
    action()
  } catch (error) {
    return error as EcdockError
  }
  throw new Error('it should have failed')
}

test('requests, notifications and replies are told apart', () => {
  assert.equal(parseMessage({ id: 'echo', method: 'echo', params: [1] }), {
    kind: 'request',
    id: 'echo',
    method: 'echo',
    params: [1],
  })
  assert.equal(parseMessage({ id: null, method: 'update', params: [] }), {
    kind: 'notification',
    method: 'update',
    params: [],
  })
  assert.is(parseMessage({ method: 'update', params: [] }).kind, 'notification')
  assert.equal(parseMessage({ id: 3, result: {}, error: null }), {
    kind: 'reply',
    id: 3,
    result: {},
    error: null,
  })
  assert.equal(parseMessage({ id: 3, result: null, error: { error: 'unknown method' } }), {
    kind: 'reply',
    id: 3,
    result: null,
    error: { error: 'unknown method' },
  })
})

test('what is no message is refused', () => {
  for (const value of [
    [],
    {},
    { id: 1 },
    { id: 1, error: null },
    { method: 'update' },
    { method: 'update', params: {} },
    { method: 1, params: [] },
    { id: null, result: [], error: null },
    { id: null, result: null, error: 'broken' },
    JSON.parse('{"__proto__": {"id": 1, "method": "echo", "params": []}}'),
  ]) {
    assert.is(failure(() => parseMessage(value)).code, 'OVSDB_PROTOCOL', JSON.stringify(value))
  }
})

test('messages are written as RFC 7047 section 4 has them', () => {
  assert.is(
    requestText(1, 'transact', ['Open_vSwitch']),
    '{"id":1,"method":"transact","params":["Open_vSwitch"]}',
  )
  assert.is(replyText('echo', []), '{"id":"echo","result":[],"error":null}')
})

test('endpoints', () => {
  assert.equal(parseEndpoint('unix:/run/openvswitch/db.sock'), { path: '/run/openvswitch/db.sock' })
  assert.equal(parseEndpoint('tcp:127.0.0.1:6641'), { host: '127.0.0.1', port: 6641 })
  assert.equal(parseEndpoint('tcp:127.0.0.1'), { host: '127.0.0.1', port: 6640 })
  assert.equal(parseEndpoint('tcp:[::1]:6641'), { host: '::1', port: 6641 })
  assert.equal(parseEndpoint('tcp:[fe80::1%eth0]'), { host: 'fe80::1%eth0', port: 6640 })
  assert.equal(parseEndpoint('tcp:db.example.org:1'), { host: 'db.example.org', port: 1 })
})

test('several endpoints have commas between them', () => {
  assert.equal(parseEndpoint('ssl:[::1]:6641'), { host: '::1', port: 6641, tls: true })
  assert.equal(parseEndpoints('ssl:10.0.0.1,tcp:10.0.0.2:1,unix:/a,b'), [
    { host: '10.0.0.1', port: 6640, tls: true },
    { host: '10.0.0.2', port: 1 },
    { path: '/a,b' },
  ])
  assert.is(failure(() => parseEndpoints(Array(65).fill('tcp:a').join())).code, 'USAGE')
})

test('malformed endpoints are refused, with examples', () => {
  for (const text of [
    '',
    'unix:',
    'unix:db.sock',
    'unix:/a\0b',
    `unix:/${'x'.repeat(107)}`,
    'tcp:',
    'tcp:::1:6640',
    'tcp:host:0',
    'tcp:host:65536',
    'tcp:host:port',
    'tcp:a b:6640',
    'ssl:127.0.0.1:0',
    'tcp:10.0.0.1,10.0.0.2',
    'punix:/run/db.sock',
    '/run/openvswitch/db.sock',
  ]) {
    const error = failure(() => parseEndpoint(text))
    assert.is(error.code, 'USAGE', text)
    assert.ok(error.hint)
  }
})

test('operations are written as RFC 7047 section 5.2 has them', () => {
  assert.equal(insert('Port', { name: 'p1', interfaces: [named('iface')], tag: undefined }, 'port'), {
    op: 'insert',
    table: 'Port',
    row: { name: 'p1', interfaces: ['set', [['named-uuid', 'iface']]], tag: ['set', []] },
    'uuid-name': 'port',
  })
  assert.equal(update('Bridge', rowIs(ID), { fail_mode: 'secure' }), {
    op: 'update',
    table: 'Bridge',
    where: [['_uuid', '==', ['uuid', ID]]],
    row: { fail_mode: 'secure' },
  })
  assert.equal(
    mutate('Bridge', [['name', '==', 'ovs0']], {
      ports: { insert: [named('port')] },
      external_ids: { insert: { k: 'new' }, delete: ['k'] },
    }),
    {
      op: 'mutate',
      table: 'Bridge',
      where: [['name', '==', 'ovs0']],
      mutations: [
        ['ports', 'insert', ['set', [['named-uuid', 'port']]]],
        ['external_ids', 'delete', ['set', ['k']]],
        ['external_ids', 'insert', ['map', [['k', 'new']]]],
      ],
    },
  )
  assert.equal(mutate('Open_vSwitch', [], { next_cfg: { add: 1 } }).mutations, [['next_cfg', '+=', 1]])
  assert.equal(deleteRows('Mirror', []), { op: 'delete', table: 'Mirror', where: [] })
  assert.equal(select('Port', [['tag', 'includes', 5]], ['name']), {
    op: 'select',
    table: 'Port',
    where: [['tag', 'includes', 5]],
    columns: ['_uuid', 'name'],
  })
  assert.equal(wait('Port', [], '==', ['name'], [{ name: 'p1' }]), {
    op: 'wait',
    timeout: 0,
    table: 'Port',
    where: [],
    columns: ['name'],
    until: '==',
    rows: [{ name: 'p1' }],
  })
  assert.equal(comment('why'), { op: 'comment', comment: 'why' })
})

test('a wrong table, column or value does not compile', () => {
  // @ts-expect-error there is no such column
  assert.throws(() => insert('Port', { nmae: 'p1' }))
  // @ts-expect-error a number is no name
  assert.throws(() => insert('Port', { name: 5 }))
  // @ts-expect-error there is no such mode
  insert('Bridge', { fail_mode: 'open' })
  // @ts-expect-error the name of a bridge is immutable
  update('Bridge', [], { name: 'ovs1' })
  // @ts-expect-error a text is no reference
  assert.throws(() => mutate('Bridge', [], { ports: { insert: ['p1'] } }))
  // @ts-expect-error there is no such column
  assert.throws(() => deleteRows('Bridge', [['title', '==', 'ovs0']]))
})

test('results come one per operation', () => {
  const operations = [insert('Port', { name: 'p1' }), select('Bridge', [], ['name'])]
  const rows = [{ _uuid: ['uuid', ID], name: 'ovs0' }]
  const results = parseResults(operations, [{ uuid: ['uuid', ID] }, { rows }])
  assert.equal(results, [{ uuid: ID }, { rows }])
  assert.equal(decodeRows('Bridge', ['name'], results[1]), [{ uuid: ID, name: 'ovs0' }])
})

test('an error in the place of an operation says which one', () => {
  const operations = [comment('a'), insert('Port', { name: 'p1' }), comment('b')]
  const error = failure(() =>
    parseResults(operations, [{}, { error: 'constraint violation', details: 'too many' }, null]),
  )
  assert.is(error.code, 'OVSDB_REFUSED')
  assert.is(error.message, 'The OVSDB server refused insert in Port: constraint violation: too many.')
  assert.equal(refusalOf(error), { error: 'constraint violation', details: 'too many', operation: 1 })
})

test('an error beyond the last operation is the commit itself', () => {
  const error = failure(() =>
    parseResults([comment('a')], [{}, { error: 'referential integrity violation' }]),
  )
  assert.equal(refusalOf(error), { error: 'referential integrity violation' })
  assert.match(error.message, /refused the commit/)
})

test('an error in place of the result refuses the request as a whole', () => {
  assert.equal(refusalOf(refusedRequest('ovsdb transact', 'unknown method')), {
    error: 'unknown method',
    request: true,
  })
  const error = refusedRequest('ovsdb monitor', { error: 'unknown database', details: 'no such database' })
  assert.is(error.op, 'ovsdb monitor')
  assert.match(error.message, /unknown database: no such database\./)
})

test('results that do not match the operations are refused', () => {
  for (const result of [null, {}, [], [{}, {}], [null], ['ok']]) {
    assert.is(failure(() => parseResults([comment('a')], result)).code, 'OVSDB_PROTOCOL')
  }
})

test.run()
