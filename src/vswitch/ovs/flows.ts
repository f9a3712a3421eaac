import { asEcdockError, EcdockError, type ErrorCode } from '../../errors.js'
import { OpenFlowClient } from '../../openflow/client.js'
import { confineSlots, freeSlots } from '../../openflow/confinement.js'
import { managementSocket } from '../../openflow/management-socket.js'
import { addressFlows } from '../../openflow/neigh-suppress.js'
import { addition, foreignIn, type OwnFlow, removeOwnFlows } from '../../openflow/own-flow.js'
import { hasOwnFlow, placesOfMac, type SlotFlow, setSlotFlows } from '../../openflow/slot-flows.js'
import { type Change, Changes } from './flow-changes.js'
import type { SlotInRows } from './slots-in-rows.js'

/**
 * The flows of the slots of one bridge. They stay, as the slots' rows do, and are gone when ovs-vswitchd ends, with
 * those that other programs have set. So whoever comes first to a bridge, or has lost its connection, looks for one of
 * them, and sets all of them again when it is not there, as the rows tell them.
 */
export class SlotFlows {
  readonly #bridge: string
  readonly #endpoint: string
  readonly #timeoutMs: number
  readonly #inRows: () => Iterable<SlotInRows>
  readonly #ownFlows: () => OwnFlow[]
  #client: Promise<OpenFlowClient> | undefined
  /** The flows that this has set and that are there still, as far as is known, by slot. */
  readonly #set = new Map<number, SlotFlow>()
  /** What could not be set or removed, because the bridge did not answer. */
  readonly #owed = new Map<number, SlotFlow>()
  readonly #owedFreedom = new Set<number>()
  /** Since the connection was made, it has been made sure that all are there. */
  #sure = false
  #losses = 0
  /** Those that wait for the changes under way. */
  #waiting: WaitingChange[] = []
  #changing = false
  #warned = false

  /**
   * `endpoint` is where OVSDB listens: vswitchd's own sockets are beside it. `timeoutMs` is for each call. `inRows`: the
   * slots that the bridge has, and `ownFlows`: what it has besides them, with one first that leads from a MAC.
   */
  constructor(
    bridge: string,
    { endpoint, timeoutMs }: { endpoint: string; timeoutMs: number },
    { inRows, ownFlows }: { inRows: () => Iterable<SlotInRows>; ownFlows: () => OwnFlow[] },
  ) {
    this.#bridge = bridge
    this.#endpoint = endpoint
    this.#timeoutMs = timeoutMs
    this.#inRows = inRows
    this.#ownFlows = ownFlows
  }

  /** How often the bridge was found not to answer: what was set before such a moment may be gone. */
  get losses(): number {
    return this.#losses
  }

