import { parseMac } from '../addressing/mac.js'
import { checkSlot, lowestFreeSlots, type SlotLimits } from '../addressing/slot.js'
import { EcdockError } from '../errors.js'
import { locateTarget, resolveTarget } from '../target/resolve.js'
import type { ResolvedTarget } from '../target/target.js'
import type { Backend, ForeignPorts, Surroundings } from './backend.js'
import { slotTaken } from './plug-failure.js'
import { readPorts, takenSlots } from './port-reading.js'
import type { PlugRequest, Port } from './vswitch.js'
import { checkRequest, type Wiring, wire } from './wiring.js'

/** One request of a plugAll. */
export interface Item {
  index: number
  request: PlugRequest
  /** How often it has lost the slot that was chosen for it. */
  attempts: number
}

export interface Admitted {
  item: Item
  wiring: Wiring
}

/**
 * What comes before anything is made: checks the requests of one plugAll, finds their targets, and gives each a slot.
 */
export class Admission {
  readonly #backend: Backend
  readonly #around: Surroundings
  /** Slots that other plugs of the same Vswitch object have chosen but not yet made. */
  readonly #reserved: Set<number>
  /** Those of them that are this one's. */
  readonly #chosen = new Set<number>()
  /** Slots that requests of this call ask for by number. */
  readonly #asked: ReadonlySet<number>
  /** MAC addresses that requests of this call ask for, with the index of the first that does. */
  readonly #macs = new Map<string, number>()
  #known: readonly Port[] | undefined

  constructor(
    backend: Backend,
    around: Surroundings,
    reserved: Set<number>,
    requests: readonly PlugRequest[],
  ) {
    this.#backend = backend
    this.#around = around
    this.#reserved = reserved
    this.#asked = new Set(requests.flatMap(({ slot }) => slot ?? []))
  }

  /** Those that can be plugged in, in order; `refuse` hears of the others. The chosen slots are kept until {@link release}. */
  async admit(items: readonly Item[], refuse: (item: Item, error: unknown) => void): Promise<Admitted[]> {
    this.#known = undefined
    const resolved: { item: Item; target: ResolvedTarget }[] = []
    let foreign: ForeignPorts | undefined
    try {
      foreign = this.#backend.foreign?.()
    } catch (error) {
      for (const item of items) refuse(item, error)
      return []
    }
    await Promise.all(
      items.map(async (item) => {
        try {
          checkRequest(item.request)
          if (item.request.slot !== undefined) checkAskedSlot(this.#backend, item.request.slot, foreign)
          if (item.request.mac !== undefined) await this.#checkMac(item.request.mac)
          resolved.push({ item, target: await this.#locate(item.request) })
        } catch (error) {
          refuse(item, error)
        }
      }),
    )
    resolved.sort((a, b) => a.item.index - b.item.index)
    const automatic = resolved.filter(({ item }) => item.request.slot === undefined)
    const chosen: number[] = []
    try {
      if (automatic.length > 0) await this.#choose(automatic.length, chosen)
    } catch (error) {
      for (const { item } of automatic.slice(chosen.length)) refuse(item, error)
    }
    return this.#wired(resolved, chosen, refuse)
  }

  /** Lets go of the chosen slots: they are made now, or will not be. */
  release(): void {
    for (const slot of this.#chosen) this.#reserved.delete(slot)
    this.#chosen.clear()
  }

  #wired(
    resolved: readonly { item: Item; target: ResolvedTarget }[],
    chosen: number[],
    refuse: (item: Item, error: unknown) => void,
  ): Admitted[] {
    const admitted: Admitted[] = []
    for (const { item, target } of resolved) {
      const slot = item.request.slot ?? chosen.shift()
      if (slot === undefined) continue
      try {
        const wiring = wire(this.#backend, this.#around.hasIpv6, item.request, target, slot)
        if (item.request.mac !== undefined) this.#claimMac(wiring.mac, item)
        admitted.push({ item, wiring })
      } catch (error) {
        refuse(item, error)
      }
    }
    return admitted
  }

  /** A slot is chosen only for a target that is there; where it is given, entering the namespace is check enough. */
  #locate({ target, slot }: PlugRequest): Promise<ResolvedTarget> {
    return (slot === undefined ? resolveTarget : locateTarget)(target, this.#around.docker)
  }

  async #checkMac(mac: string): Promise<void> {
    const wanted = parseMac(mac)
    const holder = (await this.#ports()).find((port) => port.mac === wanted)
    if (holder === undefined) return
    const message = `MAC ${wanted} is taken on ${this.#backend.name}, by ${holder.target} in slot ${holder.slot}`
    throw new EcdockError('MAC_TAKEN', 'plug', message, { hint: 'Choose another MAC, or give none.' })
  }

  #claimMac(mac: string, { index }: Item): void {
    const first = this.#macs.get(mac) ?? index
    this.#macs.set(mac, first)
    if (first === index) return
    throw new EcdockError('MAC_TAKEN', 'plug', `MAC ${mac} is asked for twice`, {
      hint: 'Choose another MAC, or give none.',
    })
  }

  /** Puts so many slots into `chosen`; throws SLOTS_EXHAUSTED when it is left with fewer. */
  async #choose(count: number, chosen: number[]): Promise<void> {
    const taken = await takenSlots(this.#backend, this.#around)
    for (const slot of [...this.#reserved, ...this.#asked]) taken.add(slot)
    const take = (many: number) => {
      for (const slot of lowestFreeSlots(this.#backend.subnet, taken, many, slotLimits(this.#backend))) {
        taken.add(slot)
        this.#reserved.add(slot)
        this.#chosen.add(slot)
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
}

/** Passes a slot that was asked for; `foreign` is what {@link Backend.foreign} told. */
export function checkAskedSlot(backend: Backend, slot: number, foreign: ForeignPorts | undefined): void {
  checkSlot(backend.subnet, slot, slotLimits(backend))
  const holder = foreign?.get(slot)
  if (holder !== undefined) throw slotTaken(backend.name, slot, holder)
}

/** The slots that a vswitch can have by its kind, besides what its subnet allows. */
export function slotLimits({ maxSlot }: Backend): SlotLimits {
  return maxSlot === undefined ? {} : { max: maxSlot }
}
