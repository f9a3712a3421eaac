import ipaddr from 'ipaddr.js'
import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'

/** A vswitch's IPv4 subnet, together with the switch's own address in it. */
export interface Subnet {
  /** As the user gave it: the switch's own address and the prefix length, such as `10.0.0.254/24`. */
  text: string
  /** The switch's own address, such as `10.0.0.254`. */
  address: string
  /** Prefix length, 8 to 30. */
  prefix: number
  /** The network address, such as `10.0.0.0`. */
  network: string
  /** The network address as an unsigned 32-bit number. */
  networkNumber: number
  /** The slot that the switch's own address occupies, such as 254. */
  ownSlot: number
  /** The highest slot there can be: the host number just below the broadcast address, such as 254. */
  lastSlot: number
}

const OP = 'parse subnet'
const HINT = "Give the switch's own address with its prefix length, such as 10.0.0.254/24."
const LONGEST = '255.255.255.255/32'.length

/**
 * Reads a subnet from the switch's own address in it, such as `10.0.0.254/24`. The prefix length is 8 to 30.
 * Octal, hexadecimal and short forms are refused, because programs disagree about what they mean.
 * Throws SUBNET_INVALID.
 */
export function parseSubnet(text: string): Subnet {
  const { address, prefix } = split(text)
  if (!ipaddr.IPv4.isValidFourPartDecimal(address)) {
    const why = address.includes(':')
      ? 'is IPv6: the subnet of a vswitch is IPv4, and its IPv6 addresses follow from it'
      : 'does not begin with an IPv4 address of four decimal numbers from 0 to 255 without leading zeros'
    throw invalid(text, why)
  }
  if (prefix > 32) throw invalid(text, `has the prefix length ${prefix}: it must be 8 to 30`)
  if (prefix > 30) throw invalid(text, 'holds no hosts besides the switch: the prefix length must be 8 to 30')
  if (prefix < 8) throw invalid(text, `is too large with the prefix length ${prefix}: it must be 8 to 30`)
  const range = unusableRange(address)
  if (range !== undefined) throw invalid(text, `lies in ${range}`)

  const size = 2 ** (32 - prefix)
  const number = ipv4ToNumber(address)
  const ownSlot = number % size
  const networkNumber = number - ownSlot
  if (ownSlot === 0) throw invalid(text, `gives the switch the subnet's network address ${address}`)
  if (ownSlot === size - 1) throw invalid(text, `gives the switch the subnet's broadcast address ${address}`)
  const network = ipv4FromNumber(networkNumber)
  return { text, address, prefix, network, networkNumber, ownSlot, lastSlot: size - 2 }
}

function split(text: string): { address: string; prefix: number } {
  if (typeof text !== 'string' || text.length > LONGEST * 3) throw invalid(text, 'is not a subnet')
  const slash = text.indexOf('/')
  if (slash < 0) throw invalid(text, 'has no prefix length')
  const length = text.slice(slash + 1)
  if (!/^(0|[1-9]\d{0,2})$/.test(length)) {
    throw invalid(text, 'has a prefix length that is not a decimal number from 8 to 30')
  }
  return { address: text.slice(0, slash), prefix: Number(length) }
}

/** Ranges in which no host may have its address. A subnet of /8 or longer never crosses their borders. */
function unusableRange(address: string): string | undefined {
  const first = Number(address.slice(0, address.indexOf('.')))
  if (first === 0) return '0.0.0.0/8, which means "this network" (RFC 1122 section 3.2.1.3)'
  if (first === 127) return '127.0.0.0/8, the loopback (RFC 1122 section 3.2.1.3)'
  if (first >= 240) return '240.0.0.0/4, which is reserved (RFC 1112 section 4)'
  if (first >= 224) return '224.0.0.0/4, which is for multicast (RFC 5771)'
  return undefined
}

function invalid(text: unknown, why: string): EcdockError {
  return new EcdockError('SUBNET_INVALID', OP, `subnet ${quoted(text)} ${why}`, { hint: HINT })
}

/** An IPv4 address in dotted decimal form, which must be valid, as an unsigned 32-bit number. */
export function ipv4ToNumber(address: string): number {
  return ipaddr.IPv4.parse(address).octets.reduce((sum, octet) => sum * 256 + octet, 0)
}

/** An unsigned 32-bit number as an IPv4 address in dotted decimal form. */
export function ipv4FromNumber(number: number): string {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff).join('.')
}
