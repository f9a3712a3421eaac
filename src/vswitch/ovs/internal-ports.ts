import { asEcdockError, EcdockError } from '../../errors.js'
import type { Plan, PlanFailed, PlanOutcome } from '../../kernel/plan.js'
import { mutate, rowIs } from '../../ovsdb/operations.js'
import { refusalOf } from '../../ovsdb/result.js'
import { announceAll } from '../announcing.js'
import type { Backend, Surroundings } from '../backend.js'
import { cancelled } from '../connecting.js'
import { deleteHostSides, hostSide, vswitchDeleted } from '../host-side.js'
import type { InternalPorts } from '../internal-ports.js'
import { reasonOf } from '../making.js'
import { hostIfname } from '../names.js'
import { slotTaken } from '../plug-failure.js'
import { portOf } from '../port-reading.js'
import { parsePortAlias, portMark } from '../record.js'
import { NIC_BRIDGE, secondIfname, secondOfport } from '../second-nic.js'
import type { Port } from '../vswitch.js'
import type { Wiring } from '../wiring.js'
import { connect, setFlows } from './connection.js'
import { devicesOf, isGone, macOf, portWith } from './internal-devices.js'
import { internalPlan, nicBridgeMark } from './internal-plan.js'
import {
  explainInternal,
  type InternalRows,
  insertion,
  internalRows,
  internalSlots,
} from './internal-rows.js'
import type { OpenVswitch } from './open-vswitch.js'
import { release } from './slots.js'
import type { OvsSwitch } from './switch.js'
import { undoUnlessRefused } from './undo.js'
import { portError } from './verdict.js'

/** A plug under way. */
interface Attempt {
  wiring: Wiring
  port: Port
  error: EcdockError | undefined
  /** Its rows may be there. */
  begun: boolean
}

/** The internal ports of a bridge: vswitchd makes their devices, and deletes them when their rows go. */
export class OvsInternalPorts implements InternalPorts {
  readonly #switch: OvsSwitch
  readonly #backend: () => Backend
  readonly #ovs: OpenVswitch
  readonly #name: string

  constructor(sw: OvsSwitch, backend: () => Backend) {
    this.#switch = sw
    this.#backend = backend
    this.#ovs = sw.ovs
    this.#name = sw.name
  }

  has(slot: number): boolean {
    return this.#rows(slot) !== undefined
  }

