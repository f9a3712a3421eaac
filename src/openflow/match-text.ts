import type { FlowMatch } from './match.js'

/** A match as ovs-ofctl(8) takes it, such as `dl_dst=52:00:0a:00:00:01`. */
export function matchText(match: FlowMatch): string {
  const { inPort, dlSrc, dlDst, dlVlan, dlType, arpOp, arpSpa, arpTpa, icmpv6Type, ndTarget } = match
  const fields: [name: string, value: string | number | undefined][] = [
    ['in_port', inPort],
    ['dl_vlan', dlVlan === 'none' ? '0xffff' : dlVlan],
    ['dl_src', dlSrc],
    ['dl_dst', dlDst],
    ['dl_type', dlType === undefined ? undefined : `0x${dlType.toString(16).padStart(4, '0')}`],
    ['arp_op', arpOp],
    ['arp_spa', arpSpa],
    ['arp_tpa', arpTpa],
    ['nw_proto', icmpv6Type === undefined ? undefined : 58],
    ['icmp_type', icmpv6Type],
    ['nd_target', ndTarget],
  ]
  return fields.flatMap(([name, value]) => (value === undefined ? [] : `${name}=${value}`)).join(',')
}
