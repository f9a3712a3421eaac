import { asEcdockError, EcdockError } from '../../errors.js'
import type { PlanFailed, PlanOutcome } from '../../kernel/plan.js'
import { refusalOf } from '../../ovsdb/result.js'
import { announceAll } from '../announcing.js'
import type { HostSidedBackend, Surroundings } from '../backend.js'
import { cancelled } from '../connecting.js'
import { hostSide, vswitchDeleted } from '../host-side.js'
import { reasonOf } from '../making.js'
import { hostIfname } from '../names.js'
import { slotTaken } from '../plug-failure.js'
import { portOf } from '../port-reading.js'
import { parsePortAlias } from '../record.js'
import { secondIfname, secondOfport } from '../second-nic.js'
import type { Port } from '../vswitch.js'
import type { Wiring } from '../wiring.js'
import { OvsConnection } from './connection.js'
import { planFor } from './internal-plan.js'
import { removeInternal, removeRows } from './internal-removal.js'
import { insertion, internalRows } from './internal-rows.js'
import { setFlows } from './port-flows.js'
import { release } from './slots.js'
import type { OvsSwitch } from './switch.js'
import { undoUnlessRefused } from './undo.js'
import { portError } from './verdict.js'

/** One of the plugs. */
interface Attempt {
  wiring: Wiring
  port: Port
  error: EcdockError | undefined
  /** Its rows may be there. */
  begun: boolean
}

/** Plugs under way that have internal ports. Each step is done for all of them that have not failed. */
export class InternalPlug {
  readonly #switch: OvsSwitch
  readonly #backend: HostSidedBackend
  readonly #around: Surroundings
  readonly #signal: AbortSignal | undefined

  constructor(
    sw: OvsSwitch,
    backend: HostSidedBackend,
    around: Surroundings,
    signal: AbortSignal | undefined,
  ) {
    this.#switch = sw
    this.#backend = backend
    this.#around = around
    this.#signal = signal
  }

