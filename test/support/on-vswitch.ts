import type { Host, HostOptions } from '../../src/host.js'
import type { Vswitch, VswitchOptions } from '../../src/vswitch/vswitch.js'
import type { SnapshotOptions } from './leaks.js'
import { type TargetProcess, targetProcess } from './netns.js'
import { withHost } from './world.js'

/** What a test gets to work with. */
export interface Laid {
  host: Host
  vswitch: Vswitch
  /** Paths of namespaces to plug in: `/run/netns/target1` and so on. */
  targets: string[]
  /** Starts a process in a namespace of its own, which is stopped when the test ends. */
  startProcess: () => Promise<TargetProcess>
}

export interface OnVswitchOptions extends HostOptions, SnapshotOptions {
  /** Default: kind `bridge`, called br0, on 10.0.0.254/24. */
  create?: Partial<VswitchOptions>
  /** How many namespaces to make. Default 2. */
  targets?: number
}

/**
 * Runs a test on a vswitch of its own. What the test has not deleted itself is deleted in the end, and then there must
 * be nothing on this machine that was not there before.
 */
export async function onVswitch(
  options: OnVswitchOptions,
  body: (laid: Laid) => Promise<void>,
): Promise<void> {
  await withHost((host) => lay(host, options, body), options)
}

/** The same with a host that is there, and without looking for what is left. */
export async function lay(
  host: Host,
  options: Pick<OnVswitchOptions, 'create' | 'targets'>,
  body: (laid: Laid) => Promise<void>,
): Promise<void> {
  const names = Array.from({ length: options.targets ?? 2 }, (_, at) => `target${at + 1}`)
  const processes: TargetProcess[] = []
  const startProcess = async () => {
    const target = await targetProcess()
    processes.push(target)
    return target
  }
  const namespaces = await host.kernel.createNamespaces(names)
  try {
    const vswitch = await host.createVswitch({ name: 'br0', subnet: '10.0.0.254/24', ...options.create })
    await body({ host, vswitch, targets: namespaces.map(({ path }) => path), startProcess })
  } finally {
    const vswitches = await host.vswitches()
    await Promise.all(vswitches.map(({ name }) => host.deleteVswitch(name)))
    await host.kernel.deleteNamespaces(names)
    for (const target of processes) await target.stop()
  }
}
