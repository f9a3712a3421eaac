import type { Host } from '../../src/host.js'
import type { VswitchOptions } from '../../src/vswitch/vswitch.js'
import { targetPath } from '../targets.js'
import type { Contestant } from './contestant.js'

/** This package, through its public library, in this process. */
export async function ours(host: Host, options: VswitchOptions): Promise<Contestant> {
  const vswitch = await host.createVswitch(options)
  return {
    name: 'ecdock-fast',
    slow: false,
    plug: (slot) => timed(() => vswitch.plug({ netns: targetPath(slot) }, { slot })),
    unplug: (slot) => timed(() => vswitch.unplug(slot)),
    async plugAll(count) {
      const requests = slots(count).map((slot) => ({ target: { netns: targetPath(slot) }, slot }))
      return timed(async () => refuseFailures(await vswitch.plugAll(requests)))
    },
    unplugAll: (count) => timed(async () => refuseFailures(await vswitch.unplugAll(slots(count)))),
    close: () => host.deleteVswitch(options.name),
  }
}

function slots(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1)
}

async function timed(operation: () => Promise<unknown>): Promise<number> {
  const begin = performance.now()
  await operation()
  return performance.now() - begin
}

function refuseFailures(outcomes: readonly ({ ok: true } | { ok: false; error: Error })[]): void {
  for (const outcome of outcomes) if (!outcome.ok) throw outcome.error
}
