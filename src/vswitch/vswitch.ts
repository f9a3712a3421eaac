import type { EcdockError } from '../errors.js'
import type { LinkStats } from '../kernel/kernel.js'
import type { Target } from '../target/target.js'

/**
 * `ovs`: an Open vSwitch bridge. `bridge`: a Linux bridge. `vde`: a VDE switch, which QEMU and other programs can plug
 * into by themselves. The last two need nothing installed.
 */
export type VswitchKind = 'ovs' | 'bridge' | 'vde'

export interface VswitchOptions {
  /** 1 to 15 characters; with `-s` and the highest slot number added it must still fit into 15. */
  name: string
  /** Default `bridge`. */
  kind?: VswitchKind
  /** The switch's own address and its subnet, such as `10.0.0.254/24`. */
  subnet: string
  /** First 16 to 64 bits of the slots' IPv6 addresses, such as `fd00:1:2:3`. Default `2001:db8`. */
  ipv6Prefix?: string
  /** Kind `ovs`: the userspace datapath (datapath_type=netdev). Default false: the kernel's. */
  usermode?: boolean
  /**
   * Kind `ovs`: ARP requests and neighbour solicitations for the address of a slot, or of the switch, go to that port alone
   * instead of to all, and what interfaces say to all routers goes to no slot; named after neigh_suppress of bridge(8).
   * Default false: on the userspace datapath no slot hears who looks for routers, and all else goes to all.
   */
  neighSuppress?: boolean
  /** Kind `ovs`: an existing interface of the host that joins the bridge as its uplink. */
  device?: string
  /**
   * Kind `vde`: the directory of a VDE switch that is there, of any make; each target then gets a connection of its own to
   * it. Default: the vswitch is a switch of its own.
   */
  socketDir?: string
  /** Kind `ovs`: how many slots to make ready beforehand, from the lowest; see {@link Vswitch.reserve}. Default 0. */
  slots?: number
}

export interface PlugOptions {
  /** Default: the lowest free one. */
  slot?: number
  /** Name of the interface in the target. Default: the lowest free of eth0, eth1, … */
  ifname?: string
  /** In bytes, 68 to 65535. Default 1500. */
  mtu?: number
  /** Instead of the slot's own MAC, as `02:00:00:00:00:01`; not that of another slot or of the switch. */
  mac?: string
  /** Give the target a default route by the switch's address, unless it has one. Default true. */
  defaultRoute?: boolean
  /**
   * Kind `ovs`: the VLAN that the slot is in, 1 to 4094. The target's frames have no tag; who is in another VLAN does
   * not get them, and who is in none gets them with a tag (Port.tag of vswitch.xml).
   */
  vlan?: number
  /**
   * Kind `ovs`: the VLANs, 1 to 4094 each, whose frames the target sends and gets with a tag (Port.trunks of
   * vswitch.xml). Together with `vlan`, which is then that of its frames without one (vlan_mode=native-untagged).
   */
  trunks?: readonly number[]
  /**
   * Kind `ovs` with the kernel's datapath: what the target can send at most, in kbit/s; the rest is dropped
   * (Interface.ingress_policing_rate of vswitch.xml).
   */
  ingressRate?: number
  /** How much it can send at once beyond that, in kbit. Open vSwitch's default is 8000. */
  ingressBurst?: number
  /** More routes for the target, in order; they go when the interface does. */
  routes?: readonly PlugRoute[]
  /**
   * Settings of the target's network, by sysctl(8)'s names, such as `net.ipv4.ip_forward`. The word `IFNAME` in
   * one stands for the interface that is plugged in: `net.ipv4.conf.IFNAME.rp_filter`. Only what belongs to a network
   * namespace can be set. Those of the interface go with it; others stay when the target is unplugged.
   */
  sysctls?: Readonly<Record<string, string | number>>
  /**
   * Tell the neighbours at once which MAC the target's addresses have now (RFC 5227 section 3, RFC 4861 section
   * 7.2.6). Default: when it is given another MAC than the slot's own, which is the one that they may know. It makes a
   * plug take about a third longer.
   */
  announce?: boolean
  /**
   * Kind `ovs`: a device that Open vSwitch makes itself, in place of a pair of interfaces. It has to be moved into the
   * target, for which the kernel takes 16 ms; on the userspace datapath it is lost when ovs-vswitchd ends.
   */
  internal?: boolean
  /**
   * Kind `ovs`: a second interface, eth1, by which frames are to go out. Both belong to a bridge br0 in the target, which
   * has the slot's addresses, and neither gets a frame that is flooded: whoever is to reach the target has to hear
   * from it first, or needs a flow of its own.
   */
  dualNic?: boolean
  /** Aborting undoes what has not come to its end, which then fails with CANCELLED. */
  signal?: AbortSignal
}

/** What a plug can say of a port, besides its place and its device. */
export type PortSettings = Pick<
  PlugOptions,
  'vlan' | 'trunks' | 'ingressRate' | 'ingressBurst' | 'routes' | 'sysctls' | 'announce'
>

/** Of the address family of `via`; `to` too, unless it is `default`. */
export interface PlugRoute {
  /** `default`, or a network such as `10.9.0.0/16` or `fd00:9::/64`. */
  to: string
  /** The next hop, which the target can reach by the interface, such as `10.0.0.9`. */
  via: string
}

export interface PlugRequest extends Omit<PlugOptions, 'signal'> {
  target: Target
}

