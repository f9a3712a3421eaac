import { EcdockError } from '../../errors.js'
import type { OvsdbClient } from '../../ovsdb/client.js'
import type { ReplicaRow } from '../../ovsdb/replica.js'
import type { KeptSlot } from '../backend.js'
import { hostIfname, standingNames } from '../names.js'
import { PORT_KEYS } from './marks.js'

export type BridgeRow = ReplicaRow<'Bridge'>
export type PortRow = ReplicaRow<'Port'>

/** Throws VSWITCH_NOT_FOUND. */
export function requireBridge(client: OvsdbClient, name: string): BridgeRow {
  const bridge = client.replica.byName('Bridge', name)
  if (bridge !== undefined) return bridge
  throw new EcdockError('VSWITCH_NOT_FOUND', 'ovs', `Open vSwitch has no bridge ${name}`, {
    hint: 'If it was deleted, "ecdock-fast cleanup" removes what is left of it; "ecdock-fast ls" shows the vswitches.',
  })
}

/** The Port row of this slot that we have written: undefined when there is none, or somebody else's. */
export function ownPort(client: OvsdbClient, bridge: BridgeRow, slot: number): PortRow | undefined {
  return standingPort(client, bridge, slot) ?? directPort(client, bridge, slot)
}

/** The row of a port that stays when nothing is plugged in. */
export function standingPort(client: OvsdbClient, bridge: BridgeRow, slot: number): PortRow | undefined {
  return ours(client, bridge, standingNames(bridge.name, slot).port)
}

/** The row of a port that is an end of the target's own pair. */
export function directPort(client: OvsdbClient, bridge: BridgeRow, slot: number): PortRow | undefined {
  return ours(client, bridge, hostIfname(bridge.name, slot))
}

function ours(client: OvsdbClient, bridge: BridgeRow, name: string): PortRow | undefined {
  const port = client.replica.byName('Port', name)
  return port !== undefined && bridge.ports.has(port.uuid) && port.external_ids.has(PORT_KEYS.slot)
    ? port
    : undefined
}

/** The slots of a bridge that have rows of ours. */
export function keptSlots(client: OvsdbClient, bridge: BridgeRow): Map<number, KeptSlot> {
  const slots = new Map<number, KeptSlot>()
  for (const uuid of bridge.ports) {
    const port = client.replica.get('Port', uuid)
    const slot = Number(port?.external_ids.get(PORT_KEYS.slot))
    if (port === undefined || !(slot > 0) || ownPort(client, bridge, slot) !== port) continue
    const ofport = client.replica.byName('Interface', port.name)?.ofport
    slots.set(slot, ofport === undefined ? {} : { ofport })
  }
  return slots
}