  /**
   * Sets the flows that are not there yet. One answer for each: what was wrong with it, or undefined. A bridge that does
   * not answer is no error: without the flows it learns where its slots are, as any switch does.
   */
  async set(flows: readonly SlotFlow[], signal?: AbortSignal): Promise<(EcdockError | undefined)[]> {
    const missing = flows.filter((flow) => !sameFlows(this.#set.get(flow.slot), flow))
    if (missing.length === 0) return flows.map(() => undefined)
    const errors = await this.#carryOut({ flows: missing, signal })
    return flows.map(({ slot }) => errors.get(slot))
  }

  /**
   * Removes the flows of slots that are no more as they are here: to the MAC, unless another slot has it by its rows, and to
   * the addresses, unless the slot itself is there still with another MAC; only ours. With a bridge that does not answer
   * they are gone.
   */
  async remove(flows: readonly SlotFlow[]): Promise<void> {
    const macs = new Set(flows.map(({ mac }) => mac))
    const slots = new Set(flows.map(({ slot }) => slot))
    for (const { mac, slot, neighbour } of this.#inRows()) {
      macs.delete(mac)
      if (neighbour?.askedAlone === true) slots.delete(slot)
    }
    const places = flows.flatMap((flow) => [
      ...(macs.has(flow.mac) ? placesOfMac(flow) : []),
      ...(flow.neighbour !== undefined && slots.has(flow.slot)
        ? addressFlows(flow.slot, flow.neighbour)
        : []),
    ])
    if (places.length === 0) return
    for (const known of [this.#set, this.#owed]) {
      for (const [slot, { mac }] of known) if (macs.has(mac) || slots.has(slot)) known.delete(slot)
    }
    try {
      await removeOwnFlows(await this.#connected(), places)
    } catch (error) {
      if (!isAway(error)) throw error
    }
  }

  /**
   * Takes slots that have VLANs out of the reach of slot flows, which pass VLANs over: they lose their own, and what
   * they send is forwarded by their VLANs alone. One answer for each, as {@link set} gives it, but a bridge that does not
   * answer is an error: others may have set flows that lead out of the VLAN.
   */
  async confine(slots: readonly SlotFlow[]): Promise<(EcdockError | undefined)[]> {
    if (slots.length === 0) return []
    const errors = await this.#carryOut({ confined: slots })
    return slots.map(({ slot }) => errors.get(slot))
  }

  /** Undoes {@link confine}; slots that are not confined are no error. What went wrong, or undefined. */
  async setFree(slots: readonly number[]): Promise<EcdockError | undefined> {
    if (slots.length === 0) return undefined
    const errors = await this.#carryOut({ freed: slots })
    return slots.map((slot) => errors.get(slot)).find((error) => error !== undefined)
  }

  /**
   * Lets ports have no more frames that are flooded (OFPPC_NO_FLOOD of OpenFlow 1.0). One answer for each: what was wrong
   * with it, or undefined. The switch forgets it when it ends, or when the port goes.
   */
  async stopFlooding(ports: readonly number[]): Promise<(EcdockError | undefined)[]> {
    return quieten(await this.#connected(), ports)
  }

  async close(): Promise<void> {
    const client = await this.#client?.catch(() => undefined)
    await client?.close()
  }

  /** All that has come together is done together. What went wrong, by slot. */
  async #carryOut(change: Change): Promise<ReadonlyMap<number, EcdockError>> {
    for (const { slot } of change.confined ?? []) this.#forget(slot)
    for (const slot of change.freed ?? []) this.#forget(slot)
    return await new Promise((resolve) => {
      this.#waiting.push({ ...change, resolve })
      if (!this.#changing) void this.#run()
    })
  }

  /** Whatever is known of its flow is so no more. */
  #forget(slot: number): void {
    this.#set.delete(slot)
    this.#owed.delete(slot)
    this.#owedFreedom.delete(slot)
  }

  async #run(): Promise<void> {
    this.#changing = true
    while (this.#waiting.length > 0) {
      const changes = this.#waiting
      this.#waiting = []
      const errors = await this.#change(new Changes(this.#owed, this.#owedFreedom, changes))
      for (const { resolve } of changes) resolve(errors)
    }
    this.#changing = false
  }

  async #change(changes: Changes): Promise<Map<number, EcdockError>> {
    const errors = new Map<number, EcdockError>()
    try {
      const client = await this.#connected()
      const own = this.#sure ? [] : await this.#makeSure(client, changes)
      const { flows, confined, freed } = changes.lists()
      const [outcomes, confinements] = await Promise.all([
        setSlotFlows(client, flows),
        confineSlots(client, confined),
        freeSlots(client, freed),
      ])
      for (const [at, flow] of flows.entries()) {
        const error = outcomes[at]
        this.#owed.delete(flow.slot)
        if (error === undefined) this.#set.set(flow.slot, flow)
        else errors.set(flow.slot, error)
      }
      for (const [at, { slot }] of confined.entries()) {
        const error = confinements[at]
        if (error !== undefined) errors.set(slot, error)
      }
      for (const slot of freed) this.#owedFreedom.delete(slot)
      // Last, because they stand for all: whoever finds them looks for no others.
      await setUnlessForeign(client, own)
    } catch (error) {
      this.#sure = false
      this.#failed(changes, asEcdockError(error, 'set flow'), errors)
    }
    return errors
  }

  /**
   * Adds to the changes all that is to be there besides, when the first of it is not there. Gives the bridge's own flows
   * when they are to be set, too.
   */
  async #makeSure(client: OpenFlowClient, changes: Changes): Promise<OwnFlow[]> {
    this.#sure = true
    const isOther = ({ slot }: SlotInRows) => !changes.concern(slot)
    const own = this.#ownFlows()
    const ownMac = own[0]?.match.dlDst
    if (ownMac !== undefined && (await hasOwnFlow(client, { dlDst: ownMac }))) return []
    if (ownMac === undefined) {
      for (const slot of this.#inRows()) {
        if (!isOther(slot)) continue
        if (await hasOwnFlow(client, slot.confined ? { inPort: slot.slot } : { dlDst: slot.mac })) return []
        break
      }
    }
    const others = [...this.#inRows()].filter(isOther)
    for (const slot of others) changes.restore(slot)
    await quieten(
      client,
      others.flatMap(({ quiet }) => quiet),
    )
    return own
  }

  #failed({ flows, confined, freed }: Changes, error: EcdockError, errors: Map<number, EcdockError>): void {
    const away = isAway(error)
    for (const [slot, flow] of flows) {
      if (away) this.#owed.set(slot, flow)
      else errors.set(slot, error)
    }
    for (const slot of freed) {
      if (away) this.#owedFreedom.add(slot)
      else errors.set(slot, error)
    }
    for (const slot of confined.keys()) errors.set(slot, unconfined(this.#bridge, slot, error))
    if (!away) return
    this.#lost()
    if (flows.size > 0) this.#warn(error)
  }

  #lost(): void {
    this.#losses++
    this.#sure = false
    this.#set.clear()
  }

  #warn(error: EcdockError): void {
    if (this.#warned) return
    this.#warned = true
    // A socket that is not there may be elsewhere; whose socket is there, but does not answer, will come back.
    const what = error.errno === 'ENOENT' ? RUNDIR_HINT : 'The next plug tries again.'
    process.emitWarning(`${this.#bridge} has no slot flows: ${error.message} ${what}`, 'EcdockWarning')
  }

  #connected(): Promise<OpenFlowClient> {
    this.#client ??= OpenFlowClient.connect(managementSocket(this.#bridge, place(this.#endpoint)), {
      connectTimeoutMs: Math.min(LONGEST_CONNECT_MS, this.#timeoutMs),
      timeoutMs: this.#timeoutMs,
      onLost: () => this.#lost(),
    }).catch((error: unknown) => {
      this.#client = undefined
      throw error
    })
    return this.#client
  }
}