/** What plugging made. */
export interface Port {
  vswitch: string
  kind: VswitchKind
  slot: number
  /** Host side, such as `ovs0-s1`; '' for kind `vde`, of whose ports nothing is on the host. */
  hostIfname: string
  /** Target side, such as `eth0`. */
  ifname: string
  mac: string
  /** With its prefix length, such as `10.0.0.1/24`. */
  ipv4: string
  /** With its prefix length, such as `2001:db8::a00:1/64`. */
  ipv6: string
  gateway: string
  mtu: number
  /** `pid:1234`, `netns:blue`, `container:web`. */
  target: string
  /** Inode number of the target's namespace. */
  netnsId: number
  /** Kind `ovs`: the OpenFlow port number. */
  ofport?: number
  /** Kind `ovs`: its device is one that Open vSwitch has made; nothing of it is on the host. */
  internal?: boolean
  /** Kind `ovs`: an internal port with a second interface. */
  dualNic?: boolean
  /**
   * `up`: traffic passes; `down`: somebody set an end down, or, of kind `vde`, the tap is not plugged into its switch.
   * After a crash: `ghost`: marked in OVSDB, but its device is gone; `stray`: its device is there, but OVSDB does not
   * know it.
   */
  state: 'up' | 'down' | 'ghost' | 'stray'
  /** Counters of the host side; absent just after the plug. */
  stats?: LinkStats
  /** How long the plug took, in ms, what it waited for together with others shared out; only in the answer to a plug. */
  ms?: number
}

export interface PortsOptions {
  /**
   * Kind `vde`: list those, too, whose taps are in their targets and not plugged into the switch, as `down`. All
   * namespaces of the machine are looked into for them, which takes a fraction of a millisecond each. Default false.
   */
  stranded?: boolean
}

export interface Mirror {
  /** The interface on the host that the copies come out of. */
  to: string
  /** The slots of which it gets copies, in ascending order; empty when these slots are no more. */
  slots: number[]
}

export type PlugOutcome = { ok: true; port: Port } | { ok: false; error: EcdockError; slot?: number }
export type UnplugOutcome = { ok: true; slot: number } | { ok: false; slot: number; error: EcdockError }

export interface BulkOptions<Outcome> {
  signal?: AbortSignal
  /**
   * Called once for each item as soon as its outcome is known. When it throws, nothing more is plugged in, what it has
   * not been told of is undone, and the call as a whole fails with what it threw.
   */
  onOutcome?: (outcome: Outcome, index: number) => void
}

/** What every kind of vswitch can do. */
export interface Vswitch {
  readonly name: string
  readonly kind: VswitchKind
  /** As `10.0.0.254/24`. */
  readonly subnet: string
  readonly ipv6Prefix: string
  /** As {@link VswitchOptions.neighSuppress}. */
  readonly neighSuppress: boolean

  /**
   * Connects a target to a slot. Throws an EcdockError; nothing is left behind then. Open vSwitch takes as long over
   * one port as over many: those that are to be plugged in at the same time belong into one {@link plugAll}.
   */
  plug(target: Target, options?: PlugOptions): Promise<Port>
  /** Plugs many; one error for each item that failed, in the order of the requests. */
  plugAll(requests: readonly PlugRequest[], options?: BulkOptions<PlugOutcome>): Promise<PlugOutcome[]>
  /** Takes a target out; throws SLOT_EMPTY when the slot holds nothing of ours. */
  unplug(slot: number, options?: { signal?: AbortSignal }): Promise<void>
  unplugAll(slots: readonly number[], options?: BulkOptions<UnplugOutcome>): Promise<UnplugOutcome[]>
  /** The ports, read from the kernel (and OVSDB), by slot. */
  ports(options?: PortsOptions): Promise<Port[]>
  /** The port in this slot, or undefined. */
  port(slot: number): Promise<Port | undefined>
  /**
   * The lowest `count` slots, default 1, that a plug could have now, besides those of `except`. Throws SLOTS_EXHAUSTED
   * when there are fewer.
   */
  freeSlots(count?: number, except?: Iterable<number>): Promise<number[]>
  /**
   * Kind `ovs`: writes the rows and flows of these slots now rather than when they are first used, so that the first plug
   * into each costs no transaction. Throws SLOT_TAKEN and what OVSDB gives. Other kinds keep nothing of a slot.
   */
  reserve(slots: readonly number[]): Promise<void>
  /** Kind `ovs`: the slots that have rows and hold nothing. */
  reservedSlots(): Promise<number[]>
  /** Kind `ovs`: deletes the rows and flows of those of these slots, by default of all, that hold nothing; tells which. */
  release(slots?: readonly number[]): Promise<number[]>
  /**
   * Kind `ovs`: lets a copy of all that this slot sends and gets come out of the interface `to`, for tcpdump(8) and the
   * like: an interface of the host that is there, which the vswitch then takes for itself, or else one that is made.
   * Several slots can be mirrored to one. It stays when the target is unplugged. Throws SLOT_EMPTY (nothing has been
   * plugged in there yet), IFNAME_INVALID, IFNAME_TAKEN, UNSUPPORTED (another kind; 32 interfaces are the most).
   */
  mirror(slot: number, options: { to: string }): Promise<void>
  /** Stops mirroring this slot, and tells to where it was mirrored. What was made for that, and mirrors no other, goes. */
  unmirror(slot: number): Promise<string[]>
  /** Where to slots are mirrored, by the name of the interface. */
  mirrors(): Promise<Mirror[]>
  /** Takes a mirror away, whatever it mirrors. */
  removeMirror(to: string): Promise<void>
  /** The ip and ovs-vsctl commands that do what this plug would do; nothing is changed. */
  explain(target: Target, options?: PlugOptions): Promise<string[]>
}
