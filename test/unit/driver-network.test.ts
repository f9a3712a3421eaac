import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Collector } from '../../src/driver/collector.js'
import { NetworkBook } from '../../src/driver/network-book.js'
import { NetworkDriver } from '../../src/driver/network-driver.js'
import type { CreateEndpointRequest, CreateNetworkRequest } from '../../src/driver/protocol/network.js'
import type { EndpointRecord, NetworkRecord } from '../../src/driver/records.js'
import { EcdockError } from '../../src/errors.js'
import { FakeFabric, MemoryStore, silentLog } from '../support/driver-fake.js'
import { refusal } from '../support/refusal.js'

const NETWORK = '0123456789ab'.padEnd(64, 'c')
const ENDPOINT = 'fedcba987654'.padEnd(64, '3')
const BOTH = { NetworkID: NETWORK, EndpointID: ENDPOINT }

test('a container comes and goes', async () => {
  const { driver, fabric, stores } = await drivers()
  await driver.createNetwork(network())
  assert.equal([...fabric.switches.keys()], [NETWORK])
  assert.is(stores.networks.documents.get(NETWORK)?.socketDir, '/run/vde/0123456789ab')
  const made = await driver.createEndpoint(endpoint({ Address: '10.0.0.2/24', AddressIPv6: 'fd00::2/64' }))
  assert.equal(made, { Interface: { MacAddress: '52:00:0a:00:00:02' } })
  assert.equal([...fabric.taps.keys()], ['vdefedcba987654'])
  assert.equal(await driver.join({ ...BOTH, SandboxKey: '/run/docker/netns/a' }), {
    InterfaceName: { SrcName: 'vdefedcba987654', DstPrefix: 'eth' },
    Gateway: '10.0.0.1',
    GatewayIPv6: 'fd00::1',
    DisableGatewayService: true,
  })
  assert.equal(await driver.endpointInfo(BOTH), {
    Value: { tap: 'vdefedcba987654', mac: '52:00:0a:00:00:02', socket_dir: '/run/vde/0123456789ab' },
  })
  await driver.leave(BOTH)
  assert.is(fabric.taps.size, 1)
  await driver.deleteEndpoint(BOTH)
  await refusal(driver.endpointInfo(BOTH), 'ENDPOINT_NOT_FOUND')
  await driver.settled()
  assert.is(fabric.taps.size, 0)
  assert.is(stores.endpoints.documents.size, 0)
  await driver.deleteNetwork({ NetworkID: NETWORK })
  assert.is(fabric.switches.size, 0)
  assert.is(stores.networks.documents.size, 0)
})

test('what Docker has given is not said back', async () => {
  const { driver } = await drivers()
  await driver.createNetwork(network())
  const given = { Address: '10.0.0.2/24', MacAddress: '02:42:AC:11:00:02' }
  assert.equal(await driver.createEndpoint(endpoint(given)), { Interface: {} })
  assert.is((await driver.endpointInfo(BOTH)).Value.mac, '02:42:ac:11:00:02')
})

test('of two networks whose ids begin alike the second is refused, also at the same time', async () => {
  const { driver, fabric } = await drivers()
  const other = {
    ...network({ socket_dir: '/run/other', create_sockets: 'true' }),
    NetworkID: '0123456789ab'.padEnd(64, 'd'),
  }
  const [, second] = await Promise.allSettled([driver.createNetwork(network()), driver.createNetwork(other)])
  assert.is(second.status, 'rejected')
  const refused = await refusal(driver.createNetwork(other), 'NETWORK_EXISTS')
  assert.match(`${refused.message}. ${refused.hint}`, /begins with the same 12 characters .* Create it again/)
  assert.equal([...fabric.switches.keys()], [NETWORK])
  await driver.deleteNetwork({ NetworkID: NETWORK })
  await driver.createNetwork(other)
})

