import type { Step } from '../../kernel/plan.js'
import { standingNames } from '../names.js'
import { LINK_GROUP } from '../record.js'
import { DEFAULT_MTU, type Wiring } from '../wiring.js'
import { standingNetns } from './standing-ports.js'
import type { OvsSwitch } from './switch.js'

/** The steps that make the pair of a plug, into a slot with a standing port or without one. */
export function pairSteps({ name }: OvsSwitch, wiring: Wiring, isStanding: boolean): Step[] {
  if (!isStanding) return [pair(wiring, '')]
  const { bridge, inner } = standingNames(name, wiring.slot)
  const netns = standingNetns(name)
  return [
    // Somebody may have deleted it: then the plan fails, and `mend` makes the slot usable.
    { op: 'ready', netns, name: inner },
    ...widened(name, wiring),
    pair(wiring, netns, bridge),
  ]
}

/** What the target's end needs besides: a standing port has its checksums filled in elsewhere. */
export function checksumSteps({ usermode }: OvsSwitch, wiring: Wiring, isStanding: boolean): Step[] {
  if (!usermode || isStanding) return []
  return [{ op: 'tx-checksum-off', netns: wiring.target.netns, name: wiring.ifname }]
}

function pair(wiring: Wiring, netns: string, master?: string): Step {
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
