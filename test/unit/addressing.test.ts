import fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseIpv6Prefix } from '../../src/addressing/ipv6-prefix.js'
import { linkLocal } from '../../src/addressing/link-local.js'
import { parseMac } from '../../src/addressing/mac.js'
import { checkMtu } from '../../src/addressing/mtu.js'
import {
  checkSlot,
  lowestFreeSlots,
  slotAddress,
  slotOfMac,
  switchAddress,
} from '../../src/addressing/slot.js'
import { ipv4FromNumber, ipv4ToNumber, parseSubnet, type Subnet } from '../../src/addressing/subnet.js'
import { EcdockError, type ErrorCode } from '../../src/errors.js'
import { quoted } from '../../src/quoted.js'

function refuses(code: ErrorCode, words: RegExp, run: () => unknown): void {
  try {
    run()
  } catch (error) {
    assert.instance(error, EcdockError)
    if (!(error instanceof EcdockError)) return
    assert.is(error.code, code, error.message)
    assert.match(error.message, words)
    assert.type(error.hint, 'string')
    return
  }
  assert.unreachable(`was not refused with ${code}`)
}

/** Any subnet that a vswitch may have, with any address of it as the switch's own. */
const subnets: fc.Arbitrary<Subnet> = fc
  .record({
    first: fc.integer({ min: 1, max: 223 }).filter((first) => first !== 127),
    rest: fc.integer({ min: 0, max: 2 ** 24 - 1 }),
    prefix: fc.integer({ min: 8, max: 30 }),
  })
  .map(({ first, rest, prefix }) => ({ number: first * 2 ** 24 + rest, prefix }))
  .filter(({ number, prefix }) => {
    const host = number % 2 ** (32 - prefix)
    return host !== 0 && host !== 2 ** (32 - prefix) - 1
  })
  .map(({ number, prefix }) => parseSubnet(`${ipv4FromNumber(number)}/${prefix}`))

const subnetsWithSlot = subnets.chain((subnet) =>
  fc.record({ subnet: fc.constant(subnet), slot: fc.integer({ min: 1, max: subnet.lastSlot }) }),
)

test("a subnet is given by the switch's own address and a prefix length", () => {
  assert.equal(parseSubnet('10.0.0.254/24'), {
    text: '10.0.0.254/24',
    address: '10.0.0.254',
    prefix: 24,
    network: '10.0.0.0',
    networkNumber: 0x0a000000,
    ownSlot: 254,
    lastSlot: 254,
  })
  assert.equal(parseSubnet('172.16.200.1/20'), {
    text: '172.16.200.1/20',
    address: '172.16.200.1',
    prefix: 20,
    network: '172.16.192.0',
    networkNumber: 0xac10c000,
    ownSlot: 8 * 256 + 1,
    lastSlot: 4094,
  })
})

test('the largest subnet is a /8, the smallest a /30', () => {
  assert.is(parseSubnet('10.0.0.1/8').lastSlot, 2 ** 24 - 2)
  assert.is(parseSubnet('10.0.0.1/30').lastSlot, 2)
  refuses('SUBNET_INVALID', /too large/, () => parseSubnet('10.0.0.1/7'))
  refuses('SUBNET_INVALID', /holds no hosts/, () => parseSubnet('10.0.0.1/31'))
  refuses('SUBNET_INVALID', /holds no hosts/, () => parseSubnet('10.0.0.1/32'))
  refuses('SUBNET_INVALID', /prefix length 33/, () => parseSubnet('10.0.0.1/33'))
})

