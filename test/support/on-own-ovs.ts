import { Host } from '../../src/host.js'
import { removeLeftDatapath, USERMODE } from './datapath.js'
import { type Laid, lay, type OnVswitchOptions } from './on-vswitch.js'
import { type OvsOptions, type PrivateOvs, startOvs } from './ovs.js'
import { OVS_TIMEOUT_MS } from './patience.js'
import { leavingNothing } from './world.js'

/**
 * Runs a test on a vswitch `ovs0` and an Open vSwitch of its own, whose daemons the test may end and start anew. There
 * must be nothing of either in the end.
 */
export async function onOwnOvs(
  options: Pick<OnVswitchOptions, 'create' | 'targets'> & OvsOptions,
  body: (laid: Laid & { ovs: PrivateOvs }) => Promise<void>,
): Promise<void> {
  await leavingNothing(async () => {
    const { create, targets, ...daemons } = options
    const ovs = await startOvs(daemons)
    const host = await Host.open({ ovsdb: ovs.ovsdb, ovsTimeoutMs: OVS_TIMEOUT_MS })
    try {
      const asked = { name: 'ovs0', kind: 'ovs', usermode: USERMODE, ...create } as const
      await lay(host, { create: asked, ...(targets !== undefined && { targets }) }, (laid) =>
        body({ ...laid, ovs }),
      )
    } finally {
      await host.close()
      await ovs.stop()
      // An ovs-vswitchd that was killed leaves its own interfaces.
      await removeLeftDatapath('ovs0')
    }
  })
}
