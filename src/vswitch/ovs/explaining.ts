import { existsSync } from 'node:fs'
import { explainSteps } from '../../kernel/explain.js'
import type { PlugExplanation, Surroundings } from '../backend.js'
import { standingNames, vswitchNetns } from '../names.js'
import type { Wiring } from '../wiring.js'
import { addFlow, addPort, changePort, confine, setFree, setSlot } from './commands.js'
import { databaseMark } from './marks.js'
import { flowOf, ownFlows } from './neighbours.js'
import { directPort, ownPort, type PortRow, requireBridge, standingPort } from './own-rows.js'
import { finishSteps, pairSteps } from './plug-steps.js'
import { hasSlotFlow, standingRows } from './port-rows.js'
import { slotsInRows } from './slots-in-rows.js'
import { isWhole, standingNetns, standingNetnsSteps, standingPlan } from './standing-ports.js'
import type { OvsSwitch } from './switch.js'

/** What a plug does to the slot, and which interfaces it makes there, as things are now. */
export async function explainPlug(
  sw: OvsSwitch,
  wiring: Wiring,
  around: Surroundings,
): Promise<PlugExplanation> {
  const { client } = sw.ovs
  const { slot } = wiring
  const bridge = requireBridge(client, sw.name)
  const standing = standingPort(client, bridge, slot)
  const used = directPort(client, bridge, slot)
  if (standing !== undefined && (await isWhole(around.kernel, sw.name, slot))) {
    const changed = standingRows(client, bridge, wiring, '').length > 0
    return intoStanding(sw, wiring, changed ? [changePort(standing.name, wiring)] : [], standing)
  }
  if (standing === undefined && used !== undefined) {
    return intoStanding(sw, wiring, madeStanding(sw, wiring, used, around), used)
  }
  return {
    before: await explainRelease(sw, slot, around),
    interfaces: pairSteps(sw, wiring, false),
    finish: finishSteps(sw, wiring, false),
    after: [...explainFlows(sw, wiring), addPort(sw.name, wiring.hostIfname, wiring)],
  }
}

/** The commands that forget a slot, as `release` does; none when nothing is kept of it. */
export async function explainRelease(
  sw: OvsSwitch,
  slot: number,
  { kernel }: Pick<Surroundings, 'kernel'>,
): Promise<string[]> {
  const { client } = sw.ovs
  const kept = ownPort(client, requireBridge(client, sw.name), slot)
  if (kept === undefined) return []
  const commands = [`ovs-vsctl del-port ${sw.name} ${kept.name}`]
  const { port, bridge } = standingNames(sw.name, slot)
  const netns = standingNetns(sw.name)
  const [outer] = await kernel.linksByName('', [port])
  const [inner] = await kernel.linksByName(netns, [bridge]).catch(() => [])
  if (outer !== undefined) commands.push(`ip link delete dev ${port}`)
  if (inner !== undefined) commands.push(`ip -n ${vswitchNetns(sw.name)} link delete dev ${bridge}`)
  if (kept.vlan_mode !== undefined) commands.push(setFree(sw.name, slot))
  return commands
}

/** A standing port forwards as soon as something is connected to it, so all that concerns it comes before. */
function intoStanding(
  sw: OvsSwitch,
  wiring: Wiring,
  ready: readonly string[],
  before: PortRow,
): PlugExplanation {
  const freed = hasSlotFlow(wiring) && before.vlan_mode !== undefined ? [setFree(sw.name, wiring.slot)] : []
  return {
    before: [...ready, ...freed, ...explainFlows(sw, wiring)],
    interfaces: pairSteps(sw, wiring, true),
    finish: finishSteps(sw, wiring, true),
    after: [],
  }
}

/** A standing port in place of the end of a pair that was here before: vswitchd would go on reading from that one. */
function madeStanding(sw: OvsSwitch, wiring: Wiring, used: PortRow, { hasIpv6 }: Surroundings): string[] {
  const { name, usermode } = sw
  const ovsdb = databaseMark(sw.ovs.client)
  const netns = existsSync(standingNetns(name)) ? [] : standingNetnsSteps(name, ovsdb, hasIpv6)
  const { port } = standingNames(name, wiring.slot)
  return [
    ...explainSteps(netns),
    ...explainSteps(standingPlan(name, wiring.slot, { usermode, ovsdb, hasIpv6 }).steps),
    addPort(name, port, wiring, used.name),
  ]
}

/** The commands for the flows of a slot, and for those of the bridge itself when it is the first one. */
export function explainFlows({ ovs, name }: OvsSwitch, wiring: Wiring): string[] {
  const { client } = ovs
  const flow = flowOf(client, name, wiring)
  const isFirst = slotsInRows(client, name).next().done === true
  const own = isFirst ? ownFlows(client, name) : []
  return [
    ...(hasSlotFlow(wiring) ? setSlot(name, flow) : confine(name, flow)),
    ...own.map((each) => addFlow(name, each)),
  ]
}