test('what is no subnet is refused, and the message says why', () => {
  const cases: [string, RegExp][] = [
    ['', /no prefix length/],
    ['10.0.0.254', /no prefix length/],
    ['10.0.0.254/', /not a decimal number/],
    ['10.0.0.254/024', /not a decimal number/],
    ['10.0.0.254/24/24', /not a decimal number/],
    ['10.0.0.254/ 24', /not a decimal number/],
    ['10.0.0.254/+24', /not a decimal number/],
    ['10.0.0.254/255.255.255.0', /not a decimal number/],
    [' 10.0.0.254/24', /four decimal numbers/],
    ['10.0.254/24', /four decimal numbers/],
    ['10.0.0.256/24', /four decimal numbers/],
    ['010.0.0.254/24', /leading zeros/],
    ['0x0a.0.0.254/24', /four decimal numbers/],
    ['167772414/24', /four decimal numbers/],
    ['web/24', /four decimal numbers/],
    ['2001:db8::1/24', /IPv6/],
    ['::ffff:10.0.0.254/24', /IPv6/],
    ['10.0.0.0/24', /network address/],
    ['10.0.0.255/24', /broadcast address/],
    ['10.0.3.255/22', /broadcast address/],
    ['0.1.2.3/24', /this network/],
    ['127.0.0.1/24', /loopback/],
    ['224.0.0.1/24', /multicast/],
    ['240.0.0.1/24', /reserved/],
    ['255.255.255.254/24', /reserved/],
    [`${'1'.repeat(1_000_000)}/24`, /not a subnet/],
  ]
  for (const [text, words] of cases) refuses('SUBNET_INVALID', words, () => parseSubnet(text))
})

test('no text at all makes the parser of subnets throw anything else', () => {
  const near = fc.stringMatching(/^[0-9a-fx:. /]{0,24}$/)
  fc.assert(
    fc.property(fc.oneof(fc.string(), near), (text) => {
      try {
        const { network, ownSlot } = parseSubnet(text)
        assert.is(ipv4ToNumber(network) + ownSlot, ipv4ToNumber(text.split('/')[0] ?? ''))
      } catch (error) {
        assert.instance(error, EcdockError)
      }
    }),
  )
})

test("slot 1 is what ecDock's slot 1 was", () => {
  assert.equal(slotAddress(parseSubnet('10.0.0.254/24'), 1, '2001:db8'), {
    slot: 1,
    ipv4: '10.0.0.1',
    prefix: 24,
    mac: '52:00:0a:00:00:01',
    ipv6: '2001:db8::a00:1',
    ipv6Prefix: 64,
  })
})

test('in a subnet of any size a slot is the network address plus its number', () => {
  const address = slotAddress(parseSubnet('10.20.255.254/16'), 258, 'fd00:1:2:3')
  assert.is(address.ipv4, '10.20.1.2')
  assert.is(address.mac, '52:00:0a:14:01:02')
  assert.is(address.ipv6, 'fd00:1:2:3::a14:102')
})

test("the switch's own addresses follow the same rule", () => {
  assert.equal(switchAddress(parseSubnet('10.0.0.254/24'), '2001:db8'), {
    slot: 254,
    ipv4: '10.0.0.254',
    prefix: 24,
    mac: '52:00:0a:00:00:fe',
    ipv6: '2001:db8::a00:fe',
    ipv6Prefix: 64,
  })
})

test('a slot leads to an address of its subnet, and the address back to the slot', () => {
  fc.assert(
    fc.property(subnetsWithSlot, ({ subnet, slot }) => {
      const { ipv4, mac, ipv6 } = slotAddress(subnet, slot, '2001:db8')
      assert.ok(ipaddr.IPv4.parse(ipv4).match(ipaddr.IPv4.parse(subnet.network), subnet.prefix))
      assert.is(slotOfMac(subnet, mac), slot)
      assert.is(parseMac(mac), mac)
      assert.is(Number.parseInt(mac.replaceAll(':', '').slice(4), 16), ipv4ToNumber(ipv4))
      assert.equal(ipaddr.IPv6.parse(ipv6).toByteArray().slice(12), ipaddr.IPv4.parse(ipv4).toByteArray())
      assert.is(ipaddr.IPv6.parse(ipv6).toRFC5952String(), ipv6)
    }),
  )
})

test("a MAC address that is no slot's leads to none", () => {
  const subnet = parseSubnet('10.0.1.254/24')
  for (const four of ['0a:00:00:ff', '0a:00:01:00', '0a:00:01:ff', '0a:00:02:00']) {
    assert.is(slotOfMac(subnet, `52:00:${four}`), undefined, four)
  }
  assert.is(slotOfMac(subnet, '52:01:0a:00:01:01'), undefined)
  assert.is(slotOfMac(subnet, '52:00:0a:00:01:fe'), subnet.ownSlot)
})

