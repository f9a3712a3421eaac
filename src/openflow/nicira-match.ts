import { addressBytes } from './ethernet.js'
import type { FlowMatch } from './match.js'
import { u64, within } from './number-range.js'
import { encodePort } from './port-number.js'

/** Fields of a match (nicira-ext.h of Open vSwitch: NXM_OF_* are vendor 0, NXM_NX_* are vendor 1). */
const IN_PORT = header(0, 0, 2)
const ETH_DST = header(0, 1, 6)
const ETH_SRC = header(0, 2, 6)
const ETH_TYPE = header(0, 3, 2)
const VLAN_TCI = header(0, 4, 2)
const VLAN_TCI_MASKED = header(0, 4, 4, true)
const COOKIE_MASKED = header(1, 30, 16, true)

/** The bit of a TCI that says that there is a tag, and with it the bits of the VLAN id. */
const TAGGED = 0x1000
const TAGGED_VLAN = 0x1fff

/**
 * The same packets as encodeMatch's, and only flows whose cookie is `cookie` in the bits of `cookieMask`, as
 * a Nicira extended match. Not padded. Throws USAGE and MAC_INVALID.
 */
export function encodeNiciraMatch(match: FlowMatch, cookie: bigint, cookieMask: bigint): Buffer {
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
  const cookies = Buffer.alloc(16)
  const mask = u64('cookie mask', cookieMask)
  // Open vSwitch refuses a value with bits that the mask leaves out.
  cookies.writeBigUInt64BE(u64('cookie', cookie) & mask, 0)
  cookies.writeBigUInt64BE(mask, 8)
  field(COOKIE_MASKED, cookies)
  return Buffer.concat(fields)
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
