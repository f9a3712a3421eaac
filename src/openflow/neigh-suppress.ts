import type { Output } from './action.js'
import { DEFAULT_PRIORITY } from './flow-mod.js'
import { ipv6Bytes } from './ip.js'
import type { FlowMatch } from './match.js'
import type { OwnFlow } from './own-flow.js'
import type { PortNumber } from './port-number.js'

/** By which addresses others look for who is at a port (ARP, RFC 826; neighbour discovery, RFC 4861). */
export interface NeighbourAddresses {
  ipv4: string
  ipv6: string
  /** The IPv6 address that its MAC gives it. */
  linkLocal: string
}

/** Below ovs-ofctl's default, so that flows that a user sets come first; and below what keeps slots to their VLANs. */
export const SOLICITATION_PRIORITY = DEFAULT_PRIORITY - 2
/** What goes to all nevertheless. */
export const EXCEPTION_PRIORITY = DEFAULT_PRIORITY - 1

/** Frames with a VLAN are left alone: the same address can mean somebody else there. */
const UNTAGGED = { dlVlan: 'none' } as const
const ARP_REQUEST: FlowMatch = {
  ...UNTAGGED,
  dlDst: 'ff:ff:ff:ff:ff:ff',
  dlType: 0x0806,
  arpOp: 1,
}
const IPV6: FlowMatch = { ...UNTAGGED, dlType: 0x86dd }
const ROUTER_SOLICITATION = 133
const NEIGHBOUR_SOLICITATION = 135
/** Where ff02::2 (all routers) and ff02::16 (all MLDv2 routers) lead (RFC 2464 section 7, RFC 3810 section 5.2.14). */
const ALL_ROUTERS = '33:33:00:00:00:02'
const MLDV2_ROUTERS = '33:33:00:00:00:16'

/**
 * Lets what asks for these addresses go to this port alone: ARP requests, and solicitations of the IPv6 address. Who tells
 * all others that an address is theirs (a gratuitous ARP request: RFC 5227 section 3) is heard by all.
 */
export function addressFlows(port: PortNumber, { ipv4, ipv6 }: NeighbourAddresses): OwnFlow[] {
  return [
    {
      match: { ...ARP_REQUEST, arpTpa: ipv4 },
      priority: SOLICITATION_PRIORITY,
      actions: [{ output: port }],
    },
    {
      match: { ...ARP_REQUEST, arpSpa: ipv4, arpTpa: ipv4 },
      priority: EXCEPTION_PRIORITY,
      actions: [{ output: 'NORMAL' }],
    },
    solicitations(port, ipv6),
  ]
}

/** Those of the address that goes with the MAC. */
export function linkLocalFlow(port: PortNumber, { linkLocal }: NeighbourAddresses): OwnFlow {
  return solicitations(port, linkLocal)
}

/** All that lets nobody but this port be asked for these addresses. */
export function neighbourFlows(port: PortNumber, addresses: NeighbourAddresses): OwnFlow[] {
  return [...addressFlows(port, addresses), linkLocalFlow(port, addresses)]
}

/**
 * What there is once on a switch: its own MAC and addresses lead to it (`LOCAL`) alone, as those of a slot to the slot.
 * What each interface says to all routers as it comes up, unasked, goes to the switch and to its uplink, and to no slot:
 * router solicitations and MLDv2 reports. By the uplink come the questions of stations whose places the switch has to learn;
 * only NORMAL learns, so these go on as before.
 */
export function switchFlows(mac: string, addresses: NeighbourAddresses, uplink: number): OwnFlow[] {
  return [
    {
      match: { ...UNTAGGED, dlDst: mac },
      priority: SOLICITATION_PRIORITY,
      actions: [{ output: 'LOCAL' }],
    },
    ...neighbourFlows('LOCAL', addresses),
    routerSolicitationFlow(uplink),
    {
      match: { ...IPV6, dlDst: MLDV2_ROUTERS },
      priority: SOLICITATION_PRIORITY,
      actions: toRouters(uplink),
    },
    {
      match: { ...ARP_REQUEST, inPort: uplink },
      priority: EXCEPTION_PRIORITY,
      actions: [{ output: 'NORMAL' }],
    },
    {
      match: { ...IPV6, inPort: uplink, icmpv6Type: NEIGHBOUR_SOLICITATION },
      priority: EXCEPTION_PRIORITY,
      actions: [{ output: 'NORMAL' }],
    },
  ]
}

/** Lets router solicitations go to the switch and to its uplink, and to no slot. */
export function routerSolicitationFlow(uplink: number): OwnFlow {
  return {
    match: { ...IPV6, dlDst: ALL_ROUTERS, icmpv6Type: ROUTER_SOLICITATION },
    priority: SOLICITATION_PRIORITY,
    actions: toRouters(uplink),
  }
}

function toRouters(uplink: number): Output[] {
  return [{ output: 'LOCAL' }, { output: uplink }]
}

/** Solicitations that go to the group of an address; those that go to its MAC go there anyway. */
function solicitations(port: PortNumber, ipv6: string): OwnFlow {
  return {
    match: {
      ...IPV6,
      dlDst: solicitedNode(ipv6),
      icmpv6Type: NEIGHBOUR_SOLICITATION,
      // Other addresses, which nobody here knows of, can have the same group.
      ndTarget: ipv6,
    },
    priority: SOLICITATION_PRIORITY,
    actions: [{ output: port }],
  }
}

/** Where ff02::1:ff00:0 and the last three bytes of the address lead (RFC 4291 section 2.7.1, RFC 2464 section 7). */
function solicitedNode(ipv6: string): string {
  const last = [...ipv6Bytes(ipv6).subarray(13)]
  return ['33', '33', 'ff', ...last.map((byte) => byte.toString(16).padStart(2, '0'))].join(':')
}
