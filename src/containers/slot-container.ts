import type { Port, PortSettings } from '../vswitch/vswitch.js'

export interface StartOptions {
  /** Default: the lowest one that holds neither a port nor a container of ours. */
  slot?: number | undefined
  image: string
  /** Command and arguments; empty for the image's own command. */
  args?: readonly string[] | undefined
  /** Default: `VSWITCH-sNN`. */
  name?: string | undefined
  /** Default: `VSWITCH-sNN`. */
  hostname?: string | undefined
  /** Default false. */
  privileged?: boolean | undefined
  /** As `NAME=value`. */
  env?: readonly string[] | undefined
  /** As Docker's `-v` takes them: `/host/path:/path[:ro]`. */
  volumes?: readonly string[] | undefined
  /** Give it a terminal. Default true. */
  tty?: boolean | undefined
  /** In bytes, of all its interfaces. */
  mtu?: number | undefined
  /**
   * Further interfaces: by name, such as `eth1`, the vswitch that each is on, in the same slot. The interface on the
   * vswitch that `start` is called for is then `eth0`, and has the default route.
   */
  nics?: Readonly<Record<string, string>> | undefined
  /** Kind `ovs`: as for a plug, for all its interfaces. */
  internal?: boolean | undefined
  /** Kind `ovs`: as for a plug, for the vswitch that `start` is called for. */
  dualNic?: boolean | undefined
  /** As for a plug, for the vswitch that `start` is called for. */
  port?: PortSettings | undefined
  /** Aborting undoes what has been done, and fails with CANCELLED. */
  signal?: AbortSignal | undefined
}

export interface StopOptions {
  /** Aborting before the container is stopped fails with CANCELLED; what has been begun is brought to its end. */
  signal?: AbortSignal | undefined
  /** Default true. */
  remove?: boolean | undefined
  /** How long the container has to end by itself. Default 10. */
  timeoutSeconds?: number | undefined
}

/**
 * Without `image` the container keeps what it was started with, and nothing of StartOptions but the signal can be
 * given; with one, they say what the new container is like.
 */
export interface RestartOptions extends Omit<StartOptions, 'slot' | 'image' | 'signal'> {
  /** Aborting fails with CANCELLED; what has been stopped by then stays stopped. */
  signal?: AbortSignal | undefined
  /** Start a new container from this image instead. */
  image?: string | undefined
  /** Default: that of the container before, which is removed. */
  name?: string | undefined
  /** In bytes. Default: that of the container before. */
  mtu?: number | undefined
  /** Default: those of the container before. */
  nics?: Readonly<Record<string, string>> | undefined
  /** Default: as the container before. */
  internal?: boolean | undefined
  /** Default: as the container before. */
  dualNic?: boolean | undefined
  /** Default: as the container before. */
  port?: PortSettings | undefined
  /** How long the old container has to end by itself. Default 10. */
  timeoutSeconds?: number | undefined
}

export interface StartedContainer {
  /** Full container id. */
  container: string
  name: string
  /** On the vswitch that it was started on. */
  port: Port
  /** Those on further vswitches, in the order of their interfaces' names; absent when there are none. */
  furtherPorts?: Port[]
}

/** A container that was started in a slot, running or not. */
export interface SlotContainer {
  container: string
  name: string
  image: string
  vswitch: string
  slot: number
  /** Docker's word, such as `running` or `exited`. */
  state: string
  /** For people, such as `Exited (0) 3 minutes ago`. */
  status: string
  /** In bytes, when it was asked for. */
  mtu?: number | undefined
  /** Its further interfaces: by name, the vswitch that each is on, in the same slot. */
  nics?: Readonly<Record<string, string>> | undefined
  /** When it was asked for. */
  internal?: boolean | undefined
  /** When it was asked for. */
  dualNic?: boolean | undefined
  /** When it was asked for. */
  port?: PortSettings | undefined
}
