import { shellQuote } from '../../kernel/shell-quote.js'
import type { OvsdbClient } from '../../ovsdb/client.js'
import { insert, mutate, type Operation, rowIs, update } from '../../ovsdb/operations.js'
import { named } from '../../ovsdb/value.js'
import type { Wiring } from '../wiring.js'
import { PORT_KEYS } from './marks.js'
import { type BridgeRow, ownPort } from './own-rows.js'

/** What a slot's rows are made of. They outlive what is plugged in, so they say nothing about it. */
export type SlotConfiguration = Pick<Wiring, 'slot' | 'hostIfname' | 'mac'>

/**
 * What writes the rows of a slot; nothing when they are there as they should be. Rows that are there under the name but
 * are not ours are left alone, and the server refuses the insertion.
 */
export function slotRows(
  client: OvsdbClient,
  bridge: BridgeRow,
  slot: SlotConfiguration,
  label: string,
): Operation[] {
  const wanted = portColumns(slot)
  const port = ownPort(client, bridge, slot.slot)
  const own = port && client.replica.byName('Interface', slot.hostIfname)
  if (port === undefined || own === undefined) {
    return [
      insert('Interface', { name: slot.hostIfname, ...wanted.Interface }, `${label}i`),
      insert(
        'Port',
        { name: slot.hostIfname, interfaces: [named(`${label}i`)], ...wanted.Port },
        `${label}p`,
      ),
      mutate('Bridge', rowIs(bridge.uuid), { ports: { insert: [named(`${label}p`)] } }),
    ]
  }
  const operations: Operation[] = []
  if (!agrees(own, wanted.Interface)) operations.push(update('Interface', rowIs(own.uuid), wanted.Interface))
  if (!agrees(port, wanted.Port)) operations.push(update('Port', rowIs(port.uuid), wanted.Port))
  return operations
}

/** The ovs-vsctl command that writes the same rows. */
export function explainPort(name: string, wiring: SlotConfiguration): string {
  const { Interface, Port } = portColumns(wiring)
  const port = wiring.hostIfname
  // A string of OVSDB is written as in JSON (ovs-vsctl(8), "Database Values").
  const ids = (row: { external_ids: Record<string, string> }) =>
    Object.entries(row.external_ids).map(([key, value]) =>
      shellQuote(`external_ids:${key}=${JSON.stringify(value)}`),
    )
  return [
    `ovs-vsctl --may-exist add-port ${name} ${port}`,
    ['set Interface', port, `ofport_request=${Interface.ofport_request}`, ...ids(Interface)].join(' '),
    ['set Port', port, ...ids(Port)].join(' '),
  ].join(' -- ')
}

/** What the rows of a slot say, besides its name: with vswitch.xml's keys, and with our own mark. */
export function portColumns({ slot, mac }: SlotConfiguration) {
  return {
    Interface: { ofport_request: slot, external_ids: { 'attached-mac': mac } },
    Port: { external_ids: { [PORT_KEYS.slot]: String(slot) } },
  }
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
