import type { EcdockError } from '../../errors.js'
import type { Plan } from '../../kernel/plan.js'
import type { HostSidedBackend, Surroundings } from '../backend.js'
import type { InternalPorts } from '../internal-ports.js'
import { secondOfport } from '../second-nic.js'
import type { Port } from '../vswitch.js'
import type { Wiring } from '../wiring.js'
import { addPort } from './commands.js'
import { explainFlows, explainRelease } from './explaining.js'
import { devicesOf, portWith } from './internal-devices.js'
import { planFor } from './internal-plan.js'
import { InternalPlug } from './internal-plug.js'
import { removeInternal } from './internal-removal.js'
import { explainInternal, type InternalRows, internalRows, internalSlots } from './internal-rows.js'
import type { OvsSwitch } from './switch.js'

/** The internal ports of a bridge: vswitchd makes their devices, and deletes them when their rows go. */
export class OvsInternalPorts implements InternalPorts {
  readonly #switch: OvsSwitch
  readonly #backend: () => HostSidedBackend

  constructor(sw: OvsSwitch, backend: () => HostSidedBackend) {
    this.#switch = sw
    this.#backend = backend
  }

  has(slot: number): boolean {
    return this.#rows([slot]).length > 0
  }

  slots(): number[] {
    return internalSlots(this.#switch.ovs.client, this.#switch.name)
  }

  plug(
    wirings: readonly Wiring[],
    around: Surroundings,
    signal: AbortSignal | undefined,
  ): Promise<(Port | EcdockError)[]> {
    return new InternalPlug(this.#switch, this.#backend(), around, signal).run(wirings)
  }

  unplug(slots: readonly number[], around: Surroundings): Promise<void> {
    return removeInternal(this.#switch, this.#backend(), around, slots)
  }

  async ports(around: Surroundings, slots: readonly number[] = this.slots()): Promise<Port[]> {
    const found = this.#rows(slots).filter(({ first }) => first !== undefined)
    const devices = await devicesOf(this.#backend(), found, around)
    const { client } = this.#switch.ovs
    return found.map((rows) => portWith(client, this.#backend(), rows, devices.get(rows.slot), around))
  }

  async dropGhosts(around: Surroundings, slots: readonly number[] = this.slots()): Promise<void> {
    const found = this.#rows(slots)
    if (found.length === 0) return
    const devices = await devicesOf(this.#backend(), found, around)
    const ghosts = found.map(({ slot }) => slot).filter((slot) => !devices.has(slot))
    if (ghosts.length > 0) await this.unplug(ghosts, around)
  }

  async explain(
    wiring: Wiring,
    around: Surroundings,
    explainPlan: (plan: Plan) => string[],
  ): Promise<string[]> {
    const { slot, internal, dualNic, hostIfname } = wiring
    const { name } = this.#switch
    const quiet = [slot, secondOfport(slot)].map((port) => `ovs-ofctl mod-port ${name} ${port} no-flood`)
    return [
      ...(await explainRelease(this.#switch, slot, around)),
      ...explainInternal(name, wiring),
      ...explainPlan(planFor(this.#switch, wiring)),
      ...(internal ? [] : [addPort(name, hostIfname, wiring)]),
      ...explainFlows(this.#switch, wiring),
      ...(dualNic ? quiet : []),
    ]
  }

  #rows(slots: readonly number[]): InternalRows[] {
    const { name, ovs } = this.#switch
    return slots.flatMap((slot) => internalRows(ovs.client, name, slot) ?? [])
  }
}
