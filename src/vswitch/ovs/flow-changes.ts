import type { SlotFlow } from '../../openflow/slot-flows.js'
import type { SlotInRows } from './slots-in-rows.js'

/** What somebody wants of the flows of slots. */
export interface Change {
  /** Slots that are to have their slot flows. */
  flows?: readonly SlotFlow[]
  /** Those that are to be kept to their VLANs instead. */
  confined?: readonly SlotFlow[]
  /** Those that are no longer to be kept to any. */
  freed?: readonly number[]
  /** Once it is aborted, nobody wants it any more. */
  signal?: AbortSignal | undefined
}

/** What is to be done in one go. Of a slot it is the last that counts. */
export class Changes {
  readonly flows: Map<number, SlotFlow>
  readonly confined = new Map<number, SlotFlow>()
  readonly freed: Set<number>

  constructor(
    owed: ReadonlyMap<number, SlotFlow>,
    owedFreedom: ReadonlySet<number>,
    changes: readonly Change[],
  ) {
    this.flows = new Map(owed)
    this.freed = new Set(owedFreedom)
    for (const { flows = [], confined = [], freed = [], signal } of changes) {
      if (signal?.aborted === true) continue
      for (const flow of flows) this.#set(flow)
      for (const flow of confined) this.#confine(flow)
      for (const slot of freed) {
        this.confined.delete(slot)
        this.freed.add(slot)
      }
    }
  }

  /** Whether anything is to be done with this slot. */
  concern(slot: number): boolean {
    return this.flows.has(slot) || this.confined.has(slot) || this.freed.has(slot)
  }

  /** Adds what the flows of a slot are to be. */
  restore(slot: SlotInRows): void {
    if (slot.confined) this.#confine(slot)
    else this.#set(slot)
  }

  lists(): { flows: SlotFlow[]; confined: SlotFlow[]; freed: number[] } {
    return { flows: [...this.flows.values()], confined: [...this.confined.values()], freed: [...this.freed] }
  }

  #set(flow: SlotFlow): void {
    this.confined.delete(flow.slot)
    this.flows.set(flow.slot, flow)
  }

  #confine(flow: SlotFlow): void {
    this.flows.delete(flow.slot)
    this.freed.delete(flow.slot)
    this.confined.set(flow.slot, flow)
  }
}
