import { setTimeout } from 'node:timers/promises'
import { asEcdockError, type EcdockError } from '../../errors.js'
import type { OvsdbClient } from '../../ovsdb/client.js'
import { mutate, rowIs } from '../../ovsdb/operations.js'
import type { Connection, MadePort } from '../backend.js'
import { cancelled } from '../connecting.js'
import { vswitchDeleted } from '../host-side.js'
import { slotTaken } from '../plug-failure.js'
import type { SlotFlows } from './flows.js'
import { foreignPorts } from './foreign-ports.js'
import type { OpenVswitch } from './open-vswitch.js'
import { ownPort, type PortRow, requireBridge, standingPort } from './own-rows.js'
import { removeFlows, setFlows, type Verdicts } from './port-flows.js'
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

/**
 * Connects ports to a bridge whose interfaces have been made. The flows of each are set while the next are made; then the
 * rows of all are written, together with what else waits to be written. A standing port is connected already.
 */
export class OvsConnection implements Connection {
  readonly #ovs: OpenVswitch
  readonly #name: string
  readonly #slotFlows: SlotFlows
  readonly #losses: number
  readonly #made: MadePort[] = []
  readonly #flows: Promise<Verdicts>[] = []
  /** Those whose flows have been set, or are being set. */
  readonly #flowing = new Set<MadePort>()
  /** Aborted when nobody wants the flows any more that have not been sent. */
  readonly #givenUp = new AbortController()

  constructor(ovs: OpenVswitch, bridge: string) {
    this.#ovs = ovs
    this.#name = bridge
    this.#slotFlows = ovs.flows(bridge)
    this.#losses = this.#slotFlows.losses
  }

  add(made: readonly MadePort[]): void {
    this.#made.push(...made)
    const { client } = this.#ovs
    const bridge = client.replica.byName('Bridge', this.#name)
    if (bridge === undefined) return
    const foreign = foreignPorts(client, bridge)
    this.#setFlows(made.filter(({ wiring }) => foreign.get(wiring.slot) === undefined))
  }

  async finish(signal: AbortSignal | undefined): Promise<ReadonlyMap<MadePort, EcdockError>> {
    const giveUp = () => this.#givenUp.abort()
    signal?.addEventListener('abort', giveUp)
    if (signal?.aborted === true) giveUp()
    const errors = new Map<MadePort, EcdockError>()
    const added = await this.#connect(signal, errors)
    signal?.removeEventListener('abort', giveUp)
    await this.#takeBack(errors, added)
    return errors
  }

  /** Adds what went wrong; gives those whose slots had no rows before. */
  async #connect(
    signal: AbortSignal | undefined,
    errors: Map<MadePort, EcdockError>,
  ): Promise<ReadonlySet<MadePort>> {
    const tell = (verdicts: Verdicts) => {
      for (const [port, error] of verdicts) {
        if (error !== undefined && !errors.has(port)) errors.set(port, error)
      }
    }
    const free = this.#free(signal, errors)
    // Who had the slot when the port was made, has left it since.
    this.#setFlows(free.filter((port) => !this.#flowing.has(port)))
    if (needFlowsFirst(free)) {
      const firstMs = FLOWS_FIRST_MS + FLOWS_FIRST_EACH_MS * free.length
      await Promise.race([Promise.all(this.#flows), setTimeout(firstMs, undefined, { ref: false })])
    }
    const rows = await write(this.#ovs, this.#name, free, signal)
    tell(rows.verdicts)
    const added = free.filter((port) => rows.added.has(port) && !errors.has(port))
    const flows = new Map((await Promise.all(this.#flows)).flatMap((verdicts) => [...verdicts]))
    // vswitchd did not answer, or has ended meanwhile. It has taken the rows in: it is back.
    if (added.length > 0 && this.#flowsLost) {
      for (const [port, error] of await setFlows(this.#ovs, this.#name, added, signal)) flows.set(port, error)
    }
    tell(flows)
    return rows.added
  }

  /** What was set when the first ports were made may be gone, perhaps with the bridge. */
  get #flowsLost(): boolean {
    return this.#ovs.flows(this.#name) !== this.#slotFlows || this.#slotFlows.losses !== this.#losses
  }

  #setFlows(ports: readonly MadePort[]): void {
    if (ports.length === 0) return
    for (const port of ports) this.#flowing.add(port)
    const failed = (error: unknown): Verdicts => {
      const why = asEcdockError(error, 'plug')
      return new Map(ports.map((port) => [port, why]))
    }
    this.#flows.push(setFlows(this.#ovs, this.#name, ports, this.#givenUp.signal).catch(failed))
  }

  /** Those that are to be connected; the others are told why not. */
  #free(signal: AbortSignal | undefined, errors: Map<MadePort, EcdockError>): MadePort[] {
    const { client } = this.#ovs
    const bridge = client.replica.byName('Bridge', this.#name)
    if (signal?.aborted === true || bridge === undefined) {
      const error = bridge === undefined ? vswitchDeleted(this.#name) : cancelled()
      for (const port of this.#made) errors.set(port, error)
      return []
    }
    // vswitchd gives a port whose number is taken another one, perhaps that which the next of the batch asks for.
    const foreign = foreignPorts(client, bridge)
    return this.#made.filter((port) => {
      const { slot } = port.wiring
      const holder = foreign.get(slot)
      if (holder !== undefined) errors.set(port, slotTaken(this.#name, slot, holder))
      return holder === undefined
    })
  }

  /** Removes of failed ports the rows that were written just now, as far as they are there, and then what flows they have. */
  async #takeBack(errors: ReadonlyMap<MadePort, EcdockError>, added: ReadonlySet<MadePort>): Promise<void> {
    const failed = [...errors.keys()]
    const rows = failed.filter((port) => added.has(port))
    if (rows.length > 0) {
      // What the server refused is not there; whatever else went wrong, the rows may be.
      const error = rows.length === 1 ? errors.get(rows[0] as MadePort) : undefined
      await undoUnlessRefused(this.#ovs.client, error, () => removeRows(this.#ovs, this.#name, rows))
    }
    const flowing = failed.filter((port) => this.#flowing.has(port))
    // A vswitchd that hangs is waited for no longer than its rows are.
    if (flowing.length > 0) {
      const removed = removeFlows(this.#ovs, this.#name, flowing)
      await Promise.race([removed, setTimeout(undoMs(this.#ovs.client), undefined, { ref: false })])
    }
  }
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
 * VLAN is to be kept to it from the beginning. The rows of others do not wait for their flows.
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

async function removeRows({ client }: OpenVswitch, name: string, ports: readonly MadePort[]): Promise<void> {
  const bridge = client.replica.byName('Bridge', name)
  if (bridge === undefined) return
  const rows = ports.flatMap(({ wiring }) => ownPort(client, bridge, wiring.slot)?.uuid ?? [])
  if (rows.length === 0) return
  const removal = mutate('Bridge', rowIs(bridge.uuid), { ports: { delete: rows } })
  await client.transactAndWait([removal], { timeoutMs: undoMs(client) })
}