  /** One answer for each: its port, or what went wrong; nothing is left behind then. */
  async run(wirings: readonly Wiring[]): Promise<(Port | EcdockError)[]> {
    const attempts = wirings.map((wiring): Attempt => {
      return { wiring, port: this.#draft(wiring), error: undefined, begun: false }
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
      if (going.length > 0) await this.#attempt(going, step)
    }
    await this.#takeBack(attempts.filter(({ error, begun }) => error !== undefined && begun))
    return attempts.map(({ port, error }) => error ?? port)
  }

  /** A step of several plugs: what it throws is the error of all that have none of their own. */
  async #attempt(
    attempts: readonly Attempt[],
    step: (this: InternalPlug, attempts: readonly Attempt[]) => Promise<void>,
  ): Promise<void> {
    try {
      if (this.#signal?.aborted === true) throw cancelled()
      await step.call(this, attempts)
    } catch (error) {
      for (const attempt of attempts) attempt.error ??= asEcdockError(error, 'plug')
    }
  }

  /** A slot of which a target has been taken out has rows of another kind; they give way. */
  async #checkVacant(attempts: readonly Attempt[]): Promise<void> {
    const names = attempts.map(({ wiring }) => wiring.hostIfname)
    const [onHost, sides] = await Promise.all([
      this.#around.kernel.linksByName('', names),
      Promise.all(attempts.map(({ wiring }) => hostSide(this.#backend, this.#around, wiring.slot))),
    ])
    const vacant: number[] = []
    for (const [at, attempt] of attempts.entries()) {
      const { slot } = attempt.wiring
      const link = onHost[at] ?? sides[at]
      const { internal, dualNic, ifname, hostIfname: own } = attempt.wiring
      const renamed = internal && !dualNic && !this.#switch.usermode && ifname !== 'eth*' && ifname !== own
      const rows = internalRows(this.#switch.ovs.client, this.#switch.name, slot)
      const record = link && parsePortAlias(link.alias)
      const by = record?.target ?? `an interface ${link?.name}, which is not ours`
      if (renamed) attempt.error = unrenamable(own, ifname)
      else if (link !== undefined) attempt.error = slotTaken(this.#switch.name, slot, by)
      else if (rows !== undefined) attempt.error = slotTaken(this.#switch.name, slot, rows.target)
      else vacant.push(slot)
    }
    const kept = this.#backend.kept?.()
    const reserved = vacant.filter((slot) => kept?.has(slot) === true)
    if (reserved.length > 0) await release(this.#switch, reserved, this.#around)
  }

  /** Then vswitchd makes the devices, in its own network namespace. */
  async #insertRows(attempts: readonly Attempt[]): Promise<void> {
    const { client, commits } = this.#switch.ovs
    await Promise.all(
      attempts.map(async (attempt) => {
        const { wiring } = attempt
        try {
          await commits.commit((label) => insertion(client, this.#switch.name, wiring, label), {
            signal: this.#signal,
          })
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
    const { replica } = this.#switch.ovs.client
    if (replica.byName('Bridge', this.#switch.name) === undefined) return vswitchDeleted(this.#switch.name)
    const first = { slot, hostIfname: hostIfname(this.#switch.name, slot) }
    const second = { slot: secondOfport(slot), hostIfname: secondIfname(this.#switch.name, slot) }
    return [...(internal ? [first] : []), ...(dualNic ? [second] : [])]
      .map((port) => portError(this.#switch.name, port, replica.byName('Interface', port.hostIfname)))
      .find((error) => error !== undefined)
  }

  async #execute(attempts: readonly Attempt[]): Promise<void> {
    const plans = attempts.map(({ wiring }) => planFor(this.#switch, wiring))
    const outcomes = await this.#around.kernel.execute(plans)
    const failed = attempts.filter((_, at) => outcomes[at]?.ok !== true)
    // A device that is still there would pass for that of another plug, which had taken the slot.
    if (failed.length > 0)
      await removeRows(
        this.#switch,
        failed.map(({ wiring }) => wiring.slot),
      )
    for (const [at, attempt] of attempts.entries()) {
      const outcome = outcomes[at] as PlanOutcome
      if (!outcome.ok) attempt.error = await this.#reason(outcome, attempt.wiring)
      else {
        attempt.port.netnsId = outcome.netnsId ?? 0
        attempt.port.ifname = outcome.ifname ?? attempt.wiring.ifname
      }
    }
  }

  #reason(failed: PlanFailed, wiring: Wiring): Promise<EcdockError> | EcdockError {
    if (failed.op !== 'link move' || failed.errno !== 'ENODEV') {
      return reasonOf(failed, wiring, this.#backend, this.#around)
    }
    const message = `Open vSwitch has added ${wiring.hostIfname}, but there is no such device here`
    return new EcdockError('OVS_PORT_FAILED', 'plug', message, {
      errno: failed.errno,
      hint: 'Does ovs-vswitchd run in the same network namespace as this program?',
    })
  }

  /** The first of two interfaces need not be internal. */
  async #connectPairs(attempts: readonly Attempt[]): Promise<void> {
    const pairs = attempts.filter(({ wiring }) => !wiring.internal)
    if (pairs.length === 0) return
    const sides = pairs.map(({ wiring }) => hostSide(this.#backend, this.#around, wiring.slot))
    const links = await Promise.all(sides)
    const made = pairs.map(({ wiring, port }, at) => ({ wiring, port, ifindex: links[at]?.ifindex ?? 0 }))
    const connection = new OvsConnection(this.#switch.ovs, this.#switch.name)
    connection.add(made)
    const errors = await connection.finish(this.#signal)
    for (const [at, attempt] of pairs.entries()) {
      const port = made[at]
      if (port !== undefined) attempt.error = errors.get(port)
    }
  }

  async #setFlows(attempts: readonly Attempt[]): Promise<void> {
    const made = attempts.map(({ wiring, port }) => ({ wiring, port, ifindex: 0 }))
    const errors = await setFlows(this.#switch.ovs, this.#switch.name, made, this.#signal)
    for (const [at, attempt] of attempts.entries()) {
      const port = made[at]
      if (port !== undefined) attempt.error = errors.get(port)
      attempt.port.ofport = attempt.wiring.slot
    }
  }

  async #announce(attempts: readonly Attempt[]): Promise<void> {
    const errors = await announceAll(this.#around, attempts)
    for (const [at, attempt] of attempts.entries()) attempt.error = errors[at]
  }

  /** Of what nobody has asked for neither interface gets a copy: their bridge would send it back by the other one. */
  async #stopFlooding(attempts: readonly Attempt[]): Promise<void> {
    const dual = attempts.filter(({ wiring }) => wiring.dualNic)
    if (dual.length === 0) return
    const ports = dual.flatMap(({ wiring: { slot } }) => [slot, secondOfport(slot)])
    const errors = await this.#switch.ovs.flows(this.#switch.name).stopFlooding(ports)
    for (const [at, attempt] of dual.entries()) attempt.error = errors[2 * at] ?? errors[2 * at + 1]
  }

  /** Never throws: what could not be undone carries our marks, and `cleanup` finds it. */
  async #takeBack(failed: readonly Attempt[]): Promise<void> {
    if (failed.length === 0) return
    await undoUnlessRefused(this.#switch.ovs.client, undefined, async () => {
      const slots = failed.map(({ wiring }) => wiring.slot)
      await removeInternal(this.#switch, this.#backend, this.#around, slots)
    })
  }

  #draft(wiring: Wiring): Port {
    const { slot, ifname, mac, target, mtu, address, internal, dualNic } = wiring
    const record = { vswitch: this.#switch.name, slot, ifname, netnsId: 0, mac, target: target.label }
    const port = portOf(this.#backend, this.#around, record, mtu, address)
    if (!wiring.ipv6) port.ipv6 = ''
    return { ...port, ...(internal && { internal }), ...(dualNic && { dualNic }) }
  }
}

function unrenamable(device: string, ifname: string): EcdockError {
  const message = `an internal port of the kernel datapath is called ${device} in its target, too, and not ${ifname}`
  return new EcdockError('UNSUPPORTED', 'plug', message, {
    hint: 'Give no name, or leave out internal.',
  })
}
