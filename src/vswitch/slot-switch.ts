import { checkSlot, lowestFreeSlots } from '../addressing/slot.js'
import { EcdockError } from '../errors.js'
import { explainSteps } from '../kernel/explain.js'
import type { Step } from '../kernel/plan.js'
import { ownNetwork, resolveTarget } from '../target/resolve.js'
import type { Target } from '../target/target.js'
import { checkAskedSlot, slotLimits } from './admission.js'
import { announcementOf } from './announcing.js'
import type { Backend, PlugExplanation, Surroundings } from './backend.js'
import { checkIfname } from './names.js'
import { plugDirectly } from './plug-directly.js'
import { slotTaken } from './plug-failure.js'
import { plugPlan } from './plug-plan.js'
import { Plugging } from './plugging.js'
import { readPort, readPorts, reservedSlots, takenSlots } from './port-reading.js'
import { filledAlias } from './record.js'
import { NIC_BRIDGE } from './second-nic.js'
import { unplugAll } from './unplugging.js'
import type {
  BulkOptions,
  Mirror,
  PlugOptions,
  PlugOutcome,
  PlugRequest,
  Port,
  PortsOptions,
  UnplugOutcome,
  Vswitch,
  VswitchKind,
} from './vswitch.js'
import { checkRequest, wire } from './wiring.js'

/** A vswitch with numbered slots, of any kind. */
export class SlotSwitch implements Vswitch {
  readonly #backend: Backend
  readonly #around: Surroundings
  readonly #reserved = new Set<number>()

  constructor(backend: Backend, around: Surroundings) {
    this.#backend = backend
    this.#around = around
  }

  get name(): string {
    return this.#backend.name
  }

  get kind(): VswitchKind {
    return this.#backend.kind
  }

  get subnet(): string {
    return this.#backend.subnet.text
  }

  get ipv6Prefix(): string {
    return this.#backend.ipv6Prefix
  }

  get neighSuppress(): boolean {
    return this.#backend.neighSuppress === true
  }

