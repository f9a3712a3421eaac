import { addressBytes, addressText } from './ethernet.js'
import { within } from './number-range.js'
import { decodePort, encodePort, type PortNumber } from './port-number.js'

/** Which packets a flow is for: those that have all that is given. `{}` is all packets. */
export interface FlowMatch {
  inPort?: PortNumber
  /** Source MAC, as `52:00:0a:00:00:01`. */
  dlSrc?: string
  /** Destination MAC. */
  dlDst?: string
  /** VLAN id, 0 to 4095; `none`: without a VLAN tag. */
  dlVlan?: number | 'none'
  /** Ethertype, such as 0x0800. */
  dlType?: number
}

/** A match as the switch tells it. */
export interface ToldMatch extends FlowMatch {
  /** It asks for more, such as IP addresses, than is shown here. */
  partial?: true
}

/** Bytes of `struct ofp_match`. */
export const MATCH_BYTES = 40

/** OFP_VLAN_NONE. */
const VLAN_NONE = 0xffff
/** `enum ofp_flow_wildcards` (OpenFlow 1.0.0 section 5.2.3): a set bit is a field that does not matter. */
const ANY = { inPort: 1 << 0, dlVlan: 1 << 1, dlSrc: 1 << 2, dlDst: 1 << 3, dlType: 1 << 4 } as const
const ANY_AT_ALL = (1 << 22) - 1
/** NW_PROTO, TP_SRC, TP_DST, DL_VLAN_PCP and NW_TOS. */
const ANY_OF_THE_OTHERS = (1 << 5) | (1 << 6) | (1 << 7) | (1 << 20) | (1 << 21)
const NW_SRC_SHIFT = 8
const NW_DST_SHIFT = 14

/** The ports that a packet can come in by, besides those with a number. */
const IN_PORTS = ['LOCAL'] as const

/** `struct ofp_match`. Throws USAGE and MAC_INVALID. */
export function encodeMatch(match: FlowMatch): Buffer {
  const bytes = Buffer.alloc(MATCH_BYTES)
  let wildcards = ANY_AT_ALL
  if (match.inPort !== undefined) {
    wildcards &= ~ANY.inPort
    bytes.writeUInt16BE(encodePort(match.inPort, IN_PORTS), 4)
  }
  if (match.dlSrc !== undefined) {
    wildcards &= ~ANY.dlSrc
    bytes.set(addressBytes(match.dlSrc), 6)
  }
  if (match.dlDst !== undefined) {
    wildcards &= ~ANY.dlDst
    bytes.set(addressBytes(match.dlDst), 12)
  }
  if (match.dlVlan !== undefined) {
    wildcards &= ~ANY.dlVlan
    bytes.writeUInt16BE(match.dlVlan === 'none' ? VLAN_NONE : within('VLAN', match.dlVlan, 0, 4095), 18)
  }
  if (match.dlType !== undefined) {
    wildcards &= ~ANY.dlType
    bytes.writeUInt16BE(within('Ethertype', match.dlType, 0, 0xffff), 22)
  }
  bytes.writeUInt32BE(wildcards, 0)
  return bytes
}

/** The match at this offset, where {@link MATCH_BYTES} must be. */
export function decodeMatch(bytes: Buffer, at: number): ToldMatch {
  const wildcards = bytes.readUInt32BE(at)
  const asksFor = (field: keyof typeof ANY) => (wildcards & ANY[field]) === 0
  const match: ToldMatch = {}
  if (asksFor('inPort')) match.inPort = decodePort(bytes.readUInt16BE(at + 4))
  if (asksFor('dlSrc')) match.dlSrc = addressText(bytes, at + 6)
  if (asksFor('dlDst')) match.dlDst = addressText(bytes, at + 12)
  if (asksFor('dlVlan')) {
    const vlan = bytes.readUInt16BE(at + 18)
    match.dlVlan = vlan === VLAN_NONE ? 'none' : vlan
  }
  if (asksFor('dlType')) match.dlType = bytes.readUInt16BE(at + 22)
  // Six bits each: how many of the lowest bits of the IP address do not matter.
  const asksForIp = [NW_SRC_SHIFT, NW_DST_SHIFT].some((shift) => ((wildcards >> shift) & 63) < 32)
  if (asksForIp || (wildcards & ANY_OF_THE_OTHERS) !== ANY_OF_THE_OTHERS) match.partial = true
  return match
}
