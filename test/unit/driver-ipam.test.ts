import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { IpamDriver } from '../../src/driver/ipam-driver.js'
import { ADDRESS_TYPE, GATEWAY_ADDRESS } from '../../src/driver/protocol/ipam.js'
import type { PoolRecord } from '../../src/driver/records.js'
import { MemoryStore } from '../support/driver-fake.js'
import { refusal } from '../support/refusal.js'

const NOTHING = {
  AddressSpace: undefined,
  Pool: undefined,
  SubPool: undefined,
  Options: undefined,
  V6: undefined,
}
const GATEWAY = { [ADDRESS_TYPE]: GATEWAY_ADDRESS }

test('addresses are given out, taken back, and still known after a restart', async () => {
  const store = new MemoryStore<PoolRecord>()
  const driver = new IpamDriver(store)
  const { PoolID, Pool } = await driver.requestPool({
    ...NOTHING,
    Pool: '192.168.123.0/24',
    SubPool: '192.168.123.0/29',
  })
  assert.is(Pool, '192.168.123.0/24')
  const ask = (from: IpamDriver, Address?: string, Options?: Record<string, unknown>) =>
    from.requestAddress({ PoolID, Address, Options }).then((answer) => answer.Address)
  assert.is(await ask(driver, undefined, GATEWAY), '192.168.123.1/24')
  assert.is(await ask(driver), '192.168.123.2/24')
  assert.is(await ask(driver, '192.168.123.200'), '192.168.123.200/24')

  const again = new IpamDriver(store)
  assert.equal(await again.restore(), [])
  assert.is(await ask(again), '192.168.123.3/24')
  await refusal(ask(again, '192.168.123.200'), 'ADDRESS_TAKEN')
  await again.releaseAddress({ PoolID, Address: '192.168.123.2' })
  await again.releaseAddress({ PoolID, Address: '192.168.123.2' })
  assert.is(await ask(again), '192.168.123.2/24')
  for (const last of [4, 5, 6, 7]) assert.is(await ask(again), `192.168.123.${last}/24`)
  const { message, hint } = await refusal(ask(again), 'POOL_EXHAUSTED')
  assert.match(message, 'all addresses of 192.168.123.0/29 are in use')
  assert.match(hint ?? '', '--ip-range')
  assert.is(await ask(again, '192.168.123.1'), '192.168.123.1/24', 'a container is the gateway')

  await again.releasePool({ PoolID })
  await again.releasePool({ PoolID })
  await refusal(ask(again), 'POOL_NOT_FOUND')
  assert.is(store.documents.size, 0)
})

test('two pools may have the same subnet', async () => {
  const driver = new IpamDriver(new MemoryStore())
  const pools = [1, 2].map(() => driver.requestPool({ ...NOTHING, Pool: '10.0.0.0/8' }))
  const [one, other] = await Promise.all(pools)
  assert.is.not(one?.PoolID, other?.PoolID)
  for (const { PoolID = '' } of [one ?? {}, other ?? {}] as { PoolID: string }[]) {
    const { Address } = await driver.requestAddress({ PoolID, Address: undefined, Options: undefined })
    assert.is(Address, '10.0.0.1/8')
  }
})

test('without a subnet a network gets one that no other has', async () => {
  const driver = new IpamDriver(new MemoryStore())
  const taken = await driver.requestPool({ ...NOTHING, Pool: '10.222.0.128/25' })
  assert.is((await driver.requestPool(NOTHING)).Pool, '10.222.1.0/24')
  assert.is((await driver.requestPool({ ...NOTHING, V6: true })).Pool, 'fd5e:82b1:c46d::/64')
  await driver.releasePool(taken)
  assert.is((await driver.requestPool(NOTHING)).Pool, '10.222.0.0/24')
  for (let count = 2; count < 256; count++) await driver.requestPool(NOTHING)
  await refusal(driver.requestPool(NOTHING), 'POOL_EXHAUSTED')
})

test('pools that cannot be are refused', async () => {
  const driver = new IpamDriver(new MemoryStore())
  const ask = (fields: object) => driver.requestPool({ ...NOTHING, ...fields })
  await refusal(ask({ SubPool: '10.0.0.0/25' }), 'SUBNET_INVALID')
  await refusal(ask({ Pool: '10.0.0.0/24', SubPool: '10.0.1.0/25' }), 'SUBNET_INVALID')
  await refusal(ask({ Pool: '10.0.0.0/24', V6: true }), 'SUBNET_INVALID')
  await refusal(ask({ Pool: 'fd00::/64', V6: false }), 'SUBNET_INVALID')
  await refusal(ask({ Pool: '10.0.0.0' }), 'SUBNET_INVALID')
})

test('what could not be written down has not been given out', async () => {
  const store = new MemoryStore<PoolRecord>()
  const driver = new IpamDriver(store)
  const { PoolID } = await driver.requestPool({ ...NOTHING, Pool: '10.0.0.0/24' })
  const ask = () => driver.requestAddress({ PoolID, Address: undefined, Options: undefined })
  store.failure = new Error('disk full')
  for (const request of [ask(), driver.requestPool({ ...NOTHING, Pool: '10.0.0.0/24' })]) {
    await request.then(
      () => assert.unreachable('it was said to be done'),
      (error: Error) => assert.is(error.message, 'disk full'),
    )
  }
  store.failure = undefined
  assert.is((await ask()).Address, '10.0.0.1/24')
})

test.run()
