import { Host } from '../../src/host.js'
import type { Vswitch } from '../../src/vswitch/vswitch.js'
import { removeLeftDatapath, USERMODE } from './datapath.js'
import { type PrivateOvs, startOvs } from './ovs.js'
import { OVS_TIMEOUT_MS } from './patience.js'
import { run, waitUntil } from './process.js'
import { leavingNothing } from './world.js'

/** The vswitch that {@link onOvs} makes. */
export const OVS0 = { name: 'ovs0', kind: 'ovs', usermode: USERMODE, subnet: '10.0.0.254/24' } as const

/** The namespaces that {@link onOvs} makes. */
export const FIRST = '/run/netns/first'
export const SECOND = '/run/netns/second'

export interface Laid {
  ovs: PrivateOvs
  host: Host
  vswitch: Vswitch
}

/** An Open vSwitch of the test's own with a vswitch `ovs0`, and two namespaces. */
export async function onOvs(
  options: { ovsTimeoutMs?: number },
  body: (laid: Laid) => Promise<void>,
): Promise<void> {
  await leavingNothing(async () => {
    const ovs = await startOvs()
    const host = await Host.open({ ovsdb: ovs.ovsdb, ovsTimeoutMs: OVS_TIMEOUT_MS, ...options })
    const names = ['first', 'second']
    await host.kernel.createNamespaces(names)
    try {
      const vswitch = await host.createVswitch(OVS0)
      await body({ ovs, host, vswitch })
      await host.deleteVswitch('ovs0')
    } finally {
      await host.kernel.deleteNamespaces(names)
      await host.close()
      // A process that stands still could not be ended otherwise.
      for (const pid of [ovs.serverPid, ovs.vswitchdPid]) if (pid !== undefined) process.kill(pid, 'SIGCONT')
      await ovs.stop()
      // Only when the test has failed: what ovs-vswitchd made it leaves when it ends.
      await removeLeftDatapath('ovs0')
    }
  })
}

/** Waits until the database has a port of this name, whatever ovs-vswitchd makes of it. */
export async function hasRow(ovs: PrivateOvs, name: string): Promise<void> {
  const ports = () => ovs.vsctl('--no-wait', 'list-ports', 'ovs0')
  await waitUntil(`a row ${name}`, async () => (await ports()).split('\n').includes(name))
}

/** The slots that a flow leads to, as ovs-ofctl shows them. */
export async function slotsWithFlows(ovs: PrivateOvs): Promise<number[]> {
  const flows = await run('ovs-ofctl', ['dump-flows', 'ovs0'], { env: ovs.env })
  const outputs = [...flows.matchAll(/dl_dst=52:00\S* actions=output:(?:"?ovs0-[sp])?(\d+)/g)]
  return outputs.map(([, slot]) => Number(slot)).sort((a, b) => a - b)
}
