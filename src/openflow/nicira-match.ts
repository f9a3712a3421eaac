import { addressBytes } from './ethernet.js'
import { ipv4Bytes, ipv6Bytes } from './ip.js'
import { checkProtocols, type FlowMatch } from './match.js'
import { u64, within } from './number-range.js'
import { encodePort } from './port-number.js'

/** Fields of a match (nicira-ext.h of Open vSwitch: NXM_OF_* are vendor 0, NXM_NX_* are vendor 1). */
const IN_PORT = header(0, 0, 2)
const ETH_DST = header(0, 1, 6)
const ETH_SRC = header(0, 2, 6)
const ETH_TYPE = header(0, 3, 2)
const VLAN_TCI = header(0, 4, 2)
const VLAN_TCI_MASKED = header(0, 4, 4, true)
const IP_PROTO = header(0, 6, 1)
const ARP_OP = header(0, 15, 2)
const ARP_SPA = header(0, 16, 4)
const ARP_TPA = header(0, 17, 4)
const ICMPV6_TYPE = header(1, 21, 1)
const ND_TARGET = header(1, 23, 16)
const COOKIE_MASKED = header(1, 30, 16, true)

/** The bit of a TCI that says that there is a tag, and with it the bits of the VLAN id. */
const TAGGED = 0x1000
const TAGGED_VLAN = 0x1fff

const ICMPV6 = 58

/** Which flows a request is for, besides their match: those whose cookie is `cookie` in these bits. */
export interface CookieMatch {
  cookie: bigint
  cookieMask: bigint
}

/**
 * A match, and with `cookies` only flows that have these, as a Nicira extended match: each field behind those that it
 * depends on. Not padded. Throws USAGE, MAC_INVALID and ADDRESS_INVALID.
 */
export function encodeNiciraMatch(match: FlowMatch, cookies?: CookieMatch): Buffer {
  checkProtocols(match)
  const fields: Buffer[] = []
  const field = (header: number, value: Buffer) => fields.push(number(header, 4), value)
  if (match.inPort !== undefined) field(IN_PORT, number(encodePort(match.inPort, ['LOCAL']), 2))
  if (match.dlDst !== undefined) field(ETH_DST, addressBytes(match.dlDst))
  if (match.dlSrc !== undefined) field(ETH_SRC, addressBytes(match.dlSrc))
  if (match.dlType !== undefined) field(ETH_TYPE, number(within('Ethertype', match.dlType, 0, 0xffff), 2))
  if (match.dlVlan === 'none') field(VLAN_TCI, number(0, 2))
  else if (match.dlVlan !== undefined) {
    const tci = TAGGED | within('VLAN', match.dlVlan, 0, 4095)
    field(VLAN_TCI_MASKED, Buffer.concat([number(tci, 2), number(TAGGED_VLAN, 2)]))
  }
  if (match.arpOp !== undefined) field(ARP_OP, number(within('ARP opcode', match.arpOp, 1, 255), 2))
  if (match.arpSpa !== undefined) field(ARP_SPA, ipv4Bytes(match.arpSpa))
  if (match.arpTpa !== undefined) field(ARP_TPA, ipv4Bytes(match.arpTpa))
  if (match.icmpv6Type !== undefined) {
    field(IP_PROTO, number(ICMPV6, 1))
    field(ICMPV6_TYPE, number(within('ICMPv6 type', match.icmpv6Type, 0, 255), 1))
  }
  if (match.ndTarget !== undefined) field(ND_TARGET, ipv6Bytes(match.ndTarget))
  if (cookies !== undefined) field(COOKIE_MASKED, cookieField(cookies))
  return Buffer.concat(fields)
}

function cookieField({ cookie, cookieMask }: CookieMatch): Buffer {
  const bytes = Buffer.alloc(16)
  const mask = u64('cookie mask', cookieMask)
  // Open vSwitch refuses a value with bits that the mask leaves out.
  bytes.writeBigUInt64BE(u64('cookie', cookie) & mask, 0)
  bytes.writeBigUInt64BE(mask, 8)
  return bytes
}

/** NXM_HEADER: vendor, field, whether a mask follows the value, and the length of both in bytes. */
function header(vendor: number, field: number, length: number, masked = false): number {
  return (vendor << 16) | (field << 9) | (masked ? 0x100 : 0) | length
}

function number(value: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  bytes.writeUIntBE(value, 0, length)
  return bytes
}
