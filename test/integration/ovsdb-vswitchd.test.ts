import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { EcdockError } from '../../src/errors.js'
import { OvsdbClient } from '../../src/ovsdb/client.js'
import { insert, mutate, update } from '../../src/ovsdb/operations.js'
import { named } from '../../src/ovsdb/value.js'
import { type PrivateOvs, startOvs } from '../support/ovs.js'

let ovs: PrivateOvs
let client: OvsdbClient

test.before(async () => {
  ovs = await startOvs()
  client = await OvsdbClient.connect(ovs.ovsdb)
})

test.after(async () => {
  await client.close()
  await ovs.stop()
})

function newPort(name: string) {
  return [
    insert('Interface', { name, type: 'internal' }, 'iface'),
    insert('Port', { name, interfaces: [named('iface')] }, 'port'),
    mutate('Bridge', [['name', '==', 'ovs0']], { ports: { insert: [named('port')] } }),
  ]
}

test('when a bridge has been waited for, ovs-vswitchd has it', async () => {
  const results = await client.transactAndWait([
    insert('Interface', { name: 'ovs0', type: 'internal' }, 'iface'),
    insert('Port', { name: 'ovs0', interfaces: [named('iface')] }, 'port'),
    insert('Bridge', { name: 'ovs0', datapath_type: 'netdev', ports: [named('port')] }, 'bridge'),
    mutate('Open_vSwitch', [], { bridges: { insert: [named('bridge')] } }),
  ])
  assert.is(results.length, 4, 'one result per operation of the caller')
  assert.match(await ovs.appctl('dpif/show'), /ovs0 65534\/\d+: \(tap\)/)
})

test('when a port has been waited for, it is in the datapath and its number in the replica', async () => {
  for (const name of ['s1', 's2', 's3']) {
    await client.transactAndWait(newPort(name))
    assert.type(client.replica.byName('Interface', name)?.ofport, 'number')
    assert.match(await ovs.appctl('dpif/show'), new RegExp(`\\b${name} \\d+/`))
  }
})

test('many are waited for at a time', async () => {
  const names = Array.from({ length: 20 }, (_, index) => `many${index}`)
  await Promise.all(names.map((name) => client.transactAndWait(newPort(name))))
  for (const name of names) assert.type(client.replica.byName('Interface', name)?.ofport, 'number')
})

test('what ovs-vswitchd says about a device that is not there comes with the replica', async () => {
  await client.transactAndWait([
    insert('Interface', { name: 'nodevice' }, 'iface'),
    insert('Port', { name: 'nodevice', interfaces: [named('iface')] }, 'port'),
    mutate('Bridge', [['name', '==', 'ovs0']], { ports: { insert: [named('port')] } }),
  ])
  const row = client.replica.byName('Interface', 'nodevice')
  assert.match(row?.error ?? '', /could not open network device nodevice/)
  assert.is(row?.ofport, -1)
})

test('the wait ends with TIMEOUT while ovs-vswitchd is away, and works again when it is back', async () => {
  await ovs.killVswitchd()
  const change = update('Bridge', [['name', '==', 'ovs0']], { external_ids: { round: '1' } })
  try {
    await client.transactAndWait([change], { timeoutMs: 200 })
    assert.unreachable('nobody was there to take it in')
  } catch (error) {
    assert.instance(error, EcdockError)
    assert.is((error as EcdockError).code, 'TIMEOUT')
    assert.match((error as EcdockError).hint ?? '', /ovs-vswitchd/)
  }
  await ovs.startVswitchd()
  await client.transactAndWait([change])
})

test('the wait ends with OVSDB_LOST when the database goes away half-way', async () => {
  await ovs.killVswitchd()
  const waiting = client.transactAndWait([
    update('Bridge', [['name', '==', 'ovs0']], { external_ids: { round: '2' } }),
  ])
  waiting.catch(() => {})
  await client.replica.until((replica) => replica.byName('Bridge', 'ovs0')?.external_ids.get('round') === '2')
  await ovs.killServer()
  try {
    await waiting
    assert.unreachable('the database was away')
  } catch (error) {
    assert.is((error as EcdockError).code, 'OVSDB_LOST')
  }
})

test.run()
