import { linkLocal } from '../../addressing/link-local.js'
import { type SlotAddress, slotAddress, switchAddress } from '../../addressing/slot.js'
import { parseSubnet } from '../../addressing/subnet.js'
import { routerSolicitationFlow, switchFlows } from '../../openflow/neigh-suppress.js'
import type { OwnFlow } from '../../openflow/own-flow.js'
import type { SlotFlow } from '../../openflow/slot-flows.js'
import type { OvsdbClient } from '../../ovsdb/client.js'
import { vswitchRecord } from '../record.js'
import { BRIDGE_KEYS } from './marks.js'
import type { BridgeRow } from './own-rows.js'

/** The OpenFlow port number of the uplink, as ecDock gave it. */
export const UPLINK_OFPORT = 65261

/** A slot of which the flows are to be known. */
export interface FlowingSlot {
  slot: number
  mac: string
  /** Defined when it has one: then its switch is to forward by that alone. */
  vlan?: unknown
  /** Its target bridges two interfaces, by which what is sent to a group would come back. */
  dualNic?: boolean | undefined
}

/** Whether the vswitch was made with `neighSuppress`. */
export function suppressesNeighbours({ external_ids }: Pick<BridgeRow, 'external_ids'>): boolean {
  return external_ids.get(BRIDGE_KEYS.neighSuppress) === 'true'
}

/** What is to be known of a slot of this bridge to set its flows, and to remove them. */
export function flowOf(client: OvsdbClient, bridge: string, slot: FlowingSlot): SlotFlow {
  const { mac, slot: number, vlan, dualNic = false } = slot
  const own = suppressing(client, bridge)
  if (own === undefined) return { mac, slot: number }
  const askedAlone = vlan === undefined && !dualNic
  const addresses = neighbour(slotAddress(own.subnet, number, own.ipv6Prefix), mac)
  return { mac, slot: number, neighbour: { ...addresses, askedAlone } }
}

/**
 * The flows that a bridge is to have besides those of its slots, with one first that has a MAC. The userspace datapath takes
 * so long to copy a frame to every port that no slot hears who looks for a router, which each target does for as long as it
 * finds none.
 */
export function ownFlows(client: OvsdbClient, bridge: string): OwnFlow[] {
  const own = suppressing(client, bridge)
  if (own === undefined) {
    const usermode = client.replica.byName('Bridge', bridge)?.datapath_type === 'netdev'
    return usermode ? [routerSolicitationFlow(UPLINK_OFPORT)] : []
  }
  const address = switchAddress(own.subnet, own.ipv6Prefix)
  return switchFlows(address.mac, neighbour(address, address.mac), UPLINK_OFPORT)
}

function suppressing(client: OvsdbClient, bridge: string) {
  const row = client.replica.byName('Bridge', bridge)
  if (row === undefined || !suppressesNeighbours(row)) return undefined
  const ids = row.external_ids
  const record = vswitchRecord(bridge, ids.get(BRIDGE_KEYS.subnet), ids.get(BRIDGE_KEYS.ipv6Prefix))
  return record && { subnet: parseSubnet(record.subnet), ipv6Prefix: record.ipv6Prefix }
}

function neighbour({ ipv4, ipv6 }: SlotAddress, mac: string) {
  return { ipv4, ipv6, linkLocal: linkLocal(mac) }
}
