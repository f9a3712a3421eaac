/**
 * A plan is data: the steps of one plug, in order, which the addon executes in one call on a thread of its
 * own. When a step fails, the steps before it are undone in reverse order. The same data can be shown as
 * `ip` commands instead of being run (explain.ts).
 *
 * `netns` is always the path of a network namespace, or '' for the process's own. Lengths are in bytes.
 */
export type Step =
  | VethStep
  | TapStep
  | AdoptStep
  | BridgeStep
  | LinkStep
  | AddressStep
  | RouteStep
  | ChecksumStep
  | SysctlStep
  | NamespaceStep
  | ReadyStep
  | AnnounceStep
  | VacantStep
  | AliveStep
  | MeetStep

/** Creates a veth pair in place, both ends with their final name, in their final namespace. */
export interface VethStep {
  op: 'veth'
  /** Where the primary end is made. */
  netns: string
  name: string
  /** Name in `netns` of the bridge that the primary end joins. */
  master?: string
  /** IFLA_GROUP of the primary end. */
  group?: number
  /**
   * IFLA_IFALIAS of the primary end, at most 255 bytes. `{ifname}` and `{netns}` in it stand for the name and
   * the namespace (inode number) that the plan's `vacant` step found.
   */
  alias?: string
  mtu?: number
  mac?: string
  /** Whether the primary end is set up at once. Default true. */
  up?: boolean
  peer: { netns: string; name: string; mac?: string; mtu?: number; group?: number; alias?: string }
}

/**
 * Opens a persistent tap in its final namespace, and hands it to the switch process that listens at `control`
 * (docs/ecdock-switch.md), which sets the port up while the plan goes on: what the switch answers is waited for by the next
 * `ready` step, or at the end. When it takes longer than five seconds, that fails with ETIMEDOUT. Undone, the tap is gone
 * from both.
 */
export interface TapStep {
  op: 'tap'
  netns: string
  name: string
  mac?: string
  mtu?: number
  group?: number
  /** IFLA_IFALIAS, as that of a {@link VethStep}. */
  alias?: string
  /** Path of the switch's control socket. */
  control: string
  /** The switch's port, from 1. */
  port: number
  /** What the switch is to remember of the port, at most 512 bytes; with `{ifname}` and `{netns}` as an alias. */
  label: string
  /** For a process of cables: the directory of the VDE switch that the tap is plugged into. */
  vde?: string
  /**
   * The tap is there already, from a switch process that has ended, and its alias begins so; else the step fails with
   * EEXIST. It is opened again as it is, and undone, it stays.
   */
  mark?: string
}

/**
 * Takes a link that somebody else has made, such as a switch that makes its ports' devices itself, into another
 * namespace; there it has the new name and settings and is down. The kernel waits meanwhile for whatever may still use
 * the link, about 16 ms. Not undone: the link is its maker's, who takes it away wherever it is.
 */
export interface AdoptStep {
  op: 'adopt'
  /** Where the link is. */
  netns: string
  name: string
  /** The namespace that it is taken into. */
  to: string
  /** Its name there. */
  as: string
  mac?: string
  mtu?: number
  group?: number
  alias?: string
}

/** Creates a Linux bridge, up, without spanning tree. */
export interface BridgeStep {
  op: 'bridge'
  netns: string
  name: string
  mac?: string
  mtu?: number
  group?: number
  alias?: string
}

/** Changes an existing link. A step that failed later does not undo it. */
export interface LinkStep {
  op: 'link'
  netns: string
  name: string
  up?: boolean
  mtu?: number
  mac?: string
  master?: string
  group?: number
  alias?: string
}

/** Adds an address; IPv6 addresses are usable at once (IFA_F_NODAD). */
export interface AddressStep {
  op: 'address'
  netns: string
  name: string
  address: string
  prefix: number
}

export interface RouteStep {
  op: 'route'
  netns: string
  /** `default` or `ADDRESS/PREFIX`. */
  destination: string
  gateway: string
  /** Outgoing interface. */
  name: string
  /** Leave things as they are when there is such a route already. */
  keepExisting?: boolean
}

/**
 * Turns transmit checksum offload off, because a userspace datapath forwards frames as they are and nobody
 * would fill in the checksum.
 */
export interface ChecksumStep {
  op: 'tx-checksum-off'
  netns: string
  name: string
}

/**
 * Writes one file under /proc/sys/net; `key` is the path below it, such as `ipv6/conf/default/disable_ipv6`. `{ifname}`
 * in it stands for the name that the plan's `vacant` step found.
 */
export interface SysctlStep {
  op: 'sysctl'
  netns: string
  key: string
  value: string
  /** Go on when there is no such file, or it may not be written to (ENOENT, EACCES, EPERM, EROFS). */
  optional?: boolean
}

/**
 * Waits until the kernel has put a link that has a carrier into service: its queue is active, and a bridge
 * forwards to it. Until then frames are lost. The kernel does that a moment after the carrier comes, in
 * work of its own that waits for the RTNL lock; kernels from 6.8 on do it at once when a link is asked for.
 * Does not fail when it takes longer than a second.
 */
export interface ReadyStep {
  op: 'ready'
  netns: string
  name: string
}

/**
 * Tells the neighbours which MAC the addresses of a link have: gratuitous ARP (RFC 5227 section 3) and unsolicited
 * neighbour advertisements (RFC 4861 section 7.2.6). Belongs behind `ready`: frames are lost before.
 */
export interface AnnounceStep {
  op: 'announce'
  netns: string
  name: string
}

/** Creates a named namespace under /run/netns whose loopback carries `alias` before the name can be seen. */
export interface NamespaceStep {
  op: 'netns'
  name: string
  alias?: string
}

/**
 * Fails when the namespace already has an interface of that name, that MAC, or one of these addresses; and with
 * EINVAL (`target check`) when a path leads to the process's own namespace, which is meant by '' only.
 */
export interface VacantStep {
  op: 'vacant'
  netns: string
  /** A name such as `eth0`; `eth*` chooses the lowest free number for all later steps of the plan. */
  name: string
  mac?: string
  addresses: string[]
}

/** Fails when the path no longer leads to the namespace that it led to when the plan began. */
export interface AliveStep {
  op: 'alive'
  netns: string
}

/**
 * Goes on when the other plans of the call have come as far, or have failed: plans that meet are carried out some at a time,
 * in turns, up to the next meeting, unless their `vacant` steps are about the same target. A plan that is alone goes on at once.
 */
export interface MeetStep {
  op: 'meet'
}

export interface Plan {
  steps: Step[]
}

/** What became of one plan. */
export type PlanOutcome = PlanDone | PlanFailed

export interface PlanDone {
  ok: true
  /** Time from the first step's begin to the last one's end, in ms. */
  ms: number
  /** The interface name that a `vacant` step with `*` chose, or the name that it was given. */
  ifname?: string
  /** Of the `vacant` step's namespace: the inode number of its nsfs file. */
  netnsId?: number
  /** Index of the primary end of the pair that was made, when a `ready` step waited for it. */
  ifindex?: number
}

export interface PlanFailed {
  ok: false
  ms: number
  /** Index of the step that failed. */
  step: number
  /** What the step was doing, such as `veth add`. */
  op: string
  /** errno name such as `EEXIST`. */
  errno: string
  /** What failed, in words, with the kernel's own where it gave some. */
  message: string
  kernelMessage?: string
  /** For a `vacant` step: which of the three was taken, and by which interface. */
  taken?: 'name' | 'mac' | 'address'
  takenBy?: string
  /** True when a step could not be undone; `message` says what is left. */
  undoFailed?: boolean
}
