import type { EndpointRecord, NetworkRecord } from './records.js'

/**
 * What carries the frames of networks: their switches, and the taps of their endpoints. All of it is found again by
 * what it is called and marked with, so that it may outlive this process.
 */
export interface Fabric {
  /**
   * Makes sure that the network has a switch: starts one, or looks at the one that it is to use, and from then on
   * keeps the network going. Gives the record to be kept, which says also what was made for it. Throws USAGE when there is
   * none, or one where a new one is wanted, and what the switch says when it does not start.
   */
  open(network: NetworkRecord): Promise<NetworkRecord>
  /**
   * The same for a network that is there already: what still runs is left as it is, what does not is started again,
   * and its taps are connected again, wherever they are now. Does not throw: what does not work is tried again and again.
   */
  resume(network: NetworkRecord): Promise<void>
  /** Ends a switch that is ours; one that is not is let alone. Frames stop at once, and the rest is done soon after. */
  close(network: NetworkRecord): Promise<void>
  /**
   * Makes the endpoint's tap in the host's namespace, with its MAC, and connects it. Undoes what it cannot finish.
   * Throws PORTS_EXHAUSTED, KERNEL, and what the switch says.
   */
  plug(network: NetworkRecord, endpoint: EndpointRecord): Promise<void>
  /** Disconnects endpoints and deletes their taps, wherever these are; what is gone already is no error. */
  unplug(endpoints: readonly EndpointRecord[]): Promise<void>
  /** Of these endpoints those whose taps are certainly gone: neither with the host nor in their container. */
  gone(endpoints: readonly EndpointRecord[]): Promise<EndpointRecord[]>
  /** Lets go of all of it, when what has been closed is gone; switches and taps go on. */
  stop(): Promise<void>
}
