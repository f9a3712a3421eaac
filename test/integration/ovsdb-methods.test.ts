import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { EcdockError } from '../../src/errors.js'
import { OvsdbClient } from '../../src/ovsdb/client.js'
import { abort, assertLock, commit, insert, mutate, update } from '../../src/ovsdb/operations.js'
import { refusalOf } from '../../src/ovsdb/result.js'
import { named } from '../../src/ovsdb/value.js'
import { type PrivateOvs, startOvs } from '../support/ovs.js'

let ovs: PrivateOvs
let client: OvsdbClient
let other: OvsdbClient

test.before(async () => {
  ovs = await startOvs({ vswitchd: false })
  client = await OvsdbClient.connect(ovs.ovsdb)
  other = await OvsdbClient.connect(ovs.ovsdb)
  await client.transact([...newBridge('ovs0'), ...newBridge('ovs1')])
})

test.after(async () => {
  await client.close()
  await other.close()
  await ovs.stop()
})

function newBridge(name: string) {
  return [
    insert('Interface', { name, type: 'internal' }, `${name}i`),
    insert('Port', { name, interfaces: [named(`${name}i`)] }, `${name}p`),
    insert('Bridge', { name, ports: [named(`${name}p`)] }, `${name}b`),
    mutate('Open_vSwitch', [], { bridges: { insert: [named(`${name}b`)] } }),
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

test('the server tells its databases and their schemas, and gives a sign of life', async () => {
  assert.equal((await client.listDatabases()).sort(), ['Open_vSwitch', '_Server'])
  const schema = await client.getSchema()
  assert.is(schema.name, 'Open_vSwitch')
  assert.ok('Bridge' in (schema.tables as object))
  assert.is((await client.getSchema('_Server')).name, '_Server')
  assert.is(refusalOf(await failure(client.getSchema('none')))?.error, 'unknown database')
  await client.echo()
})

test('a lock goes from one client to the next', async () => {
  const first = await client.lock('our_lock')
  const second = await other.lock('our_lock')
  assert.equal([first.held, second.held], [true, false])
  assert.is((await failure(second.acquired({ timeoutMs: 20 }))).code, 'TIMEOUT')
  assert.is((await failure(client.lock('our_lock'))).code, 'USAGE')
  await first.release()
  await second.acquired()
  assert.equal([first.held, second.held], [false, true])
  await second.release()
})

test('a transaction can depend on a lock', async () => {
  const change = update('Open_vSwitch', [], { external_ids: { with: 'lock' } })
  const without = await failure(client.transact([assertLock('our_lock'), change]))
  assert.is(refusalOf(without)?.error, 'not owner')
  const lock = await client.lock('our_lock')
  await client.transact([assertLock('our_lock'), change])
  await lock.release()
})

test('a lock that is stolen comes back when the thief releases it', async () => {
  const lock = await client.lock('our_lock')
  const thief = await other.steal('our_lock')
  assert.ok(thief.held)
  // The server tells of the theft before it answers what comes after it.
  await client.echo()
  assert.not(lock.held)
  await thief.release()
  await lock.acquired()
  await lock.release()
  assert.is((await failure(client.lock('no name'))).code, 'USAGE')
})

test('who waits for a lock hears when it is released or the client is closed', async () => {
  const holder = await other.lock('our_lock')
  const lock = await client.lock('our_lock')
  const waiting = failure(lock.acquired())
  await lock.release()
  assert.is((await waiting).code, 'CANCELLED')
  const third = await OvsdbClient.connect(ovs.ovsdb)
  const closing = failure((await third.lock('our_lock')).acquired())
  await third.close()
  assert.is((await closing).code, 'CANCELLED')
  await holder.release()
})

test('abort undoes a transaction, and commit can ask for the disk', async () => {
  const change = update('Open_vSwitch', [], { external_ids: { tried: 'yes' } })
  assert.is(refusalOf(await failure(client.transact([change, abort()])))?.error, 'aborted')
  assert.not(client.replica.root?.external_ids.has('tried'))
  await client.transact([change, commit(true)])
  assert.is(client.replica.root?.external_ids.get('tried'), 'yes')
})

test('a monitor follows the tables, columns and rows that it is asked for', async () => {
  const monitor = await client.monitor(
    { Bridge: ['name', 'stp_enable'], Mirror: ['name'] },
    { Bridge: [['name', '==', 'ovs1']] },
  )
  const names = () => Array.from(monitor.replica.rows('Bridge'), ({ name }) => name).sort()
  assert.equal(names(), ['ovs1'])
  assert.is(monitor.replica.byName('Bridge', 'ovs1')?.stp_enable, false)

  const set = update('Bridge', [['name', '==', 'ovs1']], { stp_enable: true })
  const add = insert('Mirror', { name: 'm0' }, 'm0')
  const refer = mutate('Bridge', [['name', '==', 'ovs1']], { mirrors: { insert: [named('m0')] } })
  await client.transact([set, add, refer])
  assert.is(monitor.replica.byName('Bridge', 'ovs1')?.stp_enable, true)
  assert.equal(
    Array.from(monitor.replica.rows('Mirror'), ({ name }) => name),
    ['m0'],
  )

  await monitor.change({ Bridge: [['name', '==', 'ovs0']] })
  assert.equal(names(), ['ovs0'])
  await monitor.change({
    Bridge: [
      ['name', '==', 'ovs0'],
      ['name', '==', 'ovs1'],
    ],
  })
  assert.equal(names(), ['ovs0', 'ovs1'], 'a row is followed when any condition holds')
  await monitor.change({})
  assert.equal(names(), ['ovs0', 'ovs1'], 'no condition: all rows')

  const waiting = failure(monitor.replica.until(() => false))
  await monitor.cancel()
  assert.is((await waiting).code, 'CANCELLED')
  await monitor.cancel()
  await client.transact(newBridge('ovs2'))
  assert.equal(names(), ['ovs0', 'ovs1'], 'it follows nothing any more')
})

test('after a restart of the server monitors follow again, and locks are asked for again', async () => {
  const bridge = [['name', '==', 'ovs0']] as const
  const monitor = await client.monitor({ Bridge: ['name', 'fail_mode'] }, { Bridge: bridge })
  const lock = await client.lock('our_lock')
  await ovs.killServer()
  await ovs.startServer()
  await client.transact([update('Bridge', bridge, { fail_mode: 'secure' })])
  assert.is(monitor.replica.byName('Bridge', 'ovs0')?.fail_mode, 'secure')
  assert.is(monitor.replica.count('Bridge'), 1)
  await lock.acquired()
  await client.transact([assertLock('our_lock')])
  await lock.release()
  await monitor.cancel()
})

test.run()
