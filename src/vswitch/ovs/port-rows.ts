import type { OvsdbClient } from '../../ovsdb/client.js'
import { insert, mutate, type Operation, rowIs, update } from '../../ovsdb/operations.js'
import { named } from '../../ovsdb/value.js'
import { standingNames } from '../names.js'
import type { Wiring } from '../wiring.js'
import { PORT_KEYS } from './marks.js'
import { followingMirrors } from './mirror-rows.js'
import { type BridgeRow, ownPort, type PortRow, standingPort } from './own-rows.js'

/** What a slot's rows are made of. They outlive what is plugged in, so they say nothing about it. */
export type SlotConfiguration = Pick<Wiring, 'slot' | 'hostIfname' | 'mac'> &
  Partial<Pick<Wiring, 'vlan' | 'policing' | 'dualNic'>>

/**
 * What makes the rows of a slot say what they should; nothing when they do. A slot without rows gets those of a port that
 * is an end of the target's own pair. Rows that are there under the name but are not ours are left alone: the server then
 * refuses the insertion.
 */
export function slotRows(
  client: OvsdbClient,
  bridge: BridgeRow,
  slot: SlotConfiguration,
  label: string,
): Operation[] {
  const port = ownPort(client, bridge, slot.slot)
  return port === undefined
    ? insertion(client, bridge, slot.hostIfname, slot, label)
    : changes(client, port, slot)
}

/** As {@link slotRows}, of a standing port. */
export function standingRows(
  client: OvsdbClient,
  bridge: BridgeRow,
  slot: SlotConfiguration,
  label: string,
): Operation[] {
  const port = standingPort(client, bridge, slot.slot)
  return port === undefined
    ? insertion(client, bridge, standingNames(bridge.name, slot.slot).port, slot, label)
    : changes(client, port, slot)
}

function insertion(
  client: OvsdbClient,
  bridge: BridgeRow,
  name: string,
  slot: SlotConfiguration,
  label: string,
): Operation[] {
  const { Interface, Port } = portColumns(slot)
  return [
    insert('Interface', { name, ...filled(Interface) }, `${label}i`),
    insert('Port', { name, interfaces: [named(`${label}i`)], ...filled(Port) }, `${label}p`),
    mutate('Bridge', rowIs(bridge.uuid), { ports: { insert: [named(`${label}p`)] } }),
    ...followingMirrors(client, bridge, slot.slot, named(`${label}p`)),
  ]
}

function changes(client: OvsdbClient, port: PortRow, slot: SlotConfiguration): Operation[] {
  const wanted = portColumns(slot)
  const own = client.replica.byName('Interface', port.name)
  const operations: Operation[] = []
  if (own !== undefined && !agrees(own, wanted.Interface))
    operations.push(update('Interface', rowIs(own.uuid), wanted.Interface))
  if (!agrees(port, wanted.Port)) operations.push(update('Port', rowIs(port.uuid), wanted.Port))
  return operations
}

/** Whether frames for the slot are sent to it by a flow of its own, which would pass VLANs over (docs/openflow.md). */
export function hasSlotFlow({ vlan }: Pick<SlotConfiguration, 'vlan'>): boolean {
  return vlan === undefined
}

/**
 * What the rows of a slot say, besides its name: with vswitch.xml's keys, and with our own mark. Every column is there
 * that an earlier plug may have set.
 */
export function portColumns({ slot, mac, vlan, policing, dualNic }: SlotConfiguration) {
  return {
    Interface: {
      ofport_request: slot,
      ingress_policing_rate: policing?.rate ?? 0,
      ingress_policing_burst: policing?.burst ?? 0,
      external_ids: { 'attached-mac': mac },
    },
    Port: {
      tag: vlan?.tag,
      trunks: vlan?.trunks ?? [],
      vlan_mode: vlan?.mode,
      // The target bridges its two interfaces, which is a loop. Neither is flooded to, but an ovs-vswitchd that is started
      // anew has forgotten that; between protected ports it passes nothing even so (vswitch.xml, Port.protected).
      ...(dualNic === true && { protected: true }),
      external_ids: { [PORT_KEYS.slot]: String(slot) },
    },
  }
}

/** The columns that are not as a new row has them anyway (RFC 7047 section 5.2.1): most are, and the server reads each. */
function filled<Columns extends object>(columns: Columns): Partial<Columns> {
  const isFilled = (value: unknown) =>
    value !== undefined && value !== 0 && !(Array.isArray(value) && value.length === 0)
  return Object.fromEntries(
    Object.entries(columns).filter(([, value]) => isFilled(value)),
  ) as Partial<Columns>
}

/** Whether the row has these columns already. */
function agrees(row: object, wanted: object): boolean {
  return Object.entries(wanted).every(([column, value]) => same(row[column as keyof typeof row], value))
}

/** A column of the replica against what is to be written: a map there is an object here, a set an array. */
function same(present: unknown, wanted: unknown): boolean {
  if (present instanceof Map) {
    const entries = Object.entries(wanted as object)
    return present.size === entries.length && entries.every(([key, value]) => present.get(key) === value)
  }
  if (present instanceof Set) {
    const values = Array.isArray(wanted) ? wanted : [wanted]
    return present.size === values.length && values.every((value) => present.has(value))
  }
  // An optional column that is to be empty is written as an empty set.
  if (Array.isArray(wanted)) return wanted.length === 0 ? present === undefined : present === wanted[0]
  return present === wanted
}
