import type { OvsdbClient } from '../../ovsdb/client.js'
import { insert, mutate, type Operation, rowIs } from '../../ovsdb/operations.js'
import { named } from '../../ovsdb/value.js'
import { hostIfname } from '../names.js'
import { secondIfname, secondOfport } from '../second-nic.js'
import type { Wiring } from '../wiring.js'
import { addPortWith } from './commands.js'
import { followingMirrors } from './mirror-rows.js'
import { type PortRow, requireBridge } from './own-rows.js'
import { portColumns } from './port-rows.js'

/**
 * Keys of external_ids that mark the Port rows of internal ports. They are others than those of a slot whose rows stay:
 * these rows are there as long as their device, and say where it is.
 */
export const INTERNAL_KEYS = {
  slot: 'ecdock-fast-internal-slot',
  /** The target, as people name it, and the path of its namespace. */
  target: 'ecdock-fast-target',
  netns: 'ecdock-fast-netns',
} as const

/** What the rows of a slot's internal ports say. */
export interface InternalRows {
  slot: number
  /** The port of the slot's own number; undefined when that is no internal one. */
  first: PortRow | undefined
  /** That of its second interface. */
  second: PortRow | undefined
  target: string
  /** Path of the target's namespace, at the time of the plug. */
  netns: string
}

/** The rows of this slot; undefined when it has no internal ports of ours. */
export function internalRows(client: OvsdbClient, bridge: string, slot: number): InternalRows | undefined {
  const first = ownRow(client, bridge, slot, hostIfname(bridge, slot))
  const second = ownRow(client, bridge, slot, secondIfname(bridge, slot))
  const either = first ?? second
  if (either === undefined) return undefined
  const { target, netns } = INTERNAL_KEYS
  const ids = either.external_ids
  return { slot, first, second, target: ids.get(target) ?? '', netns: ids.get(netns) ?? '' }
}

function ownRow(client: OvsdbClient, bridge: string, slot: number, name: string): PortRow | undefined {
  const port = client.replica.byName('Port', name)
  if (port?.external_ids.get(INTERNAL_KEYS.slot) !== String(slot)) return undefined
  return client.replica.byName('Bridge', bridge)?.ports.has(port.uuid) === true ? port : undefined
}

/** The slots of this bridge that have internal ports, in ascending order. */
export function internalSlots(client: OvsdbClient, bridge: string): number[] {
  const slots = new Set<number>()
  for (const uuid of client.replica.byName('Bridge', bridge)?.ports ?? []) {
    const slot = Number(client.replica.get('Port', uuid)?.external_ids.get(INTERNAL_KEYS.slot))
    if (Number.isSafeInteger(slot) && internalRows(client, bridge, slot) !== undefined) slots.add(slot)
  }
  return [...slots].sort((a, b) => a - b)
}

/** What inserts the rows of a slot's internal ports. */
export function insertion(client: OvsdbClient, bridge: string, wiring: Wiring, label: string): Operation[] {
  const row = requireBridge(client, bridge)
  const rows = rowsOf(bridge, wiring).flatMap(({ name, Interface, Port }, at) => [
    insert('Interface', { name, ...Interface }, `${label}i${at}`),
    insert('Port', { name, interfaces: [named(`${label}i${at}`)], ...Port }, `${label}p${at}`),
    mutate('Bridge', rowIs(row.uuid), { ports: { insert: [named(`${label}p${at}`)] } }),
  ])
  return [...rows, ...followingMirrors(client, row, wiring.slot, named(`${label}p0`))]
}

/** The ovs-vsctl commands that insert the same rows. */
export function explainInternal(bridge: string, wiring: Wiring): string[] {
  return rowsOf(bridge, wiring).map(({ name, ...columns }) => addPortWith(bridge, name, columns))
}

function rowsOf(bridge: string, wiring: Wiring) {
  const { slot, target, internal, dualNic } = wiring
  const mark = {
    [INTERNAL_KEYS.slot]: String(slot),
    [INTERNAL_KEYS.target]: target.label,
    [INTERNAL_KEYS.netns]: target.netns,
  }
  const { Interface, Port } = portColumns(wiring)
  const port = { ...Port, external_ids: mark }
  const first = { name: wiring.hostIfname, Interface: { ...Interface, type: 'internal' }, Port: port }
  const second = {
    name: secondIfname(bridge, slot),
    Interface: { ofport_request: secondOfport(slot), type: 'internal' },
    Port: port,
  }
  return [...(internal ? [first] : []), ...(dualNic ? [second] : [])]
}
