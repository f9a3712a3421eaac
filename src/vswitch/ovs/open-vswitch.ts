import type { EcdockError } from '../../errors.js'
import type { OvsdbClient } from '../../ovsdb/client.js'
import { GroupCommit } from '../../ovsdb/group-commit.js'
import { SlotFlows } from './flows.js'
import { ownFlows } from './neighbours.js'
import { slotsInRows } from './slots-in-rows.js'

/** ovs-vswitchd takes longer for each row of a small transaction than for each of a large one. */
const PARTS_A_TRANSACTION = 1024

/** One Open vSwitch, as all its vswitches share it: its database, and the bridges' flows. */
export class OpenVswitch {
  readonly client: OvsdbClient
  /** Every change goes through this: vswitchd works through all bridges for each transaction. */
  readonly commits: GroupCommit
  /** Slots that are just being given standing ports, as `BRIDGE/SLOT`, and what comes of it. */
  readonly reservations = new Map<string, Promise<EcdockError | undefined>>()
  readonly #endpoint: string
  readonly #flows = new Map<string, SlotFlows>()

  constructor(client: OvsdbClient, endpoint: string) {
    this.client = client
    this.commits = new GroupCommit(client, { maxParts: PARTS_A_TRANSACTION })
    this.#endpoint = endpoint
  }

  /** The slot flows of a bridge. */
  flows(bridge: string): SlotFlows {
    const known = this.#flows.get(bridge)
    if (known !== undefined) return known
    const { client } = this
    const made = new SlotFlows(
      bridge,
      { endpoint: this.#endpoint, timeoutMs: client.requestTimeoutMs },
      { inRows: () => slotsInRows(client, bridge), ownFlows: () => ownFlows(client, bridge) },
    )
    this.#flows.set(bridge, made)
    return made
  }

  /** The bridge is gone. */
  async forget(bridge: string): Promise<void> {
    await this.#flows.get(bridge)?.close()
    this.#flows.delete(bridge)
  }

  async close(): Promise<void> {
    await Promise.allSettled([
      this.client.close(),
      ...[...this.#flows.values()].map((flows) => flows.close()),
    ])
  }
}
