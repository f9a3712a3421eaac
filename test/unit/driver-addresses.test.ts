import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseMac } from '../../src/addressing/mac.js'
import {
  type AddressBlock,
  contains,
  formatAddress,
  parseAddress,
  parseBlock,
} from '../../src/driver/address-block.js'
import { AddressPool, restorePool } from '../../src/driver/address-pool.js'
import { DEFAULT_SUBNETS, DEFAULT_SUBNETS_IPV6, subnetsOf } from '../../src/driver/default-subnets.js'
import { endpointMac } from '../../src/driver/endpoint-mac.js'
import { Intervals } from '../../src/driver/intervals.js'
import { refuses } from '../support/refusal.js'

const blocks: fc.Arbitrary<AddressBlock> = fc.oneof(
  fc
    .tuple(fc.ipV4(), fc.integer({ min: 8, max: 32 }))
    .map(([address, prefix]) => parseBlock(`${address}/${prefix}`)),
  fc
    .tuple(fc.ipV6(), fc.integer({ min: 48, max: 128 }))
    .map(([address, prefix]) => parseBlock(`${address}/${prefix}`)),
)

/** A small subnet and a range in it, so that everything of it can be given out. */
const smallPools = fc
  .record({
    first: fc.bigInt({ min: 1n, max: 2n ** 31n }),
    prefix: fc.integer({ min: 26, max: 32 }),
    ipv6: fc.boolean(),
    offset: fc.nat(63),
    longer: fc.integer({ min: 0, max: 6 }),
  })
  .map(({ first, prefix, ipv6, offset, longer }) => {
    const family = ipv6 ? 6 : 4
    const bits = ipv6 ? 96 : 0
    const subnet = parseBlock(`${formatAddress({ family, number: first })}/${prefix + bits}`)
    const size = subnet.last - subnet.first + 1n
    const inside = formatAddress({ family, number: subnet.first + (BigInt(offset) % size) })
    const range = parseBlock(`${inside}/${Math.min(prefix + longer, 32) + bits}`)
    return { subnet, range }
  })

test('addresses read back as they were written', () => {
  const numbers = fc.oneof(
    fc.record({ family: fc.constant(4 as const), number: fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }) }),
    fc.record({ family: fc.constant(6 as const), number: fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }) }),
  )
  fc.assert(
    fc.property(numbers, (address) => assert.equal(parseAddress(formatAddress(address)), { ...address })),
  )
  fc.assert(fc.property(blocks, (block) => assert.equal(parseBlock(block.text), block)))
})

test('what is no address or subnet is refused', () => {
  for (const text of [
    '',
    '10.0.0',
    '010.0.0.1',
    '0x0a000001',
    '10.0.0.256',
    'fe80::1%eth0',
    ':',
    '1'.repeat(500),
  ]) {
    refuses('ADDRESS_INVALID', /is not an IP address/, () => parseAddress(text))
  }
  for (const text of [
    '',
    '10.0.0.0',
    '10.0.0.0/33',
    '10.0.0.0/024',
    '10.0.0.0/24/24',
    'fd00::/129',
    '/24',
    'x/8',
  ]) {
    refuses('SUBNET_INVALID', /is none/, () => parseBlock(text))
  }
})

test('runs of numbers hold what a set of them holds', () => {
  const number = fc.bigInt({ min: 0n, max: 40n })
  const steps = fc.array(fc.record({ add: fc.boolean(), number }), { maxLength: 100 })
  fc.assert(
    fc.property(steps, fc.uniqueArray(number), number, number, (all, excluded, low, high) => {
      const runs = new Intervals()
      const model = new Set<bigint>()
      for (const { add, number } of all) {
        if (add) assert.is(runs.add(number), !model.has(number))
        else assert.is(runs.delete(number), model.has(number))
        if (add) model.add(number)
        else model.delete(number)
      }
      const held = [...runs].flatMap(([first, last]) => numbersFrom(first, last))
      assert.equal(held, [...model].sort(ascending))
      assert.is(runs.runs, [...model].filter((each) => !model.has(each - 1n)).length)
      const free = numbersFrom(low, high).find((each) => !model.has(each) && !excluded.includes(each))
      assert.is(runs.lowestAbsent(low, high, new Set(excluded)), free)
      assert.equal([...new Intervals(runs)], [...runs])
    }),
  )
})

test('a pool gives out each address of its range once, lowest first, and none that no host may have', () => {
  fc.assert(
    fc.property(smallPools, fc.boolean(), ({ subnet, range }, withGateway) => {
      const pool = new AddressPool(subnet, range)
      const gateway = withGateway && attempt(() => pool.setGateway())
      const given: string[] = []
      for (let address = attempt(() => pool.takeFree()); address !== undefined; ) {
        given.push(address)
        address = attempt(() => pool.takeFree())
      }
      const expected = numbersFrom(range.first, range.last)
        .filter((number) => !noHosts(subnet).includes(number))
        .map((number) => formatAddress({ family: subnet.family, number }))
        .filter((address) => address !== gateway)
      assert.equal(given, expected)
      refuses('POOL_EXHAUSTED', /are in use/, () => pool.takeFree())
    }),
  )
})

