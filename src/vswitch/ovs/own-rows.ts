import { EcdockError } from '../../errors.js'
import type { OvsdbClient } from '../../ovsdb/client.js'
import type { ReplicaRow } from '../../ovsdb/replica.js'
import type { KeptSlot } from '../backend.js'
import { hostIfname, slotOfHostIfname } from '../names.js'
import { PORT_KEYS } from './marks.js'

export type BridgeRow = ReplicaRow<'Bridge'>
export type PortRow = ReplicaRow<'Port'>

/** Throws VSWITCH_NOT_FOUND. */
export function requireBridge(client: OvsdbClient, name: string): BridgeRow {
  const bridge = client.replica.byName('Bridge', name)
  if (bridge !== undefined) return bridge
  throw new EcdockError('VSWITCH_NOT_FOUND', 'ovs', `Open vSwitch has no bridge ${name}`, {
    hint: '"ecdock-fast ls" shows the vswitches.',
  })
}

/** The Port row that we have written for this slot, undefined when there is none, or somebody else's. */
export function ownPort(client: OvsdbClient, bridge: BridgeRow, slot: number): PortRow | undefined {
  const port = client.replica.byName('Port', hostIfname(bridge.name, slot))
  const ours = port !== undefined && bridge.ports.has(port.uuid) && port.external_ids.has(PORT_KEYS.slot)
  return ours ? port : undefined
}

/** The slots of a bridge that have rows of ours. */
export function keptSlots(client: OvsdbClient, bridge: BridgeRow): Map<number, KeptSlot> {
  const slots = new Map<number, KeptSlot>()
  for (const uuid of bridge.ports) {
    const port = client.replica.get('Port', uuid)
    const slot = port === undefined ? undefined : slotOfHostIfname(bridge.name, port.name)
    if (port === undefined || slot === undefined || port.external_ids.get(PORT_KEYS.slot) !== String(slot))
      continue
    const ofport = client.replica.byName('Interface', port.name)?.ofport
    slots.set(slot, ofport === undefined ? {} : { ofport })
  }
  return slots
}
