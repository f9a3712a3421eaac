import type { CleanupOptions, CleanupReport } from '../cleanup/cleanup.js'
import type { SlotContainers } from '../containers/slot-containers.js'
import type { HostOptions } from '../host.js'
import type { Kernel } from '../kernel/kernel.js'
import type { VdeSockets } from '../vswitch/vde/vswitches.js'
import type { Vswitch, VswitchOptions } from '../vswitch/vswitch.js'

/** What the commands need of a Host; a test can put something smaller in its place. */
export interface World {
  readonly kernel: Kernel
  readonly containers: Pick<SlotContainers, 'start' | 'attach' | 'stop' | 'restart'>
  createVswitch(options: VswitchOptions): Promise<Vswitch>
  vswitch(name: string): Promise<Vswitch>
  vswitches(): Promise<Vswitch[]>
  deleteVswitch(name: string): Promise<void>
  vdeSockets(name: string): Promise<VdeSockets>
  cleanup(options?: CleanupOptions): Promise<CleanupReport>
  close(): Promise<void>
}

export type OpenWorld = (options: HostOptions) => Promise<World>
