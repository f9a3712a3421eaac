import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'
import { ipv4FromNumber, type Subnet } from './subnet.js'

/** What a slot fixes for whatever is plugged into it. */
export interface SlotAddress {
  slot: number
  /** Without prefix length, such as `10.0.0.1`. */
  ipv4: string
  /** Prefix length of the IPv4 address, such as 24. */
  prefix: number
  /** 52:00 and the four bytes of the IPv4 address, such as `52:00:0a:00:00:01`. */
  mac: string
  /** In canonical form (RFC 5952), such as `2001:db8::a00:1`. */
  ipv6: string
  /** Prefix length of the IPv6 address. */
  ipv6Prefix: 64
}

export interface SlotLimits {
  /** The highest slot that this kind of vswitch can have, when the subnet would allow more. */
  max?: number
}

/**
 * The addresses of a slot, by ecDock's rule: the network address plus the slot number; the MAC is 52:00 and
 * the four IPv4 bytes; the IPv6 address is PREFIX::IPV4. `ipv6Prefix` is what parseIpv6Prefix gave. Throws
 * SLOT_INVALID or SLOT_OUT_OF_RANGE; the switch's own slot is not refused here.
 */
export function slotAddress(subnet: Subnet, slot: number, ipv6Prefix: string): SlotAddress {
  checkRange(subnet, slot, subnet.lastSlot)
  const number = subnet.networkNumber + slot
  return {
    slot,
    ipv4: ipv4FromNumber(number),
    prefix: subnet.prefix,
    mac: slotMac(number),
    ipv6: slotIpv6(ipv6Prefix, number),
    ipv6Prefix: 64,
  }
}

/** The switch's own addresses, in the shape of a slot's. */
export function switchAddress(subnet: Subnet, ipv6Prefix: string): SlotAddress {
  return slotAddress(subnet, subnet.ownSlot, ipv6Prefix)
}

/**
 * Passes a slot that something can be plugged into. Throws SLOT_INVALID when it is no whole number of 0 or
 * more, SLOT_OUT_OF_RANGE when the vswitch has no such slot, SLOT_RESERVED when it is the switch's own
 * address.
 */
export function checkSlot(subnet: Subnet, slot: number, limits: SlotLimits = {}): void {
  checkRange(subnet, slot, highestSlot(subnet, limits))
  if (slot === subnet.ownSlot) {
    throw new EcdockError(
      'SLOT_RESERVED',
      'check slot',
      `slot ${slot} is ${subnet.address}, the address of the vswitch itself`,
      { hint: 'Choose another slot, or give none to get the lowest free one.' },
    )
  }
}

/**
 * The `count` lowest slots that are neither taken nor the switch's own, in ascending order. Throws
 * SLOTS_EXHAUSTED when there are fewer, and says how many there are.
 */
export function lowestFreeSlots(
  subnet: Subnet,
  taken: ReadonlySet<number>,
  count: number,
  limits: SlotLimits = {},
): number[] {
  const highest = highestSlot(subnet, limits)
  const free: number[] = []
  for (let slot = 1; slot <= highest && free.length < count; slot++) {
    if (slot !== subnet.ownSlot && !taken.has(slot)) free.push(slot)
  }
  if (free.length < count) {
    const left = free.length === 0 ? 'no slot is free' : `only ${free.length} of them are free`
    throw new EcdockError(
      'SLOTS_EXHAUSTED',
      'choose slots',
      `${count} ${count === 1 ? 'slot was' : 'slots were'} asked for and ${left}: ` +
        `${subnet.text} has the slots 1 to ${highest}`,
      { hint: 'Unplug what is not needed any more, or create the vswitch with a larger subnet.' },
    )
  }
  return free
}

/** The slot whose MAC address this is, in lower case; undefined for every other. */
export function slotOfMac(subnet: Subnet, mac: string): number | undefined {
  if (!mac.startsWith('52:00:')) return undefined
  const slot = Number.parseInt(mac.slice(6).replaceAll(':', ''), 16) - subnet.networkNumber
  return slot >= 1 && slot <= subnet.lastSlot ? slot : undefined
}

/**
 * PREFIX::a.b.c.d in canonical form (RFC 5952 section 4). Every plug needs one, and a library that parses and
 * formats any address takes as long for it as a dozen system calls.
 */
function slotIpv6(prefix: string, ipv4: number): string {
  const last = [(ipv4 >>> 16).toString(16), (ipv4 & 0xffff).toString(16)]
  // The usual case: the zeros between the two are the longest run.
  if (last[0] !== '0' && !/\b0\b/.test(prefix)) return `${prefix}::${last[0]}:${last[1]}`
  const first = prefix.split(':')
  const zeros = new Array<string>(8 - first.length - last.length).fill('0')
  const groups = [...first, ...zeros, ...last]
  const gap = longestRunOfZeros(groups)
  return `${groups.slice(0, gap.start).join(':')}::${groups.slice(gap.end).join(':')}`
}

/** The one that `::` stands for: of two that are equally long the first (RFC 5952 section 4.2.3). */
function longestRunOfZeros(groups: readonly string[]): { start: number; end: number } {
  let longest = { start: 0, end: 0 }
  for (let start = 0; start < groups.length; start++) {
    let end = start
    while (groups[end] === '0') end++
    if (end - start > longest.end - longest.start) longest = { start, end }
  }
  return longest
}

/** 52 has the "locally administered" bit set and the "group" bit clear, so it is nobody's (IEEE 802). */
function slotMac(ipv4: number): string {
  const digits = ipv4.toString(16).padStart(8, '0')
  return `52:00:${digits.slice(0, 2)}:${digits.slice(2, 4)}:${digits.slice(4, 6)}:${digits.slice(6)}`
}

function highestSlot(subnet: Subnet, limits: SlotLimits): number {
  return Math.min(subnet.lastSlot, limits.max ?? subnet.lastSlot)
}

function checkRange(subnet: Subnet, slot: number, highest: number): void {
  if (!Number.isInteger(slot) || slot < 0) {
    throw new EcdockError('SLOT_INVALID', 'check slot', `slot ${quoted(slot)} is not a whole number`, {
      hint: `A slot is a number from 1 to ${highest}.`,
    })
  }
  if (slot === 0 || slot > highest) {
    throw new EcdockError(
      'SLOT_OUT_OF_RANGE',
      'check slot',
      `slot ${slot} is out of range: a vswitch on ${subnet.text} has the slots 1 to ${highest}`,
      { hint: `Choose a slot from 1 to ${highest}, or give none to get the lowest free one.` },
    )
  }
}
