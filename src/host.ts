import type { Kernel } from './kernel/kernel.js'
import type { Vswitch, VswitchOptions } from './vswitch/vswitch.js'

export interface HostOptions {
  /** Where OVSDB listens: `unix:/run/openvswitch/db.sock` (the default) or `tcp:127.0.0.1:6640`. */
  ovsdb?: string
  /** Docker's socket: `unix:///var/run/docker.sock` (the default, or DOCKER_HOST). */
  docker?: string
  /** Where run-time files go. Default `/run/ecdock-fast`. */
  runDir?: string
}

export interface CleanupReport {
  dryRun: boolean
  /** What was removed, or would be: one line each, such as `port ovs0-s3 (ghost)`. */
  removed: { kind: 'port' | 'link' | 'netns' | 'vswitch'; name: string; why: string }[]
}

/** SEAM (to be written): the world of one machine. */
export declare class Host {
  static open(options?: HostOptions): Promise<Host>
  readonly kernel: Kernel
  createVswitch(options: VswitchOptions): Promise<Vswitch>
  vswitch(name: string): Promise<Vswitch>
  vswitches(): Promise<Vswitch[]>
  deleteVswitch(name: string): Promise<void>
  cleanup(options?: { dryRun?: boolean }): Promise<CleanupReport>
  close(): Promise<void>
}