test('a slot that is no number, out of range, or the switch itself is refused', () => {
  const subnet = parseSubnet('10.0.0.100/24')
  for (const slot of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    refuses('SLOT_INVALID', /not a whole number/, () => checkSlot(subnet, slot))
  }
  refuses('SLOT_OUT_OF_RANGE', /10\.0\.0\.100\/24 has the slots 1 to 254/, () => checkSlot(subnet, 0))
  refuses('SLOT_OUT_OF_RANGE', /1 to 254/, () => checkSlot(subnet, 255))
  refuses('SLOT_OUT_OF_RANGE', /1 to 127/, () => checkSlot(subnet, 128, { max: 127 }))
  refuses('SLOT_RESERVED', /10\.0\.0\.100/, () => checkSlot(subnet, 100))
  checkSlot(subnet, 1)
  checkSlot(subnet, 254)
  checkSlot(subnet, 127, { max: 127 })
  checkSlot(subnet, 254, { max: 65279 })
})

test('the lowest free slots are found around the taken ones and the switch', () => {
  const subnet = parseSubnet('10.0.0.3/24')
  assert.equal(lowestFreeSlots(subnet, new Set(), 1), [1])
  assert.equal(lowestFreeSlots(subnet, new Set([1, 4]), 3), [2, 5, 6])
  assert.equal(lowestFreeSlots(subnet, new Set(), 0), [])
})

test('when slots run out, the message says how many are left', () => {
  const subnet = parseSubnet('10.0.0.1/29')
  assert.equal(lowestFreeSlots(subnet, new Set([2, 3]), 3), [4, 5, 6])
  refuses('SLOTS_EXHAUSTED', /4 slots were asked for and only 3/, () =>
    lowestFreeSlots(subnet, new Set([2, 3]), 4),
  )
  refuses('SLOTS_EXHAUSTED', /1 slot was asked for and no slot is free/, () =>
    lowestFreeSlots(subnet, new Set([2, 3, 4, 5, 6]), 1),
  )
  refuses('SLOTS_EXHAUSTED', /1 to 4/, () => lowestFreeSlots(subnet, new Set(), 4, { max: 4 }))
})

test('chosen slots are the lowest, free, valid and ascending', () => {
  const smallSubnets = subnets.filter((subnet) => subnet.prefix >= 24)
  fc.assert(
    fc.property(
      smallSubnets,
      fc.uniqueArray(fc.integer({ min: 0, max: 300 })),
      fc.integer({ min: 0, max: 300 }),
      (subnet, takenList, count) => {
        const taken = new Set(takenList)
        const all: number[] = []
        for (let slot = 1; slot <= subnet.lastSlot; slot++) {
          if (!taken.has(slot) && slot !== subnet.ownSlot) all.push(slot)
        }
        if (count > all.length) {
          refuses('SLOTS_EXHAUSTED', /asked for/, () => lowestFreeSlots(subnet, taken, count))
        } else {
          const slots = lowestFreeSlots(subnet, taken, count)
          assert.equal(slots, all.slice(0, count))
          for (const slot of slots) checkSlot(subnet, slot)
        }
      },
    ),
  )
})

test('an IPv6 prefix is 1 to 4 groups, and may be written as an address or a subnet', () => {
  const cases: [string, string][] = [
    ['2001:db8', '2001:db8'],
    ['2001:DB8', '2001:db8'],
    ['2001:0db8', '2001:db8'],
    ['2001:db8::', '2001:db8'],
    ['2001:db8::/64', '2001:db8'],
    ['2001:db8:0:0', '2001:db8'],
    ['fd00', 'fd00'],
    ['fd00:1:2:3', 'fd00:1:2:3'],
    ['fd00:1:2:3::/64', 'fd00:1:2:3'],
    ['fd00:0:0:3', 'fd00:0:0:3'],
    ['fd00::3:0:0:0:0', 'fd00:0:0:3'],
  ]
  for (const [text, canonical] of cases) assert.is(parseIpv6Prefix(text), canonical, text)
})