test('requests that come again, or too late, do no harm', async () => {
  const { driver, fabric } = await drivers()
  await driver.createNetwork(network())
  await driver.createNetwork(network())
  await refusal(driver.createNetwork(network({ mtu: '9000' })), 'NETWORK_EXISTS')
  const request = endpoint({ Address: '10.0.0.2/24' })
  assert.equal(await driver.createEndpoint(request), await driver.createEndpoint(request))
  await refusal(driver.createEndpoint(endpoint({ Address: '10.0.0.3/24' })), 'ENDPOINT_EXISTS')
  const namesake = { ...request, EndpointID: 'fedcba987654'.padEnd(64, '4') }
  await refusal(driver.createEndpoint(namesake), 'ENDPOINT_EXISTS')
  await driver.deleteEndpoint(BOTH)
  await driver.deleteEndpoint(BOTH)
  await driver.createEndpoint(request)
  assert.is(fabric.taps.size, 1)
  await driver.deleteEndpoint(BOTH)
  await driver.leave(BOTH)
  await driver.settled()
  await driver.deleteNetwork(BOTH)
  await driver.deleteNetwork(BOTH)
  await refusal(driver.createEndpoint(request), 'NETWORK_NOT_FOUND')
  await refusal(driver.join({ ...BOTH, SandboxKey: '/x' }), 'NETWORK_NOT_FOUND')
})

test('a container that is the gateway gets none, nor does one of an internal network', async () => {
  const { driver } = await drivers()
  await driver.createNetwork(network())
  await driver.createEndpoint(endpoint({ Address: '10.0.0.1/24' }))
  const joined = await driver.join({ ...BOTH, SandboxKey: '/x' })
  assert.equal(
    [joined.Gateway, joined.GatewayIPv6, joined.DisableGatewayService],
    [undefined, undefined, true],
  )

  const internal = { ...network(), NetworkID: 'b'.repeat(64) }
  internal.Options = { ...internal.Options, 'com.docker.network.internal': true }
  await driver.createNetwork(internal)
  const ids = { NetworkID: 'b'.repeat(64), EndpointID: 'd'.repeat(64) }
  await driver.createEndpoint({ ...endpoint({ Address: '10.0.0.2/24' }), ...ids })
  assert.is((await driver.join({ ...ids, SandboxKey: '/x' })).Gateway, undefined)
})

test('an endpoint that cannot be plugged in leaves nothing, nor does one that comes too late', async () => {
  const { driver, fabric, stores } = await drivers()
  await driver.createNetwork(network())
  fabric.failures.push(new EcdockError('KERNEL', 'tap add', 'no'))
  await refusal(driver.createEndpoint(endpoint()), 'KERNEL')
  const late = AbortSignal.abort(new EcdockError('TIMEOUT', 'create endpoint', 'too late'))
  await refusal(driver.createEndpoint(endpoint(), late), 'TIMEOUT')
  await driver.settled()
  assert.equal([fabric.taps.size, stores.endpoints.documents.size], [0, 0])
  await refusal(driver.createNetwork({ ...network(), NetworkID: 'b'.repeat(64) }, late), 'TIMEOUT')
  assert.equal([fabric.switches.size, stores.networks.documents.size], [1, 1])
})

test('a port that is about to be free is free', async () => {
  const { driver, fabric } = await drivers()
  await driver.createNetwork(network())
  await driver.createEndpoint(endpoint())
  await driver.deleteEndpoint(BOTH)
  fabric.failures.push(new EcdockError('PORTS_EXHAUSTED', 'plug', 'no port is free'))
  await driver.createEndpoint({ ...endpoint(), EndpointID: 'a'.repeat(64) })
  assert.equal([...fabric.taps.keys()], [`vde${'a'.repeat(12)}`])
})

test('networks and endpoints are known after a restart, and what was deleted goes', async () => {
  const { driver, stores, fabric } = await drivers()
  await driver.createNetwork(network())
  await driver.createEndpoint(endpoint())
  stores.endpoints.documents.set('e'.repeat(64), {
    ...(stores.endpoints.documents.get(ENDPOINT) as EndpointRecord),
    id: 'e'.repeat(64),
    state: 'deleted',
  })
  const again = await drivers(stores, fabric)
  await again.driver.endpointInfo(BOTH)
  await again.collector.collect()
  assert.equal([...stores.endpoints.documents.keys()], [ENDPOINT])
})

