import { asEcdockError, EcdockError } from '../errors.js'
import type { PlanFailed } from '../kernel/plan.js'
import { Admission, type Admitted, type Item } from './admission.js'
import type { Backend, MadePort, Surroundings } from './backend.js'
import { Connecting, cancelled, takeDown } from './connecting.js'
import { isMade, makeAll, reasonOf, worthAnother } from './making.js'
import type { BulkOptions, PlugOutcome, PlugRequest } from './vswitch.js'
import type { Wiring } from './wiring.js'

/** Plans in one native call: short enough to stop soon when the caller wants to. */
const PLANS_A_CALL = 25
/** Plugs that are admitted before the first of them is made. */
const PLUGS_AT_ONCE = 1024
/**
 * Another process may take the slot that was chosen; then the next is chosen. Whoever loses so does so to
 * somebody who has won a slot, so this ends by itself; the limit is for a host that is not sane.
 */
const SLOT_ATTEMPTS = 1000

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
  /** When some were connected last. */
  #connectedAt = 0

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
    await this.#dropGhosts()
    for (let at = 0; at < items.length; at += PLUGS_AT_ONCE) {
      let waiting: Item[] = items.slice(at, at + PLUGS_AT_ONCE)
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
      const again: Item[] = []
      const [internal, others] = parted(admitted)
      await this.#makeAndConnect(await this.#prepare(others), again)
      await this.#plugInternal(internal, again)
      return again
    } finally {
      this.#admission.release()
    }
  }

  /** Makes the slots ready, all at once; returns those that are. */
  async #prepare(admitted: readonly Admitted[]): Promise<readonly Admitted[]> {
    if (admitted.length === 0 || this.#stopped) return admitted
    try {
      const wirings = admitted.map(({ wiring }) => wiring)
      const errors = await this.#backend.prepare?.(wirings, this.#around)
      if (errors === undefined || errors.size === 0) return admitted
      for (const { item, wiring } of admitted) {
        const error = errors.get(wiring.slot)
        if (error !== undefined) this.#fail(item, error)
      }
      return admitted.filter(({ wiring }) => !errors.has(wiring.slot))
    } catch (error) {
      for (const { item } of admitted) this.#fail(item, error)
      return []
    }
  }

  /**
   * Makes the interfaces, some in each native call, and connects as many at a time as the switch wants to take in. The next
   * call is made before one has ended, so that the kernel need not wait for Node.
   */
  async #makeAndConnect(admitted: readonly Admitted[], again: Item[]): Promise<void> {
    const connected: Promise<PromiseSettledResult<void>>[] = []
    let before: Promise<unknown> | undefined
    for (const some of inPieces(admitted, this.#connectsAtATime(admitted.length))) {
      const connecting = new Connecting(this.#backend, this.#around)
      const making: Promise<PromiseSettledResult<Made[]>>[] = []
      for (const plans of inPieces(some, PLANS_A_CALL)) {
        const made = settled(this.#make(plans, connecting, again))
        making.push(made)
        await before
        before = made
      }
      connected.push(settled(this.#connectWhenMade(making, connecting)))
    }
    // The slots are kept until all that was begun has ended, whatever becomes of one.
    for (const result of await Promise.all(connected)) if (result.status === 'rejected') throw result.reason
  }

  #connectsAtATime(count: number): number {
    if (this.#backend.connection === undefined) return PLANS_A_CALL
    return this.#backend.connectsAtATime?.(count) ?? count
  }

  /** Connects what these calls make, whatever becomes of one of them. */
  async #connectWhenMade(
    making: readonly Promise<PromiseSettledResult<Made[]>>[],
    connecting: Connecting,
  ): Promise<void> {
    const calls = await Promise.all(making)
    const made = calls.flatMap((call) => (call.status === 'fulfilled' ? call.value : []))
    await this.#connect(made, connecting)
    for (const call of calls) if (call.status === 'rejected') throw call.reason
  }

  /** Makes the interfaces, in one native call; returns those that are made, and gives them to be connected. */
  async #make(admitted: readonly Admitted[], connecting: Connecting, again: Item[]): Promise<Made[]> {
    if (this.#stopped) {
      for (const { item } of admitted) this.#fail(item, cancelled())
      return []
    }
    let outcomes: (MadePort | PlanFailed)[]
    try {
      const wirings = admitted.map(({ wiring }) => wiring)
      outcomes = await makeAll(this.#backend, this.#around, wirings)
    } catch (error) {
      for (const { item } of admitted) this.#fail(item, error)
      return []
    }
    connecting.add(outcomes.filter(isMade))
    const made: Made[] = []
    for (const [at, { item, wiring }] of admitted.entries()) {
      const outcome = outcomes[at]
      if (outcome === undefined) continue
      if (isMade(outcome)) made.push({ item, port: outcome })
      else if (await this.#failed(item, wiring, outcome)) again.push({ ...item, attempts: item.attempts + 1 })
    }
    return made
  }

  /** Ports whose device the switch makes. */
  async #plugInternal(admitted: readonly Admitted[], again: Item[]): Promise<void> {
    const ports = this.#backend.internal
    if (admitted.length === 0 || ports === undefined) return
    const before = performance.now()
    const signal = this.#thrown === undefined ? this.#options.signal : AbortSignal.abort()
    const wirings = admitted.map(({ wiring }) => wiring)
    const outcomes = await ports.plug(wirings, this.#around, signal)
    const share = (performance.now() - before) / admitted.length
    for (const [at, { item, wiring }] of admitted.entries()) {
      const outcome = outcomes[at]
      if (outcome === undefined) continue
      const retries = item.attempts + 1 < SLOT_ATTEMPTS
      if (outcome instanceof EcdockError) {
        const lost = outcome.code === 'SLOT_TAKEN' && item.request.slot === undefined
        if (lost && retries) again.push({ ...item, attempts: item.attempts + 1 })
        else this.#fail(item, outcome)
      } else if (this.#thrown === undefined) {
        this.#settle(item, { ok: true, port: { ...outcome, ms: share } })
      } else {
        await ports.unplug([wiring.slot], this.#around)
        this.#fail(item, cancelled())
      }
    }
  }

  /** A plan has failed: true when it is worth another attempt, otherwise the caller hears why. */
  async #failed(item: Item, wiring: Wiring, outcome: PlanFailed): Promise<boolean> {
    const error = await reasonOf(outcome, wiring, this.#backend, this.#around)
    const { request, attempts } = item
    try {
      if (
        attempts + 1 < SLOT_ATTEMPTS &&
        (await worthAnother(request, wiring.slot, error, this.#backend, this.#around))
      ) {
        return true
      }
      this.#fail(item, error)
    } catch (thrown) {
      // The switch cannot be put right: nobody else's plug need fail of that.
      this.#fail(item, thrown)
    }
    return false
  }

  /** Connects what was made, and takes down again what could not be connected. */
  async #connect(made: readonly Made[], connecting: Connecting): Promise<void> {
    if (made.length === 0) return
    const before = performance.now()
    const signal = this.#thrown === undefined ? this.#options.signal : AbortSignal.abort()
    const errors = await connecting.finish(signal)
    // What it waited for others that were connected is theirs.
    const since = Math.max(before, this.#connectedAt)
    this.#connectedAt = performance.now()
    const share = (this.#connectedAt - since) / made.length
    const untold: Made[] = []
    for (const { item, port } of made) {
      const error = errors.get(port)
      if (error !== undefined) {
        this.#fail(item, error)
      } else if (this.#thrown === undefined) {
        port.port.ms = (port.port.ms ?? 0) + share
        this.#settle(item, { ok: true, port: port.port })
      } else {
        untold.push({ item, port })
      }
    }
    // They are connected, but the caller will never hear of them.
    await takeDown(
      this.#backend,
      this.#around,
      untold.map(({ port }) => port),
    )
    for (const { item } of untold) this.#fail(item, cancelled())
  }

  /** Internal ports whose target has ended would pass for taken slots. */
  async #dropGhosts(): Promise<void> {
    const ports = this.#backend.internal
    if (ports === undefined) return
    const asked = this.#requests.map(({ slot }) => slot)
    const slots = asked.includes(undefined) ? ports.slots() : asked.flatMap((slot) => slot ?? [])
    const held = slots.filter((slot) => ports.has(slot))
    if (held.length > 0) await ports.dropGhosts(this.#around, held)
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

function* inPieces<T>(all: readonly T[], size: number): Generator<readonly T[]> {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size)
}

async function settled<T>(promise: Promise<T>): Promise<PromiseSettledResult<T>> {
  const [result] = await Promise.allSettled([promise])
  return result
}

/** Those whose device the switch makes, or one of their devices, and the others. */
function parted(admitted: readonly Admitted[]): [Admitted[], Admitted[]] {
  const isInternal = ({ wiring }: Admitted) => wiring.internal || wiring.dualNic
  return [admitted.filter(isInternal), admitted.filter((one) => !isInternal(one))]
}
