import type { Subnet } from '../addressing/subnet.js'
import type { DockerEngine } from '../docker/engine.js'
import type { EcdockError } from '../errors.js'
import type { Kernel, Removal } from '../kernel/kernel.js'
import type { PlanFailed, Step } from '../kernel/plan.js'
import type { InternalPorts } from './internal-ports.js'
import type { Mirror, Port, VswitchKind } from './vswitch.js'
import type { Wiring } from './wiring.js'

/** What a vswitch needs of the machine that it is on. */
export interface Surroundings {
  readonly kernel: Kernel
  /** Docker, opened when it is first asked for. */
  readonly docker: () => DockerEngine
  /** The kernel speaks IPv6. */
  readonly hasIpv6: boolean
}

/** A port whose interfaces are made, on its way to being connected. */
export interface MadePort {
  wiring: Wiring
  port: Port
  /** Of the host side. */
  ifindex: number
}

/** Ports that are connected to a switch in one go. */
export interface Connection {
  /** Takes in ports that are made, and begins with what need not wait for the others. Throws nothing. */
  add(made: readonly MadePort[]): void
  /**
   * Connects all that were added; what went wrong, by port. One that failed is disconnected again; its interfaces are the
   * caller's. To be called once when something was added, also when the signal has been aborted already: CANCELLED.
   */
  finish(signal: AbortSignal | undefined): Promise<ReadonlyMap<MadePort, EcdockError>>
}

/** What became of a port that was to go: an error when it could not be told whether it is there, undefined as `absent`. */
export type PortRemoval = Removal | EcdockError | undefined

/** What a switch keeps of a slot. */
export interface KeptSlot {
  ofport?: number
}

/** Who has a slot that is not ours to give. */
export interface ForeignPorts {
  get(slot: number): string | undefined
  slots(): Iterable<number>
}

/**
 * Where the ports of a vswitch are: by whom they are listed, and taken away. Those of kinds with interfaces on the
 * host are told by them (host-side-places.ts), those of kind `vde` by the switch process.
 */
export interface PortPlaces {
  /** The ports by slot; that of one slot when it is given, at a cost that does not grow with the others. */
  ports(around: Surroundings, slot?: number): Promise<Port[]>
  /** Ports that are in their targets, and that the switch, which runs, does not have. */
  stranded?(around: Surroundings): Promise<Port[]>
  /** What the host's side of a slot's port is called; '' when nothing of it is on the host. */
  hostIfname(slot: number): string
  /** Slots that something is in, ours or not. */
  full(around: Surroundings): Promise<Set<number>>
  /** Who is in a slot, in words; undefined: nobody. */
  holder(around: Surroundings, slot: number): Promise<string | undefined>
  /**
   * Takes away what is in these slots, as far as its record begins with the mark: at once. One outcome for each, in
   * order. Throws VSWITCH_NOT_FOUND when the vswitch is gone.
   */
  remove(around: Surroundings, ports: readonly { slot: number; mark: string }[]): Promise<PortRemoval[]>
  /** Lets go of what is in a slot when its target is gone, and nobody can say more of it; true when it did. */
  dropGhost?(around: Surroundings, slot: number): Promise<boolean>
  /** Throws VSWITCH_NOT_FOUND when this slot's port could not be made, because the vswitch is gone. */
  requirePlace(around: Surroundings, slot: number): Promise<void>
}

/** Of a kind whose ports have an interface on the host, or in a namespace of the vswitch's. */
export interface HostSides {
  /** Path of the namespace that the host side of this slot's port is in, or would be. */
  hostNetns(slot: number): string
  /** All namespaces that may hold host sides. */
  hostNetnses(): readonly string[]
}

export type HostSidedBackend = Backend & HostSides

/**
 * What differs between the kinds of vswitch. Everything else about plugging (slots, targets, plans, bulk,
 * undo) is the same for all and lives in slot-switch.ts.
 */
export interface Backend {
  readonly kind: VswitchKind
  readonly name: string
  readonly subnet: Subnet
  readonly ipv6Prefix: string
  /** What neighbours ask each other goes to those alone whom it concerns. Default false. */
  readonly neighSuppress?: boolean
  /** The highest slot that the kind can have, whatever the subnet. */
  readonly maxSlot?: number
  /** Where its ports are. */
  readonly places: PortPlaces
  /** The switch can limit what a target sends. */
  readonly polices: boolean
  /** Kind `ovs`: the database that the vswitch is in. */
  readonly ovsdb?: string | undefined
  /** Kind `vde`: which of the vswitches of its name it is, as the marks of its taps say. */
  readonly home?: string | undefined

  /** Refuses a port that only this kind cannot have. Throws TARGET_INVALID. */
  check?(wiring: Wiring): void
  /** The steps that make a port's two interfaces. */
  interfaces(wiring: Wiring): Step[]
  /** Steps that the target side needs after it has its addresses. */
  finish?(wiring: Wiring): Step[]
  /** Connects made ports to the switch. Absent: a port whose interfaces are made is connected. */
  connection?(): Connection
  /** How many of `count` ports are connected at a time, while the next are made: at least 1. Default: all of them. */
  connectsAtATime?(count: number): number
  /** What the switch itself keeps of slots, whether or not their interfaces are there. */
  kept?(): ReadonlyMap<number, KeptSlot>
  /** Slots that are taken on the switch by what is not ours, and by what. */
  foreign?(): ForeignPorts
  /** Throws VSWITCH_NOT_FOUND when somebody has deleted the switch. */
  requirePresent?(): void
  /** Makes the slots of these plugs ready for their interfaces, when something has to be done for that. */
  prepare?(
    wirings: readonly Wiring[],
    around: Surroundings,
  ): Promise<ReadonlyMap<number, EcdockError>> | undefined
  /** Writes beforehand what the switch keeps of these slots. */
  reserve?(slots: readonly number[], around: Surroundings): Promise<void>
  /** Forgets what the switch keeps of these slots, which hold nothing. */
  release?(slots: readonly number[], around: Surroundings): Promise<void>
  /** Puts right what the switch keeps of a slot and cannot be used; true when a plug is worth another attempt. */
  mend?(slot: number, around: Surroundings): Promise<boolean>
  /** Mirrors the port of a slot to an interface of the host. */
  readonly mirroring?: {
    mirror(slot: number, to: string, around: Surroundings): Promise<void>
    unmirror(slot: number): Promise<string[]>
    mirrors(): Mirror[]
    remove(to: string): Promise<void>
  }
  /** Ports whose device the switch makes itself, for kinds that have them. */
  internal?: InternalPorts
  /** What the failure of a step means that only this kind has; undefined when it is none of those. */
  failure?(failed: PlanFailed): EcdockError | undefined
  /**
   * For `--explain`: what a plug does, when that is more than {@link interfaces} and {@link finish} say. `wiring.ifname` is
   * a whole name.
   */
  explain?(wiring: Wiring, around: Surroundings): Promise<PlugExplanation>
}

/** What a plug does besides the plan that is the same for every kind. */
export interface PlugExplanation {
  /** Commands that come before the plan. */
  before: readonly string[]
  /** The kind's steps within it. */
  interfaces: readonly Step[]
  finish: readonly Step[]
  /** Commands that come behind it. */
  after: readonly string[]
}
