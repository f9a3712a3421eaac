import { parseMac } from '../addressing/mac.js'
import { checkSlot, lowestFreeSlots } from '../addressing/slot.js'
import { asEcdockError, EcdockError, type ErrorCode } from '../errors.js'
import type { PlanOutcome } from '../kernel/plan.js'
import { locateTarget, resolveTarget } from '../target/resolve.js'
import type { ResolvedTarget } from '../target/target.js'
import type { Backend, MadePort, Surroundings } from './backend.js'
import { plugFailure, slotTaken } from './plug-failure.js'
import { plugPlan } from './plug-plan.js'
import { portOf, readPorts, takenSlots } from './port-reading.js'
import type { BulkOptions, PlugOutcome, PlugRequest, Port } from './vswitch.js'
import { checkRequest, type Wiring, wire } from './wiring.js'

/** Plans in one native call: short enough to stop soon when the caller wants to. */
const PLANS_A_CALL = 32
/** Ports that are connected in one go. */
const PORTS_A_CONNECT = 256
/**
 * Another process may take the slot that was chosen; then the next is chosen. Whoever loses so does so to
 * somebody who has won a slot, so this ends by itself; the limit is for a host that is not sane.
 */
const SLOT_ATTEMPTS = 1000

const SIGNS_OF_A_TAKEN_SLOT: ReadonlySet<ErrorCode> = new Set(['SLOT_TAKEN', 'MAC_TAKEN', 'ADDRESS_TAKEN'])

interface Item {
  index: number
  request: PlugRequest
  attempts: number
}

/** One plugAll under way. */
export class Plugging {
  readonly #backend: Backend
  readonly #around: Surroundings
  readonly #options: BulkOptions<PlugOutcome>
  /** Slots that other plugs of this process have chosen but not yet made. */
  readonly #reserved: Set<number>
  readonly #outcomes: PlugOutcome[] = []
  /** Slots that requests of this call ask for by number. */
  readonly #asked = new Set<number>()
  #known: readonly Port[] | undefined

  constructor(
    backend: Backend,
    around: Surroundings,
    reserved: Set<number>,
    options: BulkOptions<PlugOutcome>,
  ) {
    this.#backend = backend
    this.#around = around
    this.#reserved = reserved
    this.#options = options
  }

  async run(requests: readonly PlugRequest[]): Promise<PlugOutcome[]> {
    const items = requests.map((request, index) => ({ index, request, attempts: 0 }))
    for (const { slot } of requests) if (slot !== undefined) this.#asked.add(slot)
    const size = this.#backend.connect === undefined ? PLANS_A_CALL : PORTS_A_CONNECT
    for (let at = 0; at < items.length; at += size) {
      let waiting: Item[] = items.slice(at, at + size)
      while (waiting.length > 0) waiting = await this.#runSome(waiting)
    }
    return this.#outcomes
  }

