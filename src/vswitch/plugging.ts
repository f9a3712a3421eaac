import { asEcdockError, EcdockError, type ErrorCode } from '../errors.js'
import type { PlanFailed, PlanOutcome } from '../kernel/plan.js'
import { Admission, type Admitted, type Item } from './admission.js'
import type { Backend, MadePort, Surroundings } from './backend.js'
import { plugFailure } from './plug-failure.js'
import { plugPlan } from './plug-plan.js'
import { portOf, takenSlots } from './port-reading.js'
import { filledAlias } from './record.js'
import type { BulkOptions, PlugOutcome, PlugRequest, Port } from './vswitch.js'
import type { Wiring } from './wiring.js'

/** Plans in one native call: short enough to stop soon when the caller wants to. */
const PLANS_A_CALL = 32
/** Ports that are connected in one go. */
const PORTS_A_CONNECT = 256
/**
 * Another process may take the slot that was chosen; then the next is chosen. Whoever loses so does so to
 * somebody who has won a slot, so this ends by itself; the limit is for a host that is not sane.
 */
const SLOT_ATTEMPTS = 1000

/** The target itself is in that slot already, put there by somebody else. */
const SIGNS_OF_A_TAKEN_SLOT: ReadonlySet<ErrorCode> = new Set(['MAC_TAKEN', 'ADDRESS_TAKEN'])

interface Made {
  item: Item
  port: MadePort
}

/** One plugAll under way. */
export class Plugging {
  readonly #backend: Backend
  readonly #around: Surroundings
  readonly #options: BulkOptions<PlugOutcome>
  readonly #requests: readonly PlugRequest[]
  readonly #admission: Admission
  readonly #outcomes: PlugOutcome[] = []
  /** What onOutcome threw: then all that it has not been told is undone, as if the plug had been cancelled. */
  #thrown: { error: unknown } | undefined

  constructor(
    backend: Backend,
    around: Surroundings,
    reserved: Set<number>,
    requests: readonly PlugRequest[],
    options: BulkOptions<PlugOutcome>,
  ) {
    this.#backend = backend
    this.#around = around
    this.#requests = requests
    this.#options = options
    this.#admission = new Admission(backend, around, reserved, requests)
  }

  async run(): Promise<PlugOutcome[]> {
    const items = this.#requests.map((request, index) => ({ index, request, attempts: 0 }))
    const size = this.#backend.connect === undefined ? PLANS_A_CALL : PORTS_A_CONNECT
    for (let at = 0; at < items.length; at += size) {
      let waiting: Item[] = items.slice(at, at + size)
      while (waiting.length > 0) waiting = await this.#runSome(waiting)
    }
    if (this.#thrown !== undefined) throw this.#thrown.error
    return this.#outcomes
  }

  /** Plugs these; returns those whose automatically chosen slot was taken meanwhile. */
  async #runSome(items: readonly Item[]): Promise<Item[]> {
    if (this.#stopped) {
      for (const item of items) this.#fail(item, cancelled())
      return []
    }
    try {
      const admitted = await this.#admission.admit(items, (item, error) => this.#fail(item, error))
      const made: Made[] = []
      const again: Item[] = []
      for (let at = 0; at < admitted.length; at += PLANS_A_CALL) {
        await this.#make(admitted.slice(at, at + PLANS_A_CALL), made, again)
      }
      await this.#connect(made)
      return again
    } finally {
      this.#admission.release()
    }
  }