  slots(): number[] {
    return internalSlots(this.#ovs.client, this.#name)
  }

  async plug(
    wirings: readonly Wiring[],
    around: Surroundings,
    signal: AbortSignal | undefined,
  ): Promise<(Port | EcdockError)[]> {
    const attempts = wirings.map((wiring): Attempt => {
      return { wiring, port: this.#draft(wiring, around), error: undefined, begun: false }
    })
    const steps = [
      this.#checkVacant,
      this.#insertRows,
      this.#execute,
      this.#connectPairs,
      this.#setFlows,
      this.#stopFlooding,
      this.#announce,
    ]
    for (const step of steps) {
      const going = attempts.filter(({ error }) => error === undefined)
      if (going.length > 0) await this.#attempt(going, around, signal, step)
    }
    await this.#takeBack(
      attempts.filter(({ error, begun }) => error !== undefined && begun),
      around,
    )
    return attempts.map(({ port, error }) => error ?? port)
  }

  async unplug(slots: readonly number[], around: Surroundings): Promise<void> {
    const found = slots.flatMap((slot) => this.#rows(slot) ?? [])
    await Promise.all(found.map((rows) => this.#removeInTarget(rows, around)))
    await this.#removePairs(found, around)
    await this.#removeRows(found)
  }

  async ports(around: Surroundings, slots: readonly number[] = this.slots()): Promise<Port[]> {
    const found = slots.flatMap((slot) => this.#rows(slot) ?? []).filter(({ first }) => first !== undefined)
    const devices = await devicesOf(this.#backend(), found, around)
    const { client } = this.#ovs
    return found.map((rows) => portWith(client, this.#backend(), rows, devices.get(rows.slot), around))
  }

  async dropGhosts(around: Surroundings, slots: readonly number[] = this.slots()): Promise<void> {
    const found = slots.flatMap((slot) => this.#rows(slot) ?? [])
    if (found.length === 0) return
    const devices = await devicesOf(this.#backend(), found, around)
    const ghosts = found.filter(({ slot }) => !devices.has(slot))
    if (ghosts.length > 0)
      await this.unplug(
        ghosts.map(({ slot }) => slot),
        around,
      )
  }

  explain(wiring: Wiring, explainPlan: (plan: Plan) => string[]): string[] {
    const { slot, mac, internal, dualNic } = wiring
    const name = this.#name
    const quiet = [slot, secondOfport(slot)].map((port) => `ovs-ofctl mod-port ${name} ${port} no-flood`)
    return [
      ...explainInternal(name, wiring),
      ...explainPlan(this.#plan(wiring)),
      ...(internal ? [] : (this.#backend().explain?.(wiring, 0).slice(0, 1) ?? [])),
      `ovs-ofctl add-flow ${name} dl_dst=${mac},actions=output:${slot}`,
      ...(dualNic ? quiet : []),
    ]
  }

  #plan(wiring: Wiring): Plan {
    const backend = this.#backend()
    return internalPlan(wiring, {
      vswitch: this.#name,
      subnet: this.#switch.subnet,
      pair: (each) => backend.interfaces(each),
      finish: (each) => backend.finish?.(each) ?? [],
    })
  }

  #rows(slot: number): InternalRows | undefined {
    return internalRows(this.#ovs.client, this.#name, slot)
  }

  /** A step of several plugs: what it throws is the error of all that have none of their own. */
  async #attempt(
    attempts: readonly Attempt[],
    around: Surroundings,
    signal: AbortSignal | undefined,
    step: Step,
  ): Promise<void> {
    try {
      if (signal?.aborted === true) throw cancelled()
      await step.call(this, attempts, around, signal)
    } catch (error) {
      for (const attempt of attempts) attempt.error ??= asEcdockError(error, 'plug')
    }
  }

  /** A slot of which a target has been taken out has rows of another kind; they give way. */
  async #checkVacant(attempts: readonly Attempt[], around: Surroundings): Promise<void> {
    const names = attempts.map(({ wiring }) => wiring.hostIfname)
    const [onHost, sides] = await Promise.all([
      around.kernel.linksByName('', names),
      Promise.all(attempts.map(({ wiring }) => hostSide(this.#backend(), around, wiring.slot))),
    ])
    const vacant: number[] = []
    for (const [at, attempt] of attempts.entries()) {
      const { slot } = attempt.wiring
      const link = onHost[at] ?? sides[at]
      const record = link && parsePortAlias(link.alias)
      const by = record?.target ?? `an interface ${link?.name}, which is not ours`
      if (link !== undefined) attempt.error = slotTaken(this.#name, slot, by)
      else if (this.has(slot)) attempt.error = slotTaken(this.#name, slot, this.#rows(slot)?.target ?? '')
      else vacant.push(slot)
    }
    const kept = this.#backend().kept?.()
    const reserved = vacant.filter((slot) => kept?.has(slot) === true)
    if (reserved.length > 0) await release(this.#switch, reserved, around)
  }

  /** Then vswitchd makes the devices, in its own network namespace. */
  async #insertRows(
    attempts: readonly Attempt[],
    _around: Surroundings,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { client, commits } = this.#ovs
    await Promise.all(
      attempts.map(async (attempt) => {
        const { wiring } = attempt
        try {
          await commits.commit((label) => insertion(client, this.#name, wiring, label), { signal })
          attempt.begun = true
          attempt.error = this.#verdict(wiring)
        } catch (error) {
          attempt.begun = refusalOf(error) === undefined
          attempt.error = asEcdockError(error, 'plug')
        }
      }),
    )
  }

  #verdict({ slot, internal, dualNic }: Wiring): EcdockError | undefined {
    const { replica } = this.#ovs.client
    if (replica.byName('Bridge', this.#name) === undefined) return vswitchDeleted(this.#name)
    const first = { slot, hostIfname: hostIfname(this.#name, slot) }
    const second = { slot: secondOfport(slot), hostIfname: secondIfname(this.#name, slot) }
    return [...(internal ? [first] : []), ...(dualNic ? [second] : [])]
      .map((port) => portError(this.#name, port, replica.byName('Interface', port.hostIfname)))
      .find((error) => error !== undefined)
  }

  async #execute(attempts: readonly Attempt[], around: Surroundings): Promise<void> {
    const plans = attempts.map(({ wiring }) => this.#plan(wiring))
    const outcomes = await around.kernel.execute(plans)
    const failed = attempts.filter((_, at) => outcomes[at]?.ok !== true)
    // A device that is still there would pass for that of another plug, which had taken the slot.
    if (failed.length > 0)
      await this.#removeRows(failed.flatMap(({ wiring }) => this.#rows(wiring.slot) ?? []))
    for (const [at, attempt] of attempts.entries()) {
      const outcome = outcomes[at] as PlanOutcome
      if (!outcome.ok) attempt.error = await this.#reason(outcome, attempt.wiring, around)
      else {
        attempt.port.netnsId = outcome.netnsId ?? 0
        attempt.port.ifname = outcome.ifname ?? attempt.wiring.ifname
      }
    }
  }

  #reason(failed: PlanFailed, wiring: Wiring, around: Surroundings): Promise<EcdockError> | EcdockError {
    if (failed.op !== 'link move' || failed.errno !== 'ENODEV') {
      return reasonOf(failed, wiring, this.#backend(), around)
    }
    const message = `Open vSwitch has added ${wiring.hostIfname}, but there is no such device here`
    return new EcdockError('OVS_PORT_FAILED', 'plug', message, {
      errno: failed.errno,
      hint: 'Does ovs-vswitchd run in the same network namespace as this program?',
    })
  }

  /** The first of two interfaces need not be internal. */
  async #connectPairs(
    attempts: readonly Attempt[],
    around: Surroundings,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const pairs = attempts.filter(({ wiring }) => !wiring.internal)
    if (pairs.length === 0) return
    const sides = pairs.map(({ wiring }) => hostSide(this.#backend(), around, wiring.slot))
    const links = await Promise.all(sides)
    const made = pairs.map(({ wiring, port }, at) => ({ wiring, port, ifindex: links[at]?.ifindex ?? 0 }))
    const errors = await connect(this.#ovs, this.#name, made, signal)
    for (const [at, attempt] of pairs.entries()) attempt.error = errors[at]
  }

  async #setFlows(
    attempts: readonly Attempt[],
    _around: Surroundings,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const made = attempts.map(({ wiring, port }) => ({ wiring, port, ifindex: 0 }))
    const errors = await setFlows(this.#ovs, this.#name, made, signal)
    for (const [at, attempt] of attempts.entries()) {
      const port = made[at]
      if (port !== undefined) attempt.error = errors.get(port)
      attempt.port.ofport = attempt.wiring.slot
    }
  }

  async #announce(attempts: readonly Attempt[], around: Surroundings): Promise<void> {
    const errors = await announceAll(around, attempts)
    for (const [at, attempt] of attempts.entries()) attempt.error = errors[at]
  }

  /** Of what nobody has asked for neither interface gets a copy: their bridge would send it back by the other one. */
  async #stopFlooding(attempts: readonly Attempt[]): Promise<void> {
    const dual = attempts.filter(({ wiring }) => wiring.dualNic)
    if (dual.length === 0) return
    const ports = dual.flatMap(({ wiring: { slot } }) => [slot, secondOfport(slot)])
    const errors = await this.#ovs.flows(this.#name).stopFlooding(ports)
    for (const [at, attempt] of dual.entries()) attempt.error = errors[2 * at] ?? errors[2 * at + 1]
  }

  /** Never throws: what could not be undone carries our marks, and `cleanup` finds it. */
  async #takeBack(failed: readonly Attempt[], around: Surroundings): Promise<void> {
    if (failed.length === 0) return
    await undoUnlessRefused(this.#ovs.client, undefined, async () => {
      await this.unplug(
        failed.map(({ wiring }) => wiring.slot),
        around,
      )
    })
  }

  async #removeInTarget({ slot, second, netns }: InternalRows, { kernel }: Surroundings): Promise<void> {
    if (second === undefined) return
    try {
      await kernel.deleteMarkedLinks(netns, [{ name: NIC_BRIDGE, mark: nicBridgeMark(this.#name, slot) }])
    } catch (error) {
      // The bridge goes with its namespace.
      if (!isGone(error)) throw error
    }
  }

  async #removePairs(found: readonly InternalRows[], around: Surroundings): Promise<void> {
    const slots = found.filter(({ first }) => first === undefined).map(({ slot }) => slot)
    if (slots.length === 0) return
    const sides = slots.map((slot) => ({ slot, mark: portMark(this.#name, slot) }))
    await deleteHostSides(this.#backend(), around, sides)
    // They would stay, and be flooded to no more.
    await release(this.#switch, slots, around)
  }

  async #removeRows(found: readonly InternalRows[]): Promise<void> {
    const rows = found.flatMap(({ first, second }) => [first?.uuid ?? [], second?.uuid ?? []].flat())
    const { client, commits } = this.#ovs
    const bridge = client.replica.byName('Bridge', this.#name)
    if (rows.length === 0 || bridge === undefined) return
    const macs = found.flatMap(({ first }) => macOf(client, first) ?? [])
    await commits.commit(() => [mutate('Bridge', rowIs(bridge.uuid), { ports: { delete: rows } })])
    if (macs.length > 0) await this.#ovs.flows(this.#name).remove(macs)
  }

  #draft(wiring: Wiring, around: Surroundings): Port {
    const { slot, ifname, mac, target, mtu, address, internal, dualNic } = wiring
    const record = { vswitch: this.#name, slot, ifname, netnsId: 0, mac, target: target.label }
    const port = portOf(this.#backend(), around, record, mtu, address)
    if (!wiring.ipv6) port.ipv6 = ''
    return { ...port, ...(internal && { internal }), ...(dualNic && { dualNic }) }
  }
}

type Step = (
  this: OvsInternalPorts,
  attempts: readonly Attempt[],
  around: Surroundings,
  signal: AbortSignal | undefined,
) => Promise<void>
