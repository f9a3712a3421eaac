import { EcdockError } from '../errors.js'
import { addressBytes, addressText } from './ethernet.js'
import { ipv4Bytes, ipv4Text } from './ip.js'
import { within } from './number-range.js'
import { decodePort, encodePort, type PortNumber } from './port-number.js'

/**
 * Which packets a flow is for: those that have all that is given. `{}` is all packets. Fields of ARP go with `dlType`
 * 0x0806, those of ICMPv6 with 0x86dd.
 */
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
  /** ARP opcode, 1 to 255: 1 is a request. */
  arpOp?: number
  /** Sender and target IPv4 address of an ARP message, as `10.0.0.1`. */
  arpSpa?: string
  arpTpa?: string
  /** Type of an ICMPv6 message; OpenFlow 1.0 cannot express it, Open vSwitch's extension can. */
  icmpv6Type?: number
  /** Target of a neighbour solicitation or advertisement, as `2001:db8::a00:1`. With `icmpv6Type` 135 or 136. */
  ndTarget?: string
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
const ANY_NW_PROTO = 1 << 5
const ANY_VLAN_PCP = 1 << 20
/** TP_SRC, TP_DST and NW_TOS. */
const ANY_OF_THE_OTHERS = (1 << 6) | (1 << 7) | (1 << 21)
const NW_SRC_SHIFT = 8
const NW_DST_SHIFT = 14
/** Six bits each: how many of the lowest bits of the IP address do not matter; 32 and more are all. */
const IP_BITS = 63

const ARP = 0x0806
const IPV6 = 0x86dd

/** The ports that a packet can come in by, besides those with a number. */
const IN_PORTS = ['LOCAL'] as const

/** Whether OpenFlow 1.0 has no way to say it. */
export function needsNicira({ icmpv6Type, ndTarget }: FlowMatch): boolean {
  return icmpv6Type !== undefined || ndTarget !== undefined
}

/** What OpenFlow 1.0 can say of a match, as the switch tells it. */
export function shownBy1_0(match: FlowMatch): ToldMatch {
  if (!needsNicira(match)) return match
  const { icmpv6Type: _type, ndTarget: _target, ...rest } = match
  return { ...rest, partial: true }
}

/** The same text for the same match and priority: Open vSwitch has one flow at most of each. */
export function placeOf(match: ToldMatch, priority: number): string {
  const fields = Object.entries(match).filter(([, value]) => value !== undefined)
  return `${priority} ${JSON.stringify(fields.sort(([a], [b]) => (a < b ? -1 : 1)))}`.toLowerCase()
}

/** Throws USAGE for fields of a protocol that the match does not ask for: the switch would pass them over. */
export function checkProtocols({ dlType, arpOp, arpSpa, arpTpa, icmpv6Type, ndTarget }: FlowMatch): void {
  const arp = [arpOp, arpSpa, arpTpa].some((field) => field !== undefined)
  if (arp && dlType !== ARP) throw unasked('fields of ARP', 'dlType 0x0806')
  if (icmpv6Type !== undefined && dlType !== IPV6) throw unasked('icmpv6Type', 'dlType 0x86dd')
  if (ndTarget !== undefined && icmpv6Type !== 135 && icmpv6Type !== 136) {
    throw unasked('ndTarget', 'icmpv6Type 135 or 136')
  }
}

function unasked(what: string, needed: string): EcdockError {
  return new EcdockError('USAGE', 'openflow', `${what} in a match without ${needed}`)
}

/** `struct ofp_match`. Throws USAGE, MAC_INVALID and ADDRESS_INVALID. */
export function encodeMatch(match: FlowMatch): Buffer {
  checkProtocols(match)
  if (needsNicira(match)) {
    throw new EcdockError('USAGE', 'openflow', 'OpenFlow 1.0 cannot express a match of ICMPv6 messages')
  }
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
  if (match.arpOp !== undefined) {
    wildcards &= ~ANY_NW_PROTO
    bytes.writeUInt8(within('ARP opcode', match.arpOp, 1, 255), 25)
  }
  if (match.arpSpa !== undefined) {
    wildcards &= ~(IP_BITS << NW_SRC_SHIFT)
    bytes.set(ipv4Bytes(match.arpSpa), 28)
  }
  if (match.arpTpa !== undefined) {
    wildcards &= ~(IP_BITS << NW_DST_SHIFT)
    bytes.set(ipv4Bytes(match.arpTpa), 32)
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
  const others = (wildcards & ANY_OF_THE_OTHERS) !== ANY_OF_THE_OTHERS
  // What has no tag has no priority in it either; Open vSwitch says so.
  const pcp = (wildcards & ANY_VLAN_PCP) === 0 && match.dlVlan !== 'none'
  if (!decodeNetwork(bytes, at, wildcards, match) || others || pcp) match.partial = true
  return match
}

/** Adds the fields of ARP; false when more is asked for than they can say. */
function decodeNetwork(bytes: Buffer, at: number, wildcards: number, match: ToldMatch): boolean {
  const arp = match.dlType === ARP
  const proto = (wildcards & ANY_NW_PROTO) === 0
  if (proto && arp) match.arpOp = bytes.readUInt8(at + 25)
  let told = arp || !proto
  for (const [field, shift, offset] of [
    ['arpSpa', NW_SRC_SHIFT, 28],
    ['arpTpa', NW_DST_SHIFT, 32],
  ] as const) {
    const ignored = (wildcards >> shift) & IP_BITS
    if (ignored === 0 && arp) match[field] = ipv4Text(bytes, at + offset)
    else if (ignored < 32) told = false
  }
  return told
}
