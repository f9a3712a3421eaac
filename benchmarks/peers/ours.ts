import type { Host } from '../../src/host.js'
import type { VswitchOptions } from '../../src/vswitch/vswitch.js'
import { slots, targetPath } from '../targets.js'
import { checked, timed } from '../timing.js'
import type { Contestant } from './contestant.js'

/**
 * This package, through its public library, in this process. On kind `ovs` each slot is new: what stays of one when it is
 * unplugged is deleted before it is used again, and that is nobody's time.
 */
export async function ours(host: Host, options: VswitchOptions): Promise<Contestant> {
  const vswitch = await host.createVswitch(options)
  const unplugAll = async (all: number[]) => {
    const ms = await timed(async () => checked(await vswitch.unplugAll(all)))
    await vswitch.release(all)
    return ms
  }
  return {
    name: 'ecdock-fast',
    slow: false,
    plug: (slot) => timed(() => vswitch.plug({ netns: targetPath(slot) }, { slot })),
    unplug: (slot) => unplugAll([slot]),
    plugAll: (count) => {
      const requests = slots(count).map((slot) => ({ target: { netns: targetPath(slot) }, slot }))
      return timed(async () => checked(await vswitch.plugAll(requests)))
    },
    unplugAll: (count) => unplugAll(slots(count)),
    close: () => host.deleteVswitch(options.name),
  }
}
