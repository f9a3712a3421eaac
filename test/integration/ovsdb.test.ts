import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { EcdockError } from '../../src/errors.js'
import { OvsdbClient } from '../../src/ovsdb/client.js'
import {
  comment,
  deleteRows,
  insert,
  mutate,
  rowIs,
  select,
  update,
  type Where,
  wait,
} from '../../src/ovsdb/operations.js'
import { decodeRows, refusalOf } from '../../src/ovsdb/result.js'
import { named, type Uuid } from '../../src/ovsdb/value.js'
import { type PrivateOvs, startOvs } from '../support/ovs.js'

let ovs: PrivateOvs
let client: OvsdbClient

test.before(async () => {
  ovs = await startOvs({ vswitchd: false, tcp: true })
  client = await OvsdbClient.connect(ovs.ovsdb)
})

test.after(async () => {
  await client.close()
  await ovs.stop()
})

/** A bridge with its internal port, as `ovs-vsctl add-br` makes it. */
function newBridge(name: string) {
  return [
    insert('Interface', { name, type: 'internal' }, 'iface'),
    insert('Port', { name, interfaces: [named('iface')] }, 'port'),
    insert('Bridge', { name, datapath_type: 'netdev', ports: [named('port')] }, 'bridge'),
    mutate('Open_vSwitch', [], { bridges: { insert: [named('bridge')] } }),
  ]
}

function newPort(bridge: string, name: string) {
  return [
    insert('Interface', { name, ofport_request: 7, external_ids: { container_iface: 'eth0' } }, 'iface'),
    insert('Port', { name, interfaces: [named('iface')], tag: 12 }, 'port'),
    mutate('Bridge', [['name', '==', bridge]], { ports: { insert: [named('port')] } }),
  ]
}

async function failure(action: Promise<unknown>): Promise<EcdockError> {
  try {
    await action
  } catch (error) {
    assert.instance(error, EcdockError)
    return error as EcdockError
  }
  throw new Error('it should have failed')
}

test('a transaction answers once per operation, and the replica shows it when it resolves', async () => {
  const results = await client.transact(newBridge('ovs0'))
  assert.is(results.length, 4)
  assert.is(results[3]?.count, 1)
  const bridge = client.replica.byName('Bridge', 'ovs0')
  assert.is(bridge?.uuid, results[2]?.uuid)
  assert.is(bridge?.datapath_type, 'netdev')
  assert.equal([...(bridge?.ports ?? [])], [results[1]?.uuid])
  assert.is(await ovs.vsctl('list-br'), 'ovs0')
})

test('a port joins and leaves a bridge without the set of ports being rewritten', async () => {
  const before = client.replica.byName('Bridge', 'ovs0')
  await client.transact(newPort('ovs0', 'p1'))
  await client.transact(newPort('ovs0', 'p2'))
  assert.is(await ovs.vsctl('list-ports', 'ovs0'), 'p1\np2')
  const port = client.replica.byName('Port', 'p1')
  assert.is(port?.tag, 12)
  assert.is(client.replica.byName('Interface', 'p1')?.ofport_request, 7)
  assert.is(client.replica.byName('Interface', 'p1')?.external_ids.get('container_iface'), 'eth0')
  await client.transact([
    mutate('Bridge', [['name', '==', 'ovs0']], { ports: { delete: [port?.uuid as Uuid] } }),
  ])
  assert.is(await ovs.vsctl('list-ports', 'ovs0'), 'p2')
  // A port that belongs to no bridge is collected by the server, and so is its interface.
  assert.is(client.replica.byName('Port', 'p1'), undefined)
  assert.is(client.replica.byName('Interface', 'p1'), undefined)
  assert.is(before?.ports.size, 1, 'a row that somebody holds never changes')
})

test('the replica follows what others do', async () => {
  await ovs.vsctl(
    '--no-wait',
    'add-port',
    'ovs0',
    'foreign',
    '--',
    'set',
    'Port',
    'foreign',
    'trunks=[1,2,3]',
  )
  const port = await client.replica.until((replica) => replica.byName('Port', 'foreign'))
  assert.equal([...port.trunks].sort(), [1, 2, 3])

  await ovs.vsctl('--no-wait', 'del-port', 'foreign')
  await client.replica.until((replica) => replica.byName('Port', 'foreign') === undefined)
  assert.is(client.replica.get('Port', port.uuid), undefined)
})

