import { setTimeout } from 'node:timers/promises'
import { asEcdockError, type EcdockError } from '../../errors.js'
import type { OvsdbClient } from '../../ovsdb/client.js'
import { mutate, rowIs } from '../../ovsdb/operations.js'
import type { MadePort } from '../backend.js'
import { vswitchDeleted } from '../host-side.js'
import { slotTaken } from '../plug-failure.js'
import { foreignPorts } from './foreign-ports.js'
import { flowOf } from './neighbours.js'
import type { OpenVswitch } from './open-vswitch.js'
import { ownPort, type PortRow, requireBridge, standingPort } from './own-rows.js'
import { hasSlotFlow, slotRows } from './port-rows.js'
import { undoMs, undoUnlessRefused } from './undo.js'
import { portError } from './verdict.js'

/** How long the rows wait for the flows, in ms, and how much longer for each port: a vswitchd that hangs answers neither. */
const FLOWS_FIRST_MS = 1000
const FLOWS_FIRST_EACH_MS = 10
/** Ports whose rows do not wait for their flows. */
const MOST_AT_ONCE = 128
/** With so many in all, what the first of them send when they come up does not keep vswitchd from the others. */
const FEW_PORTS = 128
/** With fewer, one transaction more takes vswitchd longer than the kernel needs to make the second half. */
const WORTH_HALVING = 48

type Verdicts = Map<MadePort, EcdockError | undefined>

/**
 * Connects ports to a bridge whose interfaces have just been made. A standing port is connected already; the rows of the
 * others are written, together with what else waits to be written. One answer for each port.
 */
export async function connect(
  ovs: OpenVswitch,
  name: string,
  made: readonly MadePort[],
  signal: AbortSignal | undefined,
): Promise<(EcdockError | undefined)[]> {
  const { client } = ovs
  const bridge = requireBridge(client, name)
  // vswitchd gives a port whose number is taken another one, perhaps that which the next of the batch asks for.
  const foreign = foreignPorts(client, bridge)
  const verdicts: Verdicts = new Map()
  const free: MadePort[] = []
  for (const port of made) {
    const holder = foreign.get(port.wiring.slot)
    if (holder !== undefined) verdicts.set(port, slotTaken(name, port.wiring.slot, holder))
    else free.push(port)
  }
  const { losses } = ovs.flows(name)
  const settingFlows = setFlows(ovs, name, free, signal)
  if (needFlowsFirst(free)) {
    const firstMs = FLOWS_FIRST_MS + FLOWS_FIRST_EACH_MS * free.length
    await Promise.race([settingFlows, setTimeout(firstMs, undefined, { ref: false })])
  }
  const [rows, flowsSet] = await Promise.all([write(ovs, name, free, signal), settingFlows])
  let flows = flowsSet
  const added = free.filter((port) => rows.added.has(port) && rows.verdicts.get(port) === undefined)
  // vswitchd did not answer, or has ended meanwhile. It has taken the rows in: it is back.
  if (added.length > 0 && ovs.flows(name).losses !== losses) {
    flows = new Map([...flows, ...(await setFlows(ovs, name, added, signal))])
  }
  for (const port of free) verdicts.set(port, rows.verdicts.get(port) ?? flows.get(port))
  const failed = free.filter((port) => rows.added.has(port) && verdicts.get(port) !== undefined)
  await takeBack(ovs, name, failed, verdicts)
  return made.map((port) => verdicts.get(port))
}

/**
 * How many of `count` ports are connected at a time, when there are `present` already, on all bridges: half of them, so that
 * vswitchd takes in the first half while the second is made, or all.
 */
export function connectsAtATime(count: number, present: number): number {
  return count >= WORTH_HALVING && present + count <= FEW_PORTS ? Math.ceil(count / 2) : count
}

/**
 * As soon as ports are there, what is behind hundreds keeps vswitchd busy, and for long without flows; and a port that has a
 * VLAN is to be kept to it from the beginning. The flows of others go out together with their rows.
 */
function needFlowsFirst(ports: readonly MadePort[]): boolean {
  return ports.length > MOST_AT_ONCE || ports.some(({ wiring }) => !hasSlotFlow(wiring))
}

/** Writes the rows of those whose slots have none that say it; `added`: those that had none at all. */
async function write(
  ovs: OpenVswitch,
  name: string,
  made: readonly MadePort[],
  signal: AbortSignal | undefined,
): Promise<{ verdicts: Verdicts; added: ReadonlySet<MadePort> }> {
  const { client, commits } = ovs
  const verdicts: Verdicts = new Map()
  const added = new Set<MadePort>()
  const committed = made.map(async (port) => {
    const build = (label: string) => {
      const bridge = requireBridge(client, name)
      if (ownPort(client, bridge, port.wiring.slot) === undefined) added.add(port)
      return slotRows(client, bridge, port.wiring, label)
    }
    try {
      await commits.commit(build, { signal })
      verdicts.set(port, undefined)
    } catch (error) {
      verdicts.set(port, asEcdockError(error, 'plug'))
    }
  })
  await Promise.all(committed)
  const bridgeGone = client.replica.byName('Bridge', name) === undefined
  for (const port of made) {
    if (verdicts.get(port) !== undefined) continue
    const { slot, hostIfname } = port.wiring
    const device = standing(client, name, slot)?.name ?? hostIfname
    const row = client.replica.byName('Interface', device)
    const error = bridgeGone ? vswitchDeleted(name) : portError(name, { slot, hostIfname: device }, row)
    verdicts.set(port, error)
    if (error === undefined && row?.ofport !== undefined) port.port.ofport = row.ofport
  }
  return { verdicts, added }
}

function standing(client: OvsdbClient, name: string, slot: number): PortRow | undefined {
  const bridge = client.replica.byName('Bridge', name)
  return bridge && standingPort(client, bridge, slot)
}

/** Removes the rows that were written just now, as far as they are there. */
async function takeBack(
  { client }: OpenVswitch,
  name: string,
  failed: readonly MadePort[],
  verdicts: Verdicts,
): Promise<void> {
  const [first] = failed
  if (first === undefined) return
  // What the server refused is not there; whatever else went wrong, the rows may be.
  const error = failed.length === 1 ? verdicts.get(first) : undefined
  await undoUnlessRefused(client, error, async () => {
    const bridge = client.replica.byName('Bridge', name)
    if (bridge === undefined) return
    const rows = failed.flatMap((port) => ownPort(client, bridge, port.wiring.slot)?.uuid ?? [])
    if (rows.length === 0) return
    const removal = mutate('Bridge', rowIs(bridge.uuid), { ports: { delete: rows } })
    await client.transactAndWait([removal], { timeoutMs: undoMs(client) })
  })
}

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

/** Its rows say so as long as they have not been rewritten. */
function isConfined({ client }: OpenVswitch, name: string, slot: number): boolean {
  return ownPort(client, requireBridge(client, name), slot)?.vlan_mode !== undefined
}
