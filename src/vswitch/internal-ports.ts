import type { EcdockError } from '../errors.js'
import type { Plan } from '../kernel/plan.js'
import type { Surroundings } from './backend.js'
import type { Port } from './vswitch.js'
import type { Wiring } from './wiring.js'

/**
 * Ports with a device that the switch itself makes, and that is moved into the target: nothing of it is on the host. What
 * is plugged in is told by the mark on the device, there, and by what the switch keeps of the port. Unlike the rows of
 * other slots, that goes when the target is taken out.
 */
export interface InternalPorts {
  /** Whether the slot has such a port, or what is left of one. */
  has(slot: number): boolean
  /** The slots that have, in ascending order. */
  slots(): number[]
  /** Plugs targets in. One answer for each: its port, or what went wrong; nothing is left behind then. */
  plug(
    wirings: readonly Wiring[],
    around: Surroundings,
    signal: AbortSignal | undefined,
  ): Promise<(Port | EcdockError)[]>
  unplug(slots: readonly number[], around: Surroundings): Promise<void>
  /** The ports of these slots, by default of all, by slot; `ghost`: its device went with its target. */
  ports(around: Surroundings, slots?: readonly number[]): Promise<Port[]>
  /** Lets go of the ports of these slots, by default of all, whose target is gone, so that they can be used again. */
  dropGhosts(around: Surroundings, slots?: readonly number[]): Promise<void>
  /** The commands that do what a plug does. */
  explain(wiring: Wiring, around: Surroundings, explainPlan: (plan: Plan) => string[]): Promise<string[]>
}
