import type { Plan, PlanOutcome } from './plan.js'

/** One network interface, as a link dump shows it. */
export interface Link {
  ifindex: number
  name: string
  /** IFLA_INFO_KIND: `veth`, `bridge`, …; '' for a physical device and for the loopback. */
  kind: string
  group: number
  /** IFLA_IFALIAS, '' when there is none. */
  alias: string
  /** Index of the bridge or bond that it belongs to, 0 for none. */
  master: number
  /** IFLA_LINK: index of the peer in the peer's own namespace, 0 for none. */
  peer: number
  /** MAC address in lower case, '' when it has none. */
  mac: string
  mtu: number
  /** IFF_UP: somebody has set it up. */
  up: boolean
  /** IFF_LOWER_UP: there is a carrier. */
  carrier: boolean
  stats: LinkStats
}

/** 64-bit counters since the interface was made, from the interface's own point of view. */
export interface LinkStats {
  rxPackets: number
  txPackets: number
  rxBytes: number
  txBytes: number
  rxErrors: number
  txErrors: number
  rxDropped: number
  txDropped: number
}

export interface InterfaceAddress {
  ifindex: number
  address: string
  prefix: number
}

export interface NamedNamespace {
  name: string
  path: string
  /** Inode number of its nsfs file: what identifies a namespace while it lives. */
  id: number
}

/** One ICMP (or ICMPv6) echo, sent from inside a namespace. */
export interface Probe {
  netns: string
  address: string
  /** How long to wait for the reply, in whole ms, 60000 at most. */
  timeoutMs: number
}

export interface MarkedLink {
  name: string
  /** What its alias begins with; never empty. */
  mark: string
}

export interface ScatteredLink extends MarkedLink {
  netns: string
}

export type Removal = 'deleted' | 'absent' | 'foreign'

export interface ProbeOutcome {
  reply: boolean
  /** Round-trip time in microseconds; 0 without a reply. */
  rttUs: number
  /** Why none could be sent, in the kernel's words; absent when the reply just did not come. */
  error?: string
}

/**
 * The kernel as the rest of the package sees it. `netns` is the path of a network namespace, '' for the
 * process's own. Every method throws an EcdockError (`KERNEL`, `PERMISSION`, `NOT_A_NETNS`,
 * `TARGET_NOT_FOUND`) when the call as a whole fails.
 */
export interface Kernel {
  /** Executes plans in order, each undone on its own when it fails; outcomes come in the same order. */
  execute(plans: readonly Plan[]): Promise<PlanOutcome[]>
  /**
   * Says that a plan for this namespace is about to come, so that the thread which will execute it opens the namespace
   * meanwhile. Nothing is changed; what cannot be opened the plan will tell.
   */
  expect(netns: string): void
  links(netns: string): Promise<Link[]>
  /** The links of these names; a name that is not there gives undefined in its place. */
  linksByName(netns: string, names: readonly string[]): Promise<(Link | undefined)[]>
  addresses(netns: string): Promise<InterfaceAddress[]>
  /**
   * Deletes links by index. Several are put in a group of their own and deleted in one go: the kernel then
   * waits once instead of once for each link. Links that are gone already are no error.
   */
  deleteLinks(netns: string, ifindexes: readonly number[]): Promise<void>
  /**
   * As {@link deleteLinks}, by name, and only those whose alias begins with their mark: `foreign` is left
   * alone. One outcome for each, in order.
   */
  deleteMarkedLinks(netns: string, links: readonly MarkedLink[]): Promise<Removal[]>
  /**
   * As {@link deleteMarkedLinks}, for links that are each in a namespace of its own; one that is gone makes its link
   * `absent`. The kernel waits for each, many at the same time.
   */
  deleteScatteredLinks(links: readonly ScatteredLink[]): Promise<Removal[]>
  /** Creates named namespaces under /run/netns, with their loopback up; all or none. Throws NAME_INVALID, too. */
  createNamespaces(names: readonly string[], alias?: string): Promise<NamedNamespace[]>
  /** Takes the names away; what runs inside goes on. Throws NAME_INVALID, too. */
  deleteNamespaces(names: readonly string[]): Promise<void>
  /** The named namespaces under /run/netns. */
  namespaces(): Promise<NamedNamespace[]>
  /** Inode number of the network namespace at `path`; throws NOT_A_NETNS when it is none. */
  namespaceId(path: string): Promise<number>
  /** Sends all echoes, 256 at most, at the same time and waits for their replies. Throws USAGE, too. */
  probe(probes: readonly Probe[]): Promise<ProbeOutcome[]>
}