  async plug(target: Target, options: PlugOptions = {}): Promise<Port> {
    const before = performance.now()
    const { signal } = options
    const request = { ...options, target, signal: undefined }
    const port =
      (await plugDirectly(this.#backend, this.#around, request, signal)) ??
      (await this.#plugOne(request, signal))
    port.ms = performance.now() - before
    return port
  }

  async plugAll(
    requests: readonly PlugRequest[],
    options: BulkOptions<PlugOutcome> = {},
  ): Promise<PlugOutcome[]> {
    return new Plugging(this.#backend, this.#around, this.#reserved, requests, options).run()
  }

  async unplug(slot: number, options: { signal?: AbortSignal } = {}): Promise<void> {
    const [outcome] = await this.unplugAll([slot], options)
    if (outcome?.ok === false) throw outcome.error
  }

  unplugAll(slots: readonly number[], options: BulkOptions<UnplugOutcome> = {}): Promise<UnplugOutcome[]> {
    return unplugAll(this.#backend, this.#around, slots, options)
  }

  ports(options: PortsOptions = {}): Promise<Port[]> {
    return readPorts(this.#backend, this.#around, options)
  }

  port(slot: number): Promise<Port | undefined> {
    return readPort(this.#backend, this.#around, slot)
  }

  async freeSlots(count = 1, except: Iterable<number> = []): Promise<number[]> {
    const taken = await takenSlots(this.#backend, this.#around)
    for (const slot of except) taken.add(slot)
    return lowestFreeSlots(this.#backend.subnet, taken, count, slotLimits(this.#backend))
  }

  async reserve(slots: readonly number[]): Promise<void> {
    for (const slot of slots) checkAskedSlot(this.#backend, slot, this.#backend.foreign?.())
    await this.#backend.reserve?.(slots, this.#around)
  }

  reservedSlots(): Promise<number[]> {
    return reservedSlots(this.#backend, this.#around)
  }

  async release(slots?: readonly number[]): Promise<number[]> {
    const reserved = await this.reservedSlots()
    const wanted = slots === undefined ? reserved : reserved.filter((slot) => slots.includes(slot))
    if (wanted.length > 0) await this.#backend.release?.(wanted, this.#around)
    return wanted
  }

  async mirror(slot: number, { to }: { to: string }): Promise<void> {
    checkSlot(this.#backend.subnet, slot, slotLimits(this.#backend))
    checkIfname(to)
    await this.#mirroring().mirror(slot, to, this.#around)
  }

  async unmirror(slot: number): Promise<string[]> {
    checkSlot(this.#backend.subnet, slot, slotLimits(this.#backend))
    return this.#mirroring().unmirror(slot)
  }

  async mirrors(): Promise<Mirror[]> {
    return this.#backend.mirroring?.mirrors() ?? []
  }

  async removeMirror(to: string): Promise<void> {
    await this.#mirroring().remove(to)
  }

  async explain(target: Target, options: PlugOptions = {}): Promise<string[]> {
    const { signal: _, ...rest } = options
    const request = { ...rest, target }
    checkRequest(request)
    const { kernel, docker } = this.#around
    const resolved = await resolveTarget(target, docker)
    const slot = options.slot ?? (await this.freeSlots())[0] ?? 0
    await this.#checkVacant(slot)
    const ifname = options.ifname ?? (await this.#lowestIfname(resolved.netns))
    const wiring = wire(this.#backend, this.#around.hasIpv6, { ...request, ifname }, resolved, slot)
    const netnsId = await kernel.namespaceId(resolved.netns)
    if (netnsId === (await kernel.namespaceId(''))) throw ownNetwork(resolved)
    const explained = (steps: readonly Step[]) =>
      explainSteps(steps.map((step) => filledIn(step, ifname, netnsId)))
    const device = wiring.dualNic ? NIC_BRIDGE : ifname
    const announcement = wiring.announce === 'connected' ? announcementOf(wiring, device).steps : []
    const { internal } = this.#backend
    if (internal !== undefined && (wiring.internal || wiring.dualNic)) {
      const commands = await internal.explain(wiring, this.#around, ({ steps }) => explained(steps))
      return [...commands, ...explainSteps(announcement)]
    }
    const {
      before = [],
      interfaces = this.#backend.interfaces(wiring),
      finish = this.#backend.finish?.(wiring),
      after = [],
    }: Partial<PlugExplanation> = (await this.#backend.explain?.(wiring, this.#around)) ?? {}
    const { steps } = plugPlan(wiring, interfaces, finish)
    return [...before, ...explained(steps), ...after, ...explainSteps(announcement)]
  }

  /** Commands for a slot that is taken would do harm to whoever is in it. */
  async #checkVacant(slot: number): Promise<void> {
    const { name } = this.#backend
    checkAskedSlot(this.#backend, slot, this.#backend.foreign?.())
    const holder = await this.#backend.places.holder(this.#around, slot)
    if (holder !== undefined) throw slotTaken(name, slot, holder)
  }

  #mirroring(): NonNullable<Backend['mirroring']> {
    const { kind, mirroring } = this.#backend
    if (mirroring !== undefined) return mirroring
    throw new EcdockError('UNSUPPORTED', 'mirror', `a port of kind ${kind} cannot be mirrored`, {
      hint: 'Use a vswitch of kind ovs for that.',
    })
  }

  async #plugOne(request: PlugRequest, signal: AbortSignal | undefined): Promise<Port> {
    const [outcome] = await this.plugAll([request], signal === undefined ? {} : { signal })
    if (outcome?.ok !== true) throw outcome?.error
    return outcome.port
  }

  async #lowestIfname(netns: string): Promise<string> {
    const names = new Set((await this.#around.kernel.links(netns)).map((link) => link.name))
    let number = 0
    while (names.has(`eth${number}`)) number++
    return `eth${number}`
  }
}

/** The step with the words filled in that the addon fills in when it is run. */
function filledIn(step: Step, ifname: string, netnsId: number): Step {
  if ((step.op !== 'link' && step.op !== 'tap') || step.alias === undefined) return step
  return { ...step, alias: filledAlias({ alias: step.alias }, { ifname, netnsId }) }
}
