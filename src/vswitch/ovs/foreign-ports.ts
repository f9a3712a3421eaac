import type { OvsdbClient } from '../../ovsdb/client.js'
import type { ForeignPorts } from '../backend.js'
import { slotOfHostIfname } from '../names.js'
import { secondIfname, secondOfport } from '../second-nic.js'
import { INTERNAL_KEYS } from './internal-rows.js'
import { PORT_KEYS } from './marks.js'
import { type BridgeRow, ownPort } from './own-rows.js'

/** Ports that are not ours or are internal ones, by the slots that they keep from us: by their number, or by their name. */
export function foreignPorts(client: OvsdbClient, bridge: BridgeRow): ForeignPorts {
  let holders: Map<number, string> | undefined
  const all = () => {
    holders ??= find(client, bridge)
    return holders
  }
  return {
    // To look through all ports is not needed for a slot whose rows are there.
    get: (slot) => (ownPort(client, bridge, slot) === undefined ? all().get(slot) : undefined),
    slots: () => all().keys(),
  }
}

function find(client: OvsdbClient, bridge: BridgeRow): Map<number, string> {
  const holders = new Map<number, string>()
  for (const port of client.replica.rows('Port')) {
    const here = bridge.ports.has(port.uuid)
    if (here && port.external_ids.has(PORT_KEYS.slot)) continue
    const internal = here ? port.external_ids.get(INTERNAL_KEYS.slot) : undefined
    if (internal !== undefined) {
      const slot = Number(internal)
      const second = port.name === secondIfname(bridge.name, slot)
      if (second) holders.set(secondOfport(slot), `the second interface of slot ${slot}`)
      else holders.set(slot, port.external_ids.get(INTERNAL_KEYS.target) ?? '')
      continue
    }
    const named = slotOfHostIfname(bridge.name, port.name)
    if (named !== undefined) holders.set(named, `a port ${port.name} of Open vSwitch that is not ours`)
    for (const uuid of here ? port.interfaces : []) {
      const row = client.replica.get('Interface', uuid)
      if (row?.ofport !== undefined && row.ofport > 0)
        holders.set(row.ofport, `the port ${row.name}, which is not ours`)
    }
  }
  return holders
}