  /** Makes the interfaces, in one native call. */
  async #make(admitted: readonly Admitted[], made: Made[], again: Item[]): Promise<void> {
    if (admitted.length === 0) return
    if (this.#stopped) {
      for (const { item } of admitted) this.#fail(item, cancelled())
      return
    }
    let outcomes: PlanOutcome[]
    let ports: Port[]
    try {
      const plans = admitted.map(({ wiring }) =>
        plugPlan(wiring, this.#backend.interfaces(wiring), this.#backend.finish?.(wiring)),
      )
      const slots = admitted.map(({ wiring }) => wiring.slot)
      await this.#backend.dropGhosts?.(slots, this.#around)
      const pending = this.#around.kernel.execute(plans)
      // What is known of the ports beforehand is put together while the kernel works.
      ports = admitted.map(({ wiring }) => this.#draft(wiring))
      outcomes = await pending
    } catch (error) {
      for (const { item } of admitted) this.#fail(item, error)
      return
    }
    for (const [at, { item, wiring }] of admitted.entries()) {
      const outcome = outcomes[at]
      const port = ports[at]
      if (outcome === undefined || port === undefined) continue
      if (outcome.ok) {
        port.ifname = outcome.ifname ?? wiring.ifname
        port.netnsId = outcome.netnsId ?? 0
        port.ms = outcome.ms
        made.push({ item, port: { wiring, port } })
        continue
      }
      const error = await this.#reason(outcome, wiring)
      if (item.attempts + 1 < SLOT_ATTEMPTS && (await this.#lostARace(item, wiring.slot, error))) {
        again.push({ ...item, attempts: item.attempts + 1 })
      } else {
        this.#fail(item, error)
      }
    }
  }

  /** Why a plan failed. What is asked of the kernel to say it well may fail, too. */
  async #reason(failed: PlanFailed, wiring: Wiring): Promise<EcdockError> {
    try {
      return await plugFailure(failed, wiring, this.#backend, this.#around)
    } catch (error) {
      return asEcdockError(error, 'plug')
    }
  }

  /** A port as far as it is known before it is made. */
  #draft(wiring: Wiring): Port {
    const { slot, ifname, mac, target, mtu, address } = wiring
    const record = { vswitch: this.#backend.name, slot, ifname, netnsId: 0, mac, target: target.label }
    const port = portOf(this.#backend, this.#around, record, mtu, address)
    if (!wiring.ipv6) port.ipv6 = ''
    return port
  }

  /** Connects what was made, and takes down again what could not be connected. */
  async #connect(made: readonly Made[]): Promise<void> {
    if (made.length === 0) return
    const { signal } = this.#options
    const before = performance.now()
    let errors: (EcdockError | undefined)[] = []
    if (this.#stopped) {
      errors = made.map(cancelled)
    } else if (this.#backend.connect !== undefined) {
      try {
        errors = await this.#backend.connect(
          made.map(({ port }) => port),
          signal,
        )
      } catch (error) {
        errors = made.map(() => asEcdockError(error, 'plug'))
      }
    }
    const share = (performance.now() - before) / made.length
    const left = await this.#takeDown(made.filter((_, at) => errors[at] !== undefined))
    const untold: Made[] = []
    for (const [at, { item, port }] of made.entries()) {
      const error = errors[at]
      if (error !== undefined) {
        this.#fail(item, left === undefined ? error : withRest(error, left))
      } else if (this.#thrown === undefined) {
        port.port.ms = (port.port.ms ?? 0) + share
        this.#settle(item, { ok: true, port: port.port })
      } else {
        untold.push({ item, port })
      }
    }
    await this.#takeBack(untold)
  }

  /** Takes the interfaces down again, as far as they are still those that were made; what went wrong, if anything. */
  async #takeDown(made: readonly Made[]): Promise<EcdockError | undefined> {
    if (made.length === 0) return undefined
    const links = made.map(({ port: { wiring, port } }) => ({
      name: wiring.hostIfname,
      mark: filledAlias(wiring, port),
    }))
    try {
      await this.#around.kernel.deleteMarkedLinks(this.#backend.netns, links)
      return undefined
    } catch (error) {
      return asEcdockError(error, 'plug')
    }
  }

  /** Takes ports out that are connected, because the caller will never hear of them. */
  async #takeBack(made: readonly Made[]): Promise<void> {
    if (made.length === 0) return
    const slots = made.map(({ port }) => port.wiring.slot)
    await Promise.allSettled([this.#takeDown(made), this.#backend.disconnect?.(slots)])
    for (const { item } of made) this.#fail(item, cancelled())
  }

  /**
   * What was chosen (the slot, the interface's name) was free then, and another process has taken it since,
   * perhaps for the same target, perhaps to give it back already.
   */
  async #lostARace(item: Item, slot: number, error: EcdockError): Promise<boolean> {
    if (error.code === 'IFNAME_TAKEN') return item.request.ifname === undefined
    if (item.request.slot !== undefined) return false
    if (error.code === 'SLOT_TAKEN') return true
    if (!SIGNS_OF_A_TAKEN_SLOT.has(error.code)) return false
    try {
      return (await takenSlots(this.#backend, this.#around)).has(slot)
    } catch {
      return false
    }
  }

  get #stopped(): boolean {
    return this.#thrown !== undefined || this.#options.signal?.aborted === true
  }

  #fail(item: Item, error: unknown): void {
    const outcome: PlugOutcome = { ok: false, error: asEcdockError(error, 'plug') }
    if (item.request.slot !== undefined) outcome.slot = item.request.slot
    this.#settle(item, outcome)
  }

  #settle(item: Item, outcome: PlugOutcome): void {
    this.#outcomes[item.index] = outcome
    if (this.#thrown !== undefined) return
    try {
      this.#options.onOutcome?.(outcome, item.index)
    } catch (error) {
      this.#thrown = { error }
    }
  }
}

function withRest(error: EcdockError, { message }: EcdockError): EcdockError {
  const { code, op, errno, kernelMessage } = error
  return new EcdockError(code, op, `${error.message}; its interface could not be removed: ${message}`, {
    errno,
    kernelMessage,
    hint: 'Run "ecdock-fast cleanup".',
    cause: error,
  })
}

function cancelled(): EcdockError {
  return new EcdockError('CANCELLED', 'plug', 'the plug was cancelled; nothing of it is left')
}