test('differences of sets and maps are applied: elements go, come, and change', async () => {
  const vsctl = (...args: string[]) => ovs.vsctl('--no-wait', ...args)
  await vsctl('set', 'Bridge', 'ovs0', 'external_ids={a="1",b="2"}')
  await vsctl('set', 'Port', 'p2', 'trunks=[1,2]')
  await client.replica.until((replica) => replica.byName('Port', 'p2')?.trunks.size === 2)

  await vsctl('set', 'Bridge', 'ovs0', 'external_ids={b="3",c="4"}')
  await vsctl('set', 'Port', 'p2', 'trunks=[2,3]', 'tag=5')
  const port = await client.replica.until((replica) => {
    const found = replica.byName('Port', 'p2')
    return found?.trunks.has(3) && found
  })
  assert.equal([...port.trunks].sort(), [2, 3])
  assert.is(port.tag, 5)
  const ids = client.replica.byName('Bridge', 'ovs0')?.external_ids
  assert.equal([...(ids ?? [])].sort(), [
    ['b', '3'],
    ['c', '4'],
  ])

  await vsctl('clear', 'Bridge', 'ovs0', 'external_ids', '--', 'clear', 'Port', 'p2', 'tag', 'trunks')
  const cleared = await client.replica.until((replica) => {
    const found = replica.byName('Port', 'p2')
    return found?.tag === undefined && found
  })
  assert.is(cleared.trunks.size, 0)
  assert.is(client.replica.byName('Bridge', 'ovs0')?.external_ids.size, 0)
})

test('update, select, wait and comment', async () => {
  const bridge = client.replica.byName('Bridge', 'ovs0')
  assert.ok(bridge)
  const results = await client.transact([
    wait('Bridge', rowIs(bridge.uuid), '==', ['name'], [{ name: 'ovs0' }]),
    comment('ecdock-fast: "quotes", ünïcode and {braces}'),
    update('Bridge', rowIs(bridge.uuid), {
      fail_mode: 'secure',
      other_config: { hwaddr: '52:00:0a:00:00:fe' },
    }),
    select('Bridge', [['fail_mode', '==', 'secure']], ['name', 'fail_mode', 'other_config', 'ports']),
  ])
  const rows = decodeRows('Bridge', ['name', 'fail_mode', 'other_config', 'ports'], results[3])
  assert.is(rows.length, 1)
  assert.is(rows[0]?.uuid, bridge.uuid)
  assert.is(rows[0]?.fail_mode, 'secure')
  assert.is(rows[0]?.other_config.get('hwaddr'), '52:00:0a:00:00:fe')
  assert.equal(rows[0]?.ports, client.replica.byName('Bridge', 'ovs0')?.ports)

  await client.transact([
    mutate('Bridge', rowIs(bridge.uuid), { other_config: { delete: ['hwaddr'], insert: { flood: 'yes' } } }),
    update('Bridge', rowIs(bridge.uuid), { fail_mode: undefined }),
  ])
  const after = client.replica.byName('Bridge', 'ovs0')
  assert.is(after?.fail_mode, undefined)
  assert.equal([...(after?.other_config ?? [])], [['flood', 'yes']])
})

test('text survives the way there and back', async () => {
  const text = 'quote " backslash \\ newline \n tab \t brace } ünïcode 汉字 🧪'
  await client.transact([update('Bridge', [['name', '==', 'ovs0']], { external_ids: { text } })])
  assert.is(client.replica.byName('Bridge', 'ovs0')?.external_ids.get('text'), text)
})

test('text that would make the server hang up is refused before it is sent', () => {
  for (const text of ['nul \0', 'half a pair \ud83e']) {
    assert.throws(
      () => update('Bridge', [], { external_ids: { text } }),
      (error: EcdockError) => error.code === 'USAGE',
    )
  }
})

test('an error in an operation says which one and why', async () => {
  const error = await failure(
    client.transact([
      update('Bridge', [['name', '==', 'ovs0']], { external_ids: {} }),
      insert('Interface', { name: 'p9', ofport_request: 70_000 }),
    ]),
  )
  assert.is(error.code, 'OVSDB_REFUSED')
  assert.match(error.message, /insert in Interface/)
  assert.match(error.message, /65279/)
  assert.is(refusalOf(error)?.error, 'constraint violation')
  assert.is(refusalOf(error)?.operation, 1)
  // Nothing of it was done.
  assert.ok(client.replica.byName('Bridge', 'ovs0')?.external_ids.has('text'))
})

