import ipaddr from 'ipaddr.js'
import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'

export type Family = 4 | 6

/** One address, as a number of 32 or 128 bits. */
export interface Address {
  family: Family
  number: bigint
}

/** All addresses that begin with the same bits, such as 10.0.0.0/24 or fd00::/64. */
export interface AddressBlock {
  family: Family
  /** Prefix length in bits. */
  prefix: number
  first: bigint
  last: bigint
  /** In canonical form, without host bits. */
  text: string
}

const LONGEST = 'ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128'.length

/**
 * Reads a block such as `10.0.0.0/24`. Bits behind the prefix are ignored, as Docker does with `--subnet`. Throws
 * SUBNET_INVALID.
 */
export function parseBlock(text: string): AddressBlock {
  const [bare = '', length = '', ...rest] = text.length > LONGEST ? [] : text.split('/')
  const address = read(bare)
  const bits = address?.family === 4 ? 32 : 128
  const prefix = /^(0|[1-9]\d{0,2})$/.test(length) ? Number(length) : Number.NaN
  if (address === undefined || rest.length > 0 || !(prefix <= bits)) {
    throw new EcdockError('SUBNET_INVALID', 'parse subnet', `subnet ${quoted(text)} is none`, {
      hint: 'Give a subnet such as 192.168.123.0/24 or fd00:1:2:3::/64.',
    })
  }
  const size = 1n << BigInt(bits - prefix)
  const first = address.number - (address.number % size)
  const { family } = address
  const network = formatAddress({ family, number: first })
  return { family, prefix, first, last: first + size - 1n, text: `${network}/${prefix}` }
}

/** Reads an address such as `10.0.0.1` or `fd00::1`, without a prefix length. Throws ADDRESS_INVALID. */
export function parseAddress(text: string): Address {
  const address = text.length > LONGEST ? undefined : read(text)
  if (address !== undefined) return address
  throw new EcdockError('ADDRESS_INVALID', 'parse address', `${quoted(text)} is not an IP address`, {
    hint: 'Give an address such as 192.168.123.2 or fd00:1:2:3::2.',
  })
}

/** Reads an address that has its prefix length behind it, such as `10.0.0.1/24`. Throws SUBNET_INVALID. */
export function parseInterfaceAddress(text: string): { address: Address; block: AddressBlock } {
  const block = parseBlock(text)
  return { address: parseAddress(text.slice(0, text.indexOf('/'))), block }
}

/** In canonical form: dotted decimal, and for IPv6 as RFC 5952 says. */
export function formatAddress({ family, number }: Address): string {
  const bytes = Array.from({ length: family === 4 ? 4 : 16 }, (_, index, count = family === 4 ? 4 : 16) =>
    Number((number >> BigInt(8 * (count - 1 - index))) & 0xffn),
  )
  return ipaddr.fromByteArray(bytes).toString()
}

export function contains(block: AddressBlock, { family, number }: Address): boolean {
  return family === block.family && number >= block.first && number <= block.last
}

/** Whether every address of `inner` is in `outer`. */
export function encloses(outer: AddressBlock, inner: AddressBlock): boolean {
  return outer.family === inner.family && inner.first >= outer.first && inner.last <= outer.last
}

export function overlap(one: AddressBlock, other: AddressBlock): boolean {
  return one.family === other.family && one.first <= other.last && other.first <= one.last
}

/** Octal, hexadecimal and short forms of IPv4, and IPv6 with a zone, are none to us: programs disagree about them. */
function read(text: string): Address | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) {
    return { family: 4, number: numberOf(ipaddr.IPv4.parse(text).toByteArray()) }
  }
  if (!text.includes(':') || text.includes('%') || !ipaddr.IPv6.isValid(text)) return undefined
  return { family: 6, number: numberOf(ipaddr.IPv6.parse(text).toByteArray()) }
}

function numberOf(bytes: readonly number[]): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
}
