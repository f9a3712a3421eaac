import { asEcdockError, type EcdockError, type ErrorCode } from '../../errors.js'
import { OpenFlowClient } from '../../openflow/client.js'
import { confineSlots, freeSlots } from '../../openflow/confinement.js'
import { managementSocket } from '../../openflow/management-socket.js'
import { removeSlotFlows, type SlotFlow, setSlotFlows } from '../../openflow/slot-flows.js'

/**
 * The flows that lead to the slots of one bridge. They stay, as the slots' rows do, and are gone when
 * ovs-vswitchd ends: then all that this has set are set again with the next ones.
 */
export class SlotFlows {
  readonly #bridge: string
  readonly #endpoint: string
  readonly #timeoutMs: number
  #client: Promise<OpenFlowClient> | undefined
  /** What this has set, by MAC. */
  readonly #set = new Map<string, number>()
  /** The slots that this has confined, by their number. */
  readonly #confined = new Map<number, SlotFlow>()
  /** They are no longer there. */
  #lost = false
  /** Those that wait for the changes under way. */
  #waiting: Change[] = []
  #changing = false
  #warned = false

  /** `endpoint` is where OVSDB listens: vswitchd's own sockets are beside it. `timeoutMs` is for each call. */
  constructor(bridge: string, endpoint: string, timeoutMs: number) {
    this.#bridge = bridge
    this.#endpoint = endpoint
    this.#timeoutMs = timeoutMs
  }

  /** Sets the flows that are not there yet. One answer for each: what was wrong with it, or undefined. */
  async set(flows: readonly SlotFlow[], signal?: AbortSignal): Promise<(EcdockError | undefined)[]> {
    const missing = this.#lost ? flows : flows.filter(({ mac, slot }) => this.#set.get(mac) !== slot)
    if (missing.length === 0) return flows.map(() => undefined)
    const errors = await new Promise<Map<string, EcdockError>>((resolve) => {
      this.#waiting.push({ flows: missing, signal, resolve })
      if (!this.#changing) void this.#change()
    })
    return flows.map(({ mac }) => errors.get(mac))
  }

  /** Removes the flows to these addresses; only ours. */
  async remove(macs: readonly string[]): Promise<void> {
    for (const mac of macs) this.#set.delete(mac)
    await removeSlotFlows(await this.#connected(), macs)
  }

  /**
   * Takes slots that have VLANs out of the reach of slot flows, which pass VLANs over: they lose their own, and what
   * they send is forwarded by their VLANs alone. One answer for each, as {@link set} gives it.
   */
  async confine(slots: readonly SlotFlow[]): Promise<(EcdockError | undefined)[]> {
    if (slots.length === 0) return []
    for (const each of slots) {
      this.#set.delete(each.mac)
      this.#confined.set(each.slot, each)
    }
    try {
      return await confineSlots(await this.#connected(), slots)
    } catch (error) {
      return slots.map(() => asEcdockError(error, 'set flow'))
    }
  }

  /** Undoes {@link confine}; slots that are not confined are no error. What went wrong, or undefined. */
  async setFree(slots: readonly number[]): Promise<EcdockError | undefined> {
    if (slots.length === 0) return undefined
    for (const slot of slots) this.#confined.delete(slot)
    try {
      await freeSlots(await this.#connected(), slots)
      return undefined
    } catch (error) {
      return asEcdockError(error, 'remove flow')
    }
  }

  /**
   * Lets ports have no more frames that are flooded (OFPPC_NO_FLOOD of OpenFlow 1.0). One answer for each: what was wrong
   * with it, or undefined. The switch forgets it when it ends, or when the port goes.
   */
  async stopFlooding(ports: readonly number[]): Promise<(EcdockError | undefined)[]> {
    const client = await this.#connected()
    return client.modifyPorts(ports.map((port) => ({ port, config: { noFlood: true } })))
  }

  async close(): Promise<void> {
    const client = await this.#client?.catch(() => undefined)
    await client?.close()
  }

  /** All that has come together is set together. */
  async #change(): Promise<void> {
    this.#changing = true
    while (this.#waiting.length > 0) {
      const changes = this.#waiting
      this.#waiting = []
      const errors = await this.#setAll(changes)
      for (const { resolve } of changes) resolve(errors)
    }
    this.#changing = false
  }

  async #setAll(changes: readonly Change[]): Promise<Map<string, EcdockError>> {
    const wanted = new Map<string, number>(this.#lost ? this.#set : [])
    for (const { flows, signal } of changes) {
      if (signal?.aborted !== true) for (const { mac, slot } of flows) wanted.set(mac, slot)
    }
    const flows = [...wanted].map(([mac, slot]) => ({ mac, slot }))
    const errors = new Map<string, EcdockError>()
    try {
      const client = await this.#connected()
      if (this.#lost) await confineSlots(client, [...this.#confined.values()])
      this.#lost = false
      const outcomes = await setSlotFlows(client, flows)
      for (const [at, { mac, slot }] of flows.entries()) {
        const error = outcomes[at]
        if (error === undefined) this.#set.set(mac, slot)
        else errors.set(mac, error)
      }
    } catch (cause) {
      const error = asEcdockError(cause, 'set flow')
      // Without them the bridge learns where its slots are, as any switch does.
      if (AWAY.has(error.code)) {
        this.#warn(error)
        for (const { mac, slot } of flows) this.#set.set(mac, slot)
        this.#lost = true
      } else for (const { mac } of flows) errors.set(mac, error)
    }
    return errors
  }

  #warn(error: EcdockError): void {
    if (this.#warned) return
    this.#warned = true
    const where =
      error.code === 'OPENFLOW_UNREACHABLE'
        ? 'Set OVS_RUNDIR to the directory of the sockets of ovs-vswitchd.'
        : 'The next plug tries again.'
    process.emitWarning(`${this.#bridge} has no slot flows: ${error.message} ${where}`, 'EcdockWarning')
  }

  #connected(): Promise<OpenFlowClient> {
    this.#client ??= OpenFlowClient.connect(managementSocket(this.#bridge, place(this.#endpoint)), {
      connectTimeoutMs: Math.min(LONGEST_CONNECT_MS, this.#timeoutMs),
      timeoutMs: this.#timeoutMs,
      onLost: () => {
        this.#lost = true
      },
    }).catch((error: unknown) => {
      this.#client = undefined
      throw error
    })
    return this.#client
  }
}

const LONGEST_CONNECT_MS = 5000
/** vswitchd is not there, or does not answer: whether a port can be had is for OVSDB to say. */
const AWAY: ReadonlySet<ErrorCode> = new Set(['OPENFLOW_UNREACHABLE', 'OPENFLOW_LOST', 'TIMEOUT'])

interface Change {
  flows: readonly SlotFlow[]
  signal: AbortSignal | undefined
  resolve: (errors: Map<string, EcdockError>) => void
}

/** OVS's own programs heed OVS_RUNDIR (ovs-vswitchd(8)). */
function place(ovsdb: string): { runDir?: string | undefined; ovsdb: string } {
  const runDir = process.env.OVS_RUNDIR
  return ovsdb.includes('unix:') || runDir === undefined ? { ovsdb } : { runDir, ovsdb }
}
