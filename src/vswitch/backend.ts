import type { Subnet } from '../addressing/subnet.js'
import type { DockerEngine } from '../docker/engine.js'
import type { EcdockError } from '../errors.js'
import type { Kernel } from '../kernel/kernel.js'
import type { Step } from '../kernel/plan.js'
import type { Port, VswitchKind } from './vswitch.js'
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
}

/**
 * What differs between the kinds of vswitch. Everything else about plugging (slots, targets, plans, bulk,
 * undo) is the same for all and lives in slot-switch.ts.
 */
export interface Backend {
  readonly kind: VswitchKind
  readonly name: string
  readonly subnet: Subnet
  readonly ipv6Prefix: string
  /** The highest slot that the kind can have, whatever the subnet. */
  readonly maxSlot?: number
  /** Namespace of the host sides. */
  readonly netns: string
  /** Kind `ovs`: the database that the vswitch is in. */
  readonly ovsdb?: string | undefined

  /** The steps that make a port's two interfaces. */
  interfaces(wiring: Wiring): Step[]
  /** Steps that the target side needs after it has its addresses. */
  finish?(wiring: Wiring): Step[]
  /**
   * Connects made ports to the switch, all in one go. One answer for each port: what went wrong with it, or
   * undefined. A port that failed is disconnected again; its interfaces are the caller's.
   */
  connect?(made: readonly MadePort[], signal?: AbortSignal): Promise<(EcdockError | undefined)[]>
  /** Forgets the ports of these slots. The caller deletes their interfaces at the same time. */
  disconnect?(slots: readonly number[]): Promise<void>
  /** Slots that the switch itself remembers, whether or not their interfaces are there. */
  remembered?(): Promise<ReadonlyMap<number, Partial<Port>>>
  /** Slots that are taken on the switch by what is not ours, and by what. */
  foreign?(): ReadonlyMap<number, string>
  /** Lets go of ports of ours that have lost their device, so that these slots can be used again. */
  dropGhosts?(slots: readonly number[], around: Surroundings): Promise<void> | undefined
  /** The commands that connect a port, for `--explain`. `wiring.ifname` is a whole name. */
  explain?(wiring: Wiring, netnsId: number): string[]
}
