import { linkLocal } from '../../addressing/link-local.js'
import { IPV6_MIN_MTU } from '../../addressing/mtu.js'
import type { Step, VethStep } from '../../kernel/plan.js'
import { standingNames } from '../names.js'
import { LINK_GROUP } from '../record.js'
import { DEFAULT_MTU, type Wiring } from '../wiring.js'
import { withoutIpv6 } from './host-end.js'
import { standingNetns } from './standing-ports.js'
import type { OvsSwitch } from './switch.js'

/** The steps that make the pair of a plug, into a slot with a standing port or without one. */
export function pairSteps({ name, hasIpv6 }: OvsSwitch, wiring: Wiring, isStanding: boolean): Step[] {
  if (!isStanding) {
    const silent = hasIpv6 && wiring.mtu >= IPV6_MIN_MTU ? [withoutIpv6(wiring.hostIfname)] : []
    return [{ ...pair(wiring, ''), up: false }, ...silent]
  }
  const { bridge, inner } = standingNames(name, wiring.slot)
  const netns = standingNetns(name)
  return [
    // Somebody may have deleted it: then the plan fails, and `mend` makes the slot usable.
    { op: 'ready', netns, name: inner },
    ...widened(name, wiring),
    pair(wiring, netns, bridge),
  ]
}

/** What the target's end needs after it has its addresses. */
export function finishSteps(sw: OvsSwitch, wiring: Wiring, isStanding: boolean): Step[] {
  return [...checksumSteps(sw, wiring, isStanding), ...linkLocalSteps(sw, wiring)]
}

/** A standing port has its checksums filled in elsewhere. */
export function checksumSteps({ usermode }: OvsSwitch, wiring: Wiring, isStanding: boolean): Step[] {
  if (!usermode || isStanding) return []
  return [{ op: 'tx-checksum-off', netns: wiring.target.netns, name: wiring.ifname }]
}

/** Whoever sets one of these wants the link-local address to be found in his own way. */
const LINK_LOCAL_SETTINGS = /\/(accept_dad|addr_gen_mode|dad_transmits)$/

/**
 * The link-local address that the kernel would give the interface, without asking all others whether they have it (RFC
 * 4862 section 5.4), which the userspace datapath would copy to every port. It follows from the MAC, as the others follow
 * from the slot, and as these it can be used at once.
 */
function linkLocalSteps({ usermode }: OvsSwitch, { target, ifname, mac, ipv6, sysctls }: Wiring): Step[] {
  if (!usermode || !ipv6 || sysctls.some(({ key }) => LINK_LOCAL_SETTINGS.test(key))) return []
  return [{ op: 'address', netns: target.netns, name: ifname, address: linkLocal(mac), prefix: 64 }]
}

function pair(wiring: Wiring, netns: string, master?: string): VethStep {
  return {
    op: 'veth',
    netns,
    name: wiring.hostIfname,
    ...(master !== undefined && { master }),
    group: LINK_GROUP,
    alias: wiring.alias,
    mtu: wiring.mtu,
    peer: { netns: wiring.target.netns, name: wiring.ifname, mac: wiring.mac, mtu: wiring.mtu },
  }
}

/** A standing port is made for frames of the usual size. */
function widened(name: string, { slot, mtu }: Wiring): Step[] {
  if (mtu <= DEFAULT_MTU) return []
  const names = standingNames(name, slot)
  const netns = standingNetns(name)
  return [
    { op: 'link', netns: '', name: names.port, mtu },
    { op: 'link', netns, name: names.inner, mtu },
    { op: 'link', netns, name: names.bridge, mtu },
  ]
}