test('what is no IPv6 prefix is refused', () => {
  const cases: [string, RegExp][] = [
    ['', /is empty/],
    ['::', /::\/16/],
    ['0:1', /::\/16/],
    ['ff02', /multicast/],
    ['2001:db8:', /groups/],
    [':2001', /groups/],
    ['2001:db8:::', /groups/],
    ['2001::db8::', /groups/],
    ['20010:db8', /groups/],
    ['02001:db8', /groups/],
    ['2001:xyz', /groups/],
    ['2001:db8::%eth0', /groups/],
    ['2001:db8::10.0.0.0', /groups/],
    ['10.0.0.0', /groups/],
    ['2001:db8::1', /more than 64 bits/],
    ['fd00:1:2:3:4', /more than 64 bits/],
    ['1:2:3:4:5:6:7', /more than 64 bits/],
    ['1:2:3:4:5:6:7:8:9', /groups/],
    ['2001:db8::/32', /another prefix length/],
    ['2001:db8/64', /does not end in ::/],
    ['2'.repeat(1_000_000), /not one/],
  ]
  for (const [text, words] of cases) refuses('ADDRESS_INVALID', words, () => parseIpv6Prefix(text))
})

test('a canonical IPv6 prefix stays as it is, and makes valid addresses', () => {
  const groups = fc
    .array(fc.integer({ min: 0, max: 0xffff }), { minLength: 1, maxLength: 4 })
    .filter(([first = 0]) => first > 0 && first < 0xff00)
  fc.assert(
    fc.property(groups, subnetsWithSlot, (parts, { subnet, slot }) => {
      const prefix = parseIpv6Prefix(parts.map((part) => part.toString(16)).join(':'))
      assert.is(parseIpv6Prefix(prefix), prefix)
      const { ipv6 } = slotAddress(subnet, slot, prefix)
      assert.is(
        ipv6,
        ipaddr.IPv6.parse(`${prefix}::${slotAddress(subnet, slot, prefix).ipv4}`).toRFC5952String(),
      )
      assert.equal(
        ipaddr.IPv6.parse(ipv6).parts.slice(0, 4),
        [0, 1, 2, 3].map((group) => parts[group] ?? 0),
      )
    }),
  )
})

test('a MAC address is given in lower case', () => {
  assert.is(parseMac('52:00:0A:00:00:fE'), '52:00:0a:00:00:fe')
})

test('a MAC address that no interface can have is refused', () => {
  const cases: [string, RegExp][] = [
    ['', /six pairs/],
    ['52:00:0a:00:00', /six pairs/],
    ['52:00:0a:00:00:01:02', /six pairs/],
    ['52-00-0a-00-00-01', /six pairs/],
    ['52:0:a:0:0:1', /six pairs/],
    ['52:00:0a:00:00:0g', /six pairs/],
    ['52:00:0a:00:00:01\n', /six pairs/],
    ['00:00:00:00:00:00', /all zeros/],
    ['01:00:5e:00:00:01', /group address/],
    ['ff:ff:ff:ff:ff:ff', /group address/],
  ]
  for (const [text, words] of cases) refuses('MAC_INVALID', words, () => parseMac(text))
})

test('an MTU is 68 to 65535 bytes', () => {
  for (const mtu of [68, 1500, 9000, 65535]) checkMtu(mtu)
  for (const mtu of [0, 67, 65536, -1500, 1500.5, Number.NaN]) {
    refuses('MTU_INVALID', /68 to 65535/, () => checkMtu(mtu))
  }
})

test('untrusted text in a message stays on one line, short, and free of control characters', () => {
  assert.is(quoted('a\nb\u001b[31m'), '"a\\nb\\u001b[31m"')
  assert.is(quoted('\u202eb\u0085'), '"\\u202eb\\u0085"')
  assert.is(quoted('x'.repeat(100)), `"${'x'.repeat(64)}…"`)
  assert.is(quoted(Number.NaN), '"NaN"')
})

test('the link-local address of a MAC is the one that the kernel gives', () => {
  assert.is(linkLocal('52:00:0a:00:00:01'), 'fe80::5000:aff:fe00:1')
  assert.is(linkLocal('02:00:00:00:00:02'), 'fe80::ff:fe00:2')
  assert.is(linkLocal('00:11:22:33:44:55'), 'fe80::211:22ff:fe33:4455')
})

test.run()
