import { shellQuote } from '../../kernel/shell-quote.js'
import type { OvsdbClient } from '../../ovsdb/client.js'
import { insert, mutate, type Operation, rowIs } from '../../ovsdb/operations.js'
import { named, type Uuid } from '../../ovsdb/value.js'
import type { MadePort } from '../backend.js'
import type { Wiring } from '../wiring.js'
import { PORT_KEYS } from './marks.js'

/** The rows of one port; a row that has come to outlive its device only now gives way in the same transaction. */
export function insertion(client: OvsdbClient, bridge: Uuid, made: MadePort, label: string): Operation[] {
  const { wiring, port } = made
  const columns = portColumns(wiring, port)
  const operations: Operation[] = []
  const old = client.replica.byName('Port', wiring.hostIfname)
  if (old !== undefined) operations.push(mutate('Bridge', rowIs(bridge), { ports: { delete: [old.uuid] } }))
  operations.push(
    insert('Interface', { name: wiring.hostIfname, ...columns.Interface }, `${label}i`),
    insert(
      'Port',
      { name: wiring.hostIfname, interfaces: [named(`${label}i`)], ...columns.Port },
      `${label}p`,
    ),
    mutate('Bridge', rowIs(bridge), { ports: { insert: [named(`${label}p`)] } }),
  )
  return operations
}

/** The ovs-vsctl command that inserts the same rows. */
export function explainPort(name: string, wiring: Wiring, netnsId: number): string {
  const { Interface, Port } = portColumns(wiring, { ifname: wiring.ifname, netnsId })
  const port = wiring.hostIfname
  // A string of OVSDB is written as in JSON (ovs-vsctl(8), "Database Values").
  const ids = (row: { external_ids: Record<string, string> }) =>
    Object.entries(row.external_ids).map(([key, value]) =>
      shellQuote(`external_ids:${key}=${JSON.stringify(value)}`),
    )
  return [
    `ovs-vsctl add-port ${name} ${port}`,
    ['set Interface', port, `ofport_request=${Interface.ofport_request}`, ...ids(Interface)].join(' '),
    ['set Port', port, ...ids(Port)].join(' '),
  ].join(' -- ')
}

/** What the rows of a port say, besides its name: with ovs-docker's keys and vswitch.xml's, and with our own mark. */
function portColumns({ slot, mac, target }: Wiring, port: { ifname: string; netnsId: number }) {
  return {
    Interface: {
      ofport_request: slot,
      external_ids: {
        ...(target.containerId === undefined ? {} : { container_id: target.containerId }),
        container_iface: port.ifname,
        'attached-mac': mac,
      },
    },
    Port: {
      external_ids: {
        [PORT_KEYS.slot]: String(slot),
        [PORT_KEYS.target]: target.label,
        [PORT_KEYS.ifname]: port.ifname,
        [PORT_KEYS.netns]: String(port.netnsId),
      },
    },
  }
}