test('an error at the commit comes as one element more', async () => {
  const error = await failure(client.transact(newBridge('ovs0')))
  assert.is(error.code, 'OVSDB_REFUSED')
  assert.match(error.message, /the commit/)
  assert.is(refusalOf(error)?.error, 'constraint violation')
  assert.is(refusalOf(error)?.operation, undefined)
  assert.match(refusalOf(error)?.details ?? '', /ovs0/)
})

test('a transaction that does not find what it waits for is refused', async () => {
  const operation = wait('Bridge', [['name', '==', 'ovs0']], '!=', ['name'], [{ name: 'ovs0' }])
  const error = await failure(client.transact([operation]))
  assert.is(refusalOf(error)?.error, 'timed out')
})

test('many transactions are in flight at a time, and each gets its own answer', async () => {
  const before = await ovs.vsctl('list-ports', 'ovs0')
  const answers = await Promise.allSettled(
    Array.from({ length: 100 }, (_, index) =>
      client.transact(newPort('ovs0', index % 10 === 3 ? 'ovs0' : `many${index}`)),
    ),
  )
  assert.is(answers.filter(({ status }) => status === 'fulfilled').length, 90)
  for (const [index, answer] of answers.entries()) {
    if (index % 10 === 3) assert.is(answer.status, 'rejected')
    else assert.ok(client.replica.byName('Port', `many${index}`))
  }
  const ports = Array.from(client.replica.rows('Port')).filter(({ name }) => name.startsWith('many'))
  await client.transact([
    mutate('Bridge', [['name', '==', 'ovs0']], { ports: { delete: ports.map(({ uuid }) => uuid) } }),
  ])
  assert.is(await ovs.vsctl('list-ports', 'ovs0'), before)
})

test('a cancelled transaction is given up by the server, too', async () => {
  const bridge: Where<'Bridge'> = [['name', '==', 'ovs0']]
  await client.transact([update('Bridge', bridge, { fail_mode: undefined })])
  const cancel = new AbortController()
  const forever = wait('Bridge', bridge, '==', ['fail_mode'], [{ fail_mode: 'secure' }], 60_000)
  const removal = deleteRows('Open_vSwitch', [])
  const waiting = failure(client.transact([forever, removal], { signal: cancel.signal }))
  await client.transact([comment('the one before has reached the server, too')])
  cancel.abort()
  assert.is((await waiting).code, 'CANCELLED')
  await client.transact([update('Bridge', bridge, { fail_mode: 'secure' })])
  // The server looks at what waits after it has answered: let it come round.
  for (let round = 0; round < 3; round++) await client.transact([comment('another round')])
  assert.ok(client.replica.root, 'what it waited for has come, and it was not carried out')
  assert.is((await failure(client.transact([], { signal: cancel.signal }))).code, 'CANCELLED')
})

test('a transaction that takes too long ends with TIMEOUT', async () => {
  const forever = wait('Bridge', [['name', '==', 'ovs0']], '!=', ['name'], [{ name: 'ovs0' }], 60_000)
  const error = await failure(client.transact([forever], { timeoutMs: 20 }))
  assert.is(error.code, 'TIMEOUT')
  assert.match(error.message, /20 ms/)
})

test('without ovs-vswitchd, waiting for it ends with TIMEOUT and says what to look at', async () => {
  const error = await failure(client.transactAndWait(newPort('ovs0', 'p3'), { timeoutMs: 100 }))
  assert.is(error.code, 'TIMEOUT')
  assert.match(error.hint ?? '', /ovs-vswitchd/)
  assert.ok(client.replica.byName('Port', 'p3'), 'the database has it all the same')
})

test('a TCP endpoint serves as well', async () => {
  const remote = await OvsdbClient.connect(String(ovs.tcpEndpoint))
  assert.is(remote.replica.byName('Bridge', 'ovs0')?.name, 'ovs0')
  await remote.transact([update('Bridge', [['name', '==', 'ovs0']], { external_ids: { by: 'tcp' } })])
  await client.replica.until((replica) => replica.byName('Bridge', 'ovs0')?.external_ids.get('by') === 'tcp')
  await remote.close()
})

test.run()