  /** Plugs these; returns those whose automatically chosen slot was taken meanwhile. */
  async #runSome(items: readonly Item[]): Promise<Item[]> {
    const admitted: { item: Item; wiring: Wiring }[] = []
    const chosen: number[] = []
    this.#known = undefined
    try {
      await this.#admit(items, admitted, chosen)
      const made: { item: Item; port: MadePort }[] = []
      const again: Item[] = []
      for (let at = 0; at < admitted.length; at += PLANS_A_CALL) {
        await this.#make(admitted.slice(at, at + PLANS_A_CALL), made, again)
      }
      await this.#connect(made)
      return again
    } finally {
      for (const slot of chosen) this.#reserved.delete(slot)
    }
  }

  /** Checks the requests, resolves their targets and gives each a slot. */
  async #admit(
    items: readonly Item[],
    admitted: { item: Item; wiring: Wiring }[],
    chosen: number[],
  ): Promise<void> {
    const resolved: { item: Item; target: ResolvedTarget }[] = []
    let foreign: ReadonlyMap<number, string> | undefined
    try {
      foreign = await this.#backend.foreign?.()
    } catch (error) {
      for (const item of items) this.#fail(item, error)
      return
    }
    await Promise.all(
      items.map(async (item) => {
        try {
          this.#stopIfAborted()
          checkRequest(item.request)
          if (item.request.slot !== undefined) this.#checkSlot(item.request.slot, foreign)
          if (item.request.mac !== undefined) await this.#checkMac(item.request.mac)
          resolved.push({ item, target: await this.#locate(item.request) })
        } catch (error) {
          this.#fail(item, error)
        }
      }),
    )
    resolved.sort((a, b) => a.item.index - b.item.index)
    const automatic = resolved.filter(({ item }) => item.request.slot === undefined)
    try {
      if (automatic.length > 0) await this.#choose(automatic.length, chosen)
    } catch (error) {
      for (const { item } of automatic.slice(chosen.length)) this.#fail(item, error)
    }
    const slots = [...chosen]
    const place = this.#place()
    for (const { item, target } of resolved) {
      const slot = item.request.slot ?? slots.shift()
      if (slot === undefined) continue
      admitted.push({ item, wiring: wire(place, item.request, target, slot) })
    }
  }

  /** A slot is chosen only for a target that is there; where it is given, entering the namespace is check enough. */
  #locate({ target, slot }: PlugRequest): Promise<ResolvedTarget> {
    return (slot === undefined ? resolveTarget : locateTarget)(target, this.#around.docker)
  }

  #place() {
    const { name, subnet, ipv6Prefix, ovsdb } = this.#backend
    return { name, subnet, ipv6Prefix, ovsdb, hasIpv6: this.#around.hasIpv6 }
  }

  #limits() {
    return this.#backend.maxSlot === undefined ? {} : { max: this.#backend.maxSlot }
  }

  #checkSlot(slot: number, foreign: ReadonlyMap<number, string> | undefined): void {
    checkSlot(this.#backend.subnet, slot, this.#limits())
    const holder = foreign?.get(slot)
    if (holder !== undefined) throw slotTaken(this.#backend.name, slot, holder)
  }

  async #checkMac(mac: string): Promise<void> {
    const wanted = parseMac(mac)
    const holder = (await this.#ports()).find((port) => port.mac === wanted && port.state !== 'ghost')
    if (holder === undefined) return
    const message = `MAC ${wanted} is taken on ${this.#backend.name}, by ${holder.target} in slot ${holder.slot}`
    throw new EcdockError('MAC_TAKEN', 'plug', message, { hint: 'Choose another MAC, or give none.' })
  }

  /** Puts so many slots into `chosen`; throws SLOTS_EXHAUSTED when it is left with fewer. */
  async #choose(count: number, chosen: number[]): Promise<void> {
    const taken = await takenSlots(this.#backend, this.#around)
    for (const slot of [...this.#reserved, ...this.#asked]) taken.add(slot)
    const { subnet } = this.#backend
    const take = (many: number) => {
      for (const slot of lowestFreeSlots(subnet, taken, many, this.#limits())) {
        taken.add(slot)
        this.#reserved.add(slot)
        chosen.push(slot)
      }
    }
    try {
      take(count)
    } catch {
      // Not enough for all: those that come first get what there is.
      while (chosen.length < count) take(1)
    }
  }

  /** The ports, read once for each batch. */
  async #ports(): Promise<readonly Port[]> {
    this.#known ??= await readPorts(this.#backend, this.#around)
    return this.#known
  }

  /** Makes the interfaces, in one native call. */
  async #make(
    admitted: readonly { item: Item; wiring: Wiring }[],
    made: { item: Item; port: MadePort }[],
    again: Item[],
  ): Promise<void> {
    if (admitted.length === 0) return
    if (this.#options.signal?.aborted === true) {
      for (const { item } of admitted) this.#fail(item, cancelled())
      return
    }
    let outcomes: PlanOutcome[]
    let ports: Port[]
    const plans = admitted.map(({ wiring }) =>
      plugPlan(wiring, this.#backend.interfaces(wiring), this.#backend.finish?.(wiring)),
    )
    try {
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
      const error = await plugFailure(outcome, wiring, this.#backend, this.#around)
      if (item.attempts + 1 < SLOT_ATTEMPTS && (await this.#lostTheSlot(item, wiring.slot, error))) {
        again.push({ ...item, attempts: item.attempts + 1 })
      } else {
        this.#fail(item, error)
      }
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
  async #connect(made: readonly { item: Item; port: MadePort }[]): Promise<void> {
    if (made.length === 0) return
    const { signal } = this.#options
    const before = performance.now()
    let errors: (EcdockError | undefined)[] = []
    if (signal?.aborted === true) {
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
    const failed = made.filter((_, at) => errors[at] !== undefined)
    if (failed.length > 0) await this.#takeDown(failed.map(({ port }) => port.wiring.hostIfname))
    for (const [at, { item, port }] of made.entries()) {
      const error = errors[at]
      if (error === undefined) {
        port.port.ms = (port.port.ms ?? 0) + share
        this.#settle(item, { ok: true, port: port.port })
      } else {
        this.#fail(item, error)
      }
    }
  }

  async #takeDown(names: readonly string[]): Promise<void> {
    const links = await this.#around.kernel.linksByName(this.#backend.netns, names)
    const ifindexes = links.flatMap((link) => (link === undefined ? [] : [link.ifindex]))
    await this.#around.kernel.deleteLinks(this.#backend.netns, ifindexes)
  }

  /** The slot was free when it was chosen, and another process has taken it since, perhaps for the same target. */
  async #lostTheSlot(item: Item, slot: number, error: EcdockError): Promise<boolean> {
    if (item.request.slot !== undefined || !SIGNS_OF_A_TAKEN_SLOT.has(error.code)) return false
    return (await takenSlots(this.#backend, this.#around)).has(slot)
  }

  #stopIfAborted(): void {
    if (this.#options.signal?.aborted === true) throw cancelled()
  }

  #fail(item: Item, error: unknown): void {
    const outcome: PlugOutcome = { ok: false, error: asEcdockError(error, 'plug') }
    if (item.request.slot !== undefined) outcome.slot = item.request.slot
    this.#settle(item, outcome)
  }

  #settle(item: Item, outcome: PlugOutcome): void {
    this.#outcomes[item.index] = outcome
    this.#options.onOutcome?.(outcome, item.index)
  }
}

function cancelled(): EcdockError {
  return new EcdockError('CANCELLED', 'plug', 'the plug was cancelled; nothing of it is left')
}