const LONGEST_CONNECT_MS = 5000
const RUNDIR_HINT = 'Set OVS_RUNDIR to the directory of the sockets of ovs-vswitchd.'
/** vswitchd is not there, or does not answer: whether a port can be had is for OVSDB to say. */
const AWAY: ReadonlySet<ErrorCode> = new Set(['OPENFLOW_UNREACHABLE', 'OPENFLOW_LOST', 'TIMEOUT'])

interface WaitingChange extends Change {
  resolve: (errors: ReadonlyMap<number, EcdockError>) => void
}

function isAway(error: unknown): boolean {
  return error instanceof EcdockError && AWAY.has(error.code)
}

function sameFlows(one: SlotFlow | undefined, other: SlotFlow): boolean {
  return one?.mac === other.mac && one.neighbour?.askedAlone === other.neighbour?.askedAlone
}

/** Those of a place that is somebody else's are left out: he wants it otherwise. */
async function setUnlessForeign(client: OpenFlowClient, flows: readonly OwnFlow[]): Promise<void> {
  if (flows.length === 0) return
  const foreign = await foreignIn(client, flows)
  const free = flows.filter((_, at) => foreign[at] === undefined)
  const wrong = (await client.apply(free.map(addition))).find((error) => error !== undefined)
  if (wrong !== undefined) throw wrong
}

function quieten(client: OpenFlowClient, ports: readonly number[]): Promise<(EcdockError | undefined)[]> {
  return client.modifyPorts(ports.map((port) => ({ port, config: { noFlood: true } })))
}

function unconfined(bridge: string, slot: number, error: EcdockError): EcdockError {
  const { code, op, errno, message } = error
  const hint = code === 'OPENFLOW_UNREACHABLE' ? `Does ovs-vswitchd run? ${RUNDIR_HINT}` : error.hint
  const what = `slot ${slot} of ${bridge} cannot be kept to its VLAN without a flow: ${message}`
  return new EcdockError(code, op, what, { errno, hint, cause: error })
}

/** OVS's own programs heed OVS_RUNDIR (ovs-vswitchd(8)). */
function place(ovsdb: string): { runDir?: string | undefined; ovsdb: string } {
  const runDir = process.env.OVS_RUNDIR
  return ovsdb.includes('unix:') || runDir === undefined ? { ovsdb } : { runDir, ovsdb }
}
