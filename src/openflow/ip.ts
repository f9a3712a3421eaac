import ipaddr from 'ipaddr.js'
import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'

/** The longest text of an IPv6 address that makes sense. */
const LONGEST = 45

/** The four bytes of an address such as `10.0.0.1`. Throws ADDRESS_INVALID. */
export function ipv4Bytes(text: string): Buffer {
  if (typeof text !== 'string' || text.length > LONGEST || !ipaddr.IPv4.isValidFourPartDecimal(text)) {
    throw invalid('IPv4', text, '10.0.0.1')
  }
  return Buffer.from(ipaddr.IPv4.parse(text).toByteArray())
}

/** The address at this offset. */
export function ipv4Text(bytes: Buffer, at: number): string {
  return bytes.subarray(at, at + 4).join('.')
}

/** The 16 bytes of an address such as `2001:db8::a00:1`. Throws ADDRESS_INVALID. */
export function ipv6Bytes(text: string): Buffer {
  if (
    typeof text !== 'string' ||
    text.length > LONGEST ||
    text.includes('%') ||
    !text.includes(':') ||
    !ipaddr.IPv6.isValid(text)
  ) {
    throw invalid('IPv6', text, '2001:db8::a00:1')
  }
  return Buffer.from(ipaddr.IPv6.parse(text).toByteArray())
}

function invalid(family: string, text: unknown, example: string): EcdockError {
  return new EcdockError('ADDRESS_INVALID', 'openflow', `${family} address ${quoted(text)} is not one`, {
    hint: `Give an address such as ${example}.`,
  })
}
