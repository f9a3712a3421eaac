import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { EcdockError } from '../../src/errors.js'
import { OvsdbClient } from '../../src/ovsdb/client.js'
import { GroupCommit } from '../../src/ovsdb/group-commit.js'
import { insert, mutate, type Operation } from '../../src/ovsdb/operations.js'
import { refusalOf } from '../../src/ovsdb/result.js'
import { named } from '../../src/ovsdb/value.js'
import { type PrivateOvs, startOvs } from '../support/ovs.js'

let ovs: PrivateOvs
let client: OvsdbClient
let group: GroupCommit

test.before(async () => {
  ovs = await startOvs()
  client = await OvsdbClient.connect(ovs.ovsdb)
  group = new GroupCommit(client)
  await group.commit((label) => [
    ...rows(label, 'ovs0'),
    insert('Bridge', { name: 'ovs0', datapath_type: 'netdev', ports: [named(`${label}p`)] }, `${label}b`),
    mutate('Open_vSwitch', [], { bridges: { insert: [named(`${label}b`)] } }),
  ])
})

test.after(async () => {
  await client.close()
  await ovs.stop()
})

function rows(label: string, name: string, ofport?: number): Operation[] {
  const request = ofport === undefined ? {} : { ofport_request: ofport }
  return [
    insert('Interface', { name, type: 'internal', ...request }, `${label}i`),
    insert('Port', { name, interfaces: [named(`${label}i`)] }, `${label}p`),
  ]
}

function addPort(name: string, ofport?: number) {
  return group.commit((label) => [
    ...rows(label, name, ofport),
    mutate('Bridge', [['name', '==', 'ovs0']], { ports: { insert: [named(`${label}p`)] } }),
  ])
}

/** What ovs-vswitchd was asked to take in: one for each transaction that was carried out. */
function transactions(): number {
  return client.replica.root?.next_cfg ?? 0
}

test('two hundred changes at a time make few transactions, and one that is refused fails alone', async () => {
  const before = transactions()
  const names = Array.from({ length: 200 }, (_, index) => `port${index}`)
  const outcomes = await Promise.allSettled(
    // 70000 is more than ofport_request takes.
    names.map((name, index) => addPort(name, index === 77 ? 70_000 : undefined)),
  )
  const failed = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
  assert.is(failed.length, 1)
  assert.match((failed[0] as EcdockError).message, /insert in Interface.*65279/)
  assert.is(outcomes[77]?.status, 'rejected')
  assert.is(transactions() - before, 1)
  for (const [index, name] of names.entries()) {
    const row = client.replica.byName('Interface', name)
    if (index === 77) assert.is(row, undefined)
    else assert.type(row?.ofport, 'number', `ovs-vswitchd has ${name}`)
  }
})

test('each hears the identity of its own rows', async () => {
  const names = ['a', 'b', 'c']
  const results = await Promise.all(names.map((name) => addPort(name)))
  for (const [index, name] of names.entries()) {
    assert.is(results[index]?.length, 3)
    assert.is(results[index]?.[1]?.uuid, client.replica.byName('Port', name)?.uuid)
  }
})

test('a refusal by the commit fails alone, too', async () => {
  const before = transactions()
  const names = Array.from({ length: 32 }, (_, index) => (index === 9 ? 'port5' : `more${index}`))
  const outcomes = await Promise.allSettled(names.map((name) => addPort(name)))
  for (const [index, outcome] of outcomes.entries()) {
    assert.is(outcome.status, index === 9 ? 'rejected' : 'fulfilled', names[index])
    if (outcome.status === 'rejected') assert.is(refusalOf(outcome.reason)?.error, 'constraint violation')
  }
  assert.ok(transactions() - before <= 5, 'one for each half that holds nothing bad')
})

test('what waits while the server is killed and started again is carried out', async () => {
  await ovs.killVswitchd()
  // One that is being taken in, and one that is to be the next.
  const told: Promise<string>[] = []
  for (const name of ['in-flight', 'next']) {
    told.push(
      addPort(name).then(
        () => 'done',
        (error: EcdockError) => error.code,
      ),
    )
    await client.replica.until((replica) => replica.byName('Port', name))
  }
  const waiting = ['w1', 'w2', 'w3'].map((name) => addPort(name))
  await ovs.killServer()
  assert.equal(await Promise.all(told), ['OVSDB_LOST', 'OVSDB_LOST'])
  await ovs.startServer()
  await ovs.startVswitchd()
  await Promise.all(waiting)
  for (const name of ['w1', 'w2', 'w3'])
    assert.type(client.replica.byName('Interface', name)?.ofport, 'number')
})

test.run()
