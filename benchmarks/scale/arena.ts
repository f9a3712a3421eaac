import type { Host } from '../../src/host.js'
import type { Kernel } from '../../src/kernel/kernel.js'
import type { OvsdbClient } from '../../src/ovsdb/client.js'
import type { PlugRequest, Vswitch, VswitchOptions } from '../../src/vswitch/vswitch.js'
import type { Measurements } from '../measurements.js'
import type { OvsFloor } from '../peers/floor.js'
import { SUBNET, slots, targetPath } from '../targets.js'
import type { Figures } from './figures.js'

/** What the scenarios at scale share. Whoever uses a bridge of it leaves it empty for the next one. */
export interface Arena {
  host: Host
  kernel: Kernel
  /**
   * Lets `body` look at the database by a connection of its own, which is there only so long: this process would take in
   * every change for it as well, and nobody else's would.
   */
  looking(body: (ovsdb: OvsdbClient) => Promise<void>): Promise<void>
  /** The directory of Open vSwitch's sockets. */
  runDir: string
  env: NodeJS.ProcessEnv
  /** Runs ovs-vsctl with these arguments. */
  vsctl(args: readonly string[]): Promise<void>
  floor: OvsFloor
  measurements: Measurements
  figures: Figures
}

/** Name of our vswitch. */
export const NAME = 'ours'

/** A vswitch for as long as `body` runs, unless that deletes it. */
export async function onVswitch(
  { host }: Pick<Arena, 'host'>,
  body: (vswitch: Vswitch) => Promise<void>,
  { neighSuppress = false }: Pick<VswitchOptions, 'neighSuppress'> = {},
): Promise<void> {
  const options = { name: NAME, kind: 'ovs', subnet: SUBNET, usermode: true, neighSuppress } as const
  const vswitch = await host.createVswitch(options)
  await body(vswitch)
  const left = (await host.vswitches()).some(({ name }) => name === NAME)
  if (left) await host.deleteVswitch(NAME)
}

/** Slot N is for target N. */
export function requests(count: number): PlugRequest[] {
  return slots(count).map(request)
}

export function request(slot: number): PlugRequest {
  return { target: { netns: targetPath(slot) }, slot }
}
