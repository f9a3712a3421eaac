import type { SlotFlow } from '../../openflow/slot-flows.js'
import type { OvsdbClient } from '../../ovsdb/client.js'
import { secondOfport } from '../second-nic.js'
import { INTERNAL_KEYS, internalRows } from './internal-rows.js'
import { PORT_KEYS } from './marks.js'
import { flowOf } from './neighbours.js'
import { ownPort } from './own-rows.js'

/** A slot as its rows tell it, with what its flows should be. */
export interface SlotInRows extends SlotFlow {
  /** It has a VLAN, so that it has no slot flow, and one of its own that heeds VLANs. */
  confined: boolean
  /** OpenFlow ports that are not to be flooded to. */
  quiet: number[]
}

/** The slots of a bridge that have rows of ours. Found one by one: who needs one of them need not wait for all. */
export function* slotsInRows(client: OvsdbClient, name: string): Generator<SlotInRows> {
  const { replica } = client
  const bridge = replica.byName('Bridge', name)
  for (const uuid of bridge?.ports ?? []) {
    const port = replica.get('Port', uuid)
    const ids = port?.external_ids
    const slot = Number(ids?.get(PORT_KEYS.slot) ?? ids?.get(INTERNAL_KEYS.slot))
    if (bridge === undefined || port === undefined || !(slot > 0)) continue
    const internal = internalRows(client, name, slot)
    if ((ownPort(client, bridge, slot) ?? internal?.first) !== port) continue
    const mac = replica.byName('Interface', port.name)?.external_ids.get('attached-mac')
    if (mac === undefined) continue
    const dualNic = internal?.second !== undefined
    const flow = flowOf(client, name, { mac, slot, vlan: port.vlan_mode, dualNic })
    const quiet = dualNic ? [slot, secondOfport(slot)] : []
    yield { ...flow, confined: port.vlan_mode !== undefined, quiet }
  }
}