test('endpoints that are deleted together go together', async () => {
  const { driver, fabric } = await drivers()
  await driver.createNetwork(network())
  const ids = Array.from({ length: 20 }, (_, index) => String(index).padStart(12, '0').padEnd(64, 'a'))
  for (const EndpointID of ids) await driver.createEndpoint({ ...endpoint(), EndpointID })
  await Promise.all(ids.map((EndpointID) => driver.deleteEndpoint({ NetworkID: NETWORK, EndpointID })))
  await driver.settled()
  assert.is(fabric.taps.size, 0)
  assert.ok(fabric.batches.length <= 3, `${fabric.batches}`)
})

test('what Docker has forgotten is collected, and nothing else', async () => {
  let now = 0
  const { driver, fabric, stores, collector } = await drivers(undefined, undefined, () => now)
  await driver.createNetwork(network())
  const [idle = '', alive = '', dead = ''] = ['1', '2', '3'].map((digit) => digit.repeat(64))
  for (const EndpointID of [idle, alive, dead]) await driver.createEndpoint({ ...endpoint(), EndpointID })
  for (const EndpointID of [alive, dead])
    await driver.join({ NetworkID: NETWORK, EndpointID, SandboxKey: '/x' })
  fabric.taps.delete(`vde${dead.slice(0, 12)}`)
  await collector.sweep()
  assert.is(stores.endpoints.documents.size, 3)
  now = 60_000
  await collector.sweep()
  assert.equal([...stores.endpoints.documents.keys()], [idle, alive])
  now = 11 * 60_000
  await collector.sweep()
  assert.equal([...stores.endpoints.documents.keys()], [alive])
  await driver.deleteNetwork({ NetworkID: NETWORK })
  await driver.settled()
  assert.is(stores.endpoints.documents.size, 0)
})

test('two switches of ours do not share a directory', async () => {
  const { driver } = await drivers()
  const there = { socket_dir: '/run/here', create_sockets: 'true' }
  await driver.createNetwork(network(there))
  const other = (said: Record<string, string>, digit: string) =>
    driver.createNetwork({ ...network(said), NetworkID: digit.repeat(64) })
  assert.match(
    (await refusal(other(there, 'd'), 'USAGE')).message,
    '/run/here is where the switch of network 012',
  )
  await other({ socket_dir: '/run/here' }, 'e')
})

interface Stores {
  networks: MemoryStore<NetworkRecord>
  endpoints: MemoryStore<EndpointRecord>
}

async function drivers(
  stores: Stores = { networks: new MemoryStore(), endpoints: new MemoryStore() },
  fabric = new FakeFabric(),
  now: () => number = Date.now,
) {
  const book = new NetworkBook(stores.networks, stores.endpoints)
  await book.restore()
  const collector = new Collector(book, fabric, silentLog, now)
  const driver = new NetworkDriver(book, fabric, collector, { socketRoot: '/run/vde', now })
  return { driver, fabric, stores, collector }
}

function network(options: Record<string, string> = {}): CreateNetworkRequest {
  return {
    NetworkID: NETWORK,
    Options: { 'com.docker.network.generic': options },
    IPv4Data: [{ Pool: '10.0.0.0/24', Gateway: '10.0.0.1/24' }],
    IPv6Data: [{ Pool: 'fd00::/64', Gateway: 'fd00::1/64' }],
  }
}

function endpoint(given: Partial<CreateEndpointRequest['Interface']> = {}): CreateEndpointRequest {
  const nothing = { Address: undefined, AddressIPv6: undefined, MacAddress: undefined }
  return { ...BOTH, Interface: { ...nothing, ...given }, Options: undefined }
}

test.run()
