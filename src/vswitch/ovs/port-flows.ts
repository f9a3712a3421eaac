import type { EcdockError } from '../../errors.js'
import type { MadePort } from '../backend.js'
import { flowOf } from './neighbours.js'
import type { OpenVswitch } from './open-vswitch.js'
import { ownPort, requireBridge } from './own-rows.js'
import { hasSlotFlow } from './port-rows.js'
import { slotsInRows } from './slots-in-rows.js'

/** What was wrong with a port, or undefined. */
export type Verdicts = Map<MadePort, EcdockError | undefined>

/** Sets the flows of ports, and takes those that have VLANs out of the reach of such flows. */
export async function setFlows(
  ovs: OpenVswitch,
  name: string,
  made: readonly MadePort[],
  signal: AbortSignal | undefined,
): Promise<Verdicts> {
  const flowing = made.filter(({ wiring }) => hasSlotFlow(wiring))
  const confined = made.filter(({ wiring }) => !hasSlotFlow(wiring))
  const freed = flowing.map(({ wiring }) => wiring.slot).filter((slot) => isConfined(ovs, name, slot))
  const flowsOf = (some: readonly MadePort[]) => some.map(({ wiring }) => flowOf(ovs.client, name, wiring))
  const [errors, confinements, unfreed] = await Promise.all([
    ovs.flows(name).set(flowsOf(flowing), signal),
    ovs.flows(name).confine(flowsOf(confined)),
    ovs.flows(name).setFree(freed),
  ])
  const verdicts: Verdicts = new Map()
  for (const [at, port] of flowing.entries()) {
    verdicts.set(port, errors[at] ?? (freed.includes(port.wiring.slot) ? unfreed : undefined))
  }
  for (const [at, port] of confined.entries()) verdicts.set(port, confinements[at])
  return verdicts
}

/**
 * Removes the flows of slots that have no rows now, whoever has written them; those of others stay, as their rows do. What
 * the bridge does not answer to is left to it: without vswitchd there are no flows.
 */
export async function removeFlows(ovs: OpenVswitch, name: string, ports: readonly MadePort[]): Promise<void> {
  const { client } = ovs
  if (client.replica.byName('Bridge', name) === undefined) return
  const kept = new Set(Array.from(slotsInRows(client, name), ({ slot }) => slot))
  const gone = ports.map(({ wiring }) => wiring).filter(({ slot }) => !kept.has(slot))
  const [flowing, confined] = [gone.filter(hasSlotFlow), gone.filter((wiring) => !hasSlotFlow(wiring))]
  await Promise.allSettled([
    ovs.flows(name).remove(flowing.map((wiring) => flowOf(client, name, wiring))),
    ovs.flows(name).setFree(confined.map(({ slot }) => slot)),
  ])
}

/** Its rows say so as long as they have not been rewritten. */
function isConfined({ client }: OpenVswitch, name: string, slot: number): boolean {
  return ownPort(client, requireBridge(client, name), slot)?.vlan_mode !== undefined
}