test('a pool that has been written down is the same', () => {
  const wishes = fc.array(fc.nat(70), { maxLength: 40 })
  fc.assert(
    fc.property(smallPools, wishes, ({ subnet, range }, offsets) => {
      const pool = new AddressPool(subnet, range)
      for (const offset of offsets) {
        const text = formatAddress({ family: subnet.family, number: subnet.first + BigInt(offset) })
        if (offset % 3 === 0) attempt(() => pool.takeFree())
        else if (offset % 7 === 0) attempt(() => pool.release(text))
        else attempt(() => (offset % 11 === 0 ? pool.setGateway(text) : pool.take(text)))
      }
      const again = restorePool(subnet.text, range.text, pool.contents())
      assert.equal(again.contents(), pool.contents())
      assert.is(
        attempt(() => again.takeFree()),
        attempt(() => pool.takeFree()),
      )
    }),
  )
})

test('whoever asks for the gateway by name gets it, once', () => {
  const pool = new AddressPool(parseBlock('192.168.123.0/24'))
  assert.is(pool.setGateway('192.168.123.1'), '192.168.123.1')
  assert.is(pool.takeFree(), '192.168.123.2')
  assert.is(pool.take('192.168.123.1'), '192.168.123.1')
  refuses('ADDRESS_TAKEN', /192\.168\.123\.1 .* is in use/, () => pool.take('192.168.123.1'))
  assert.is(pool.release('192.168.123.1'), true)
  assert.is(pool.takeFree(), '192.168.123.3')
  refuses('ADDRESS_TAKEN', /is in use/, () => pool.setGateway('192.168.123.3'))
})

test('what is asked for by name has to be a host of the subnet, and need not be in the range', () => {
  const pool = new AddressPool(parseBlock('10.0.0.0/24'), parseBlock('10.0.0.128/30'))
  assert.is(pool.take('10.0.0.9'), '10.0.0.9')
  assert.is(pool.takeFree(), '10.0.0.128')
  refuses('ADDRESS_INVALID', /network address/, () => pool.take('10.0.0.0'))
  refuses('ADDRESS_INVALID', /broadcast address/, () => pool.take('10.0.0.255'))
  refuses('ADDRESS_INVALID', /does not lie in/, () => pool.take('10.0.1.1'))
  refuses('ADDRESS_INVALID', /does not lie in/, () => pool.take('fd00::1'))
  refuses('SUBNET_INVALID', /does not lie in the subnet/, () => {
    new AddressPool(parseBlock('10.0.0.0/24'), parseBlock('10.0.1.0/25'))
  })
})

test('an IPv6 pool as large as they come has a lowest free address', () => {
  const pool = new AddressPool(parseBlock('fd00::/64'))
  assert.is(pool.takeFree(), 'fd00::1')
  assert.is(pool.take('fd00::ffff:ffff:ffff:ffff'), 'fd00::ffff:ffff:ffff:ffff')
  assert.is(pool.takeFree(), 'fd00::2')
})

test('a MAC follows from the address, and is one that an interface can have', () => {
  assert.is(endpointMac({ id: 'x', address: '10.0.0.1/24', addressIpv6: 'fd00::1/64' }), '52:00:0a:00:00:01')
  const ipv6 = endpointMac({ id: 'x', addressIpv6: 'fd00:0::1/64' })
  assert.is(ipv6, endpointMac({ id: 'y', addressIpv6: 'fd00::1/64' }))
  const fields = fc.record(
    { address: fc.ipV4().map((text) => `${text}/24`), addressIpv6: fc.ipV6().map((text) => `${text}/64`) },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(fc.string(), fields, (id, addresses) => {
      const mac = endpointMac({ id, ...addresses })
      assert.is(parseMac(mac), mac)
      assert.is(endpointMac({ id, ...addresses }), mac)
    }),
  )
})

test('subnets for networks without one', () => {
  const all = [...subnetsOf(DEFAULT_SUBNETS)]
  assert.is(all.length, 256)
  assert.equal([all[0], all.at(-1)], ['10.222.0.0/24', '10.222.255.0/24'])
  const ipv6 = [...subnetsOf(DEFAULT_SUBNETS_IPV6)]
  assert.equal([ipv6.length, ipv6[1]], [256, 'fd5e:82b1:c46d:1::/64'])
  assert.ok(ipv6.every((text) => contains(parseBlock('fc00::/7'), parseAddress(text.split('/')[0] ?? ''))))
})

function numbersFrom(first: bigint, last: bigint): bigint[] {
  const numbers: bigint[] = []
  for (let number = first; number <= last; number++) numbers.push(number)
  return numbers
}

function ascending(one: bigint, other: bigint): number {
  return one < other ? -1 : 1
}

function noHosts({ family, first, last }: AddressBlock): bigint[] {
  if (last - first < 2n) return []
  return family === 4 ? [first, last] : [first]
}

function attempt<Result>(work: () => Result): Result | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}

test.run()
