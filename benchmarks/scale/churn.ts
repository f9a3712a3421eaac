import type { Contestant } from '../peers/contestant.js'
import type { OvsFloor } from '../peers/floor.js'
import { slots } from '../targets.js'
import { checked, timed } from '../timing.js'
import { untilAllAnswer } from './answers.js'
import { type Arena, onVswitch, request, requests } from './arena.js'
import type { ScaleEffort } from './effort.js'

/**
 * Steady churn: targets go out and come in again in slots that were used before, which have standing ports. Each
 * cycle takes other slots than the one before.
 */
export async function churn(arena: Arena, effort: ScaleEffort['churn']): Promise<void> {
  const { figures, kernel } = arena
  await onVswitch(arena, async (vswitch) => {
    const { slots: count, out, cycles } = effort
    figures.add('reserve-churn', 'ecdock-fast', await timed(() => vswitch.reserve(slots(count))), count)
    checked(await vswitch.plugAll(requests(count)))
    await untilAllAnswer(kernel, count)
    for (let cycle = 0; cycle < cycles; cycle++) {
      const some = slots(out).map((offset) => ((cycle * out + offset - 1) % count) + 1)
      const ms = await timed(async () => {
        checked(await vswitch.unplugAll(some))
        checked(await vswitch.plugAll(some.map(request)))
      })
      figures.add('churn', 'ecdock-fast', ms, out)
    }
    await untilAllAnswer(kernel, count)
  })
}

/** How long ovs-docker takes for a port when there are so many, and for a port out and in again. */
export interface OvsDockerTimes {
  /** ms for one add-port, by the number of ports there. */
  added: Map<number, number[]>
}

/**
 * Times ovs-docker's ports while its bridge gets fuller: the floor fills it, so that it does not take ovs-docker's time.
 * With as many ports as the churn has, a port out and in again is its churn.
 */
export async function growOvsDocker(
  arena: Pick<Arena, 'figures'>,
  ovsDocker: Contestant,
  filler: OvsFloor,
  effort: Pick<ScaleEffort, 'fills' | 'churn'>,
  times: OvsDockerTimes,
  progress: (ports: number) => void,
): Promise<void> {
  const { samples } = effort.fills
  let there = 0
  for (const ports of effort.fills.ports) {
    progress(ports)
    await filler.fill(there + 1, ports - there)
    there = ports
    const added = times.added.get(ports) ?? []
    const sampled = slots(samples).map((offset) => ports + offset)
    for (const slot of sampled) added.push(await ovsDocker.plug(slot))
    times.added.set(ports, added)
    if (ports === effort.churn.slots) {
      for (const slot of sampled) {
        const out = await ovsDocker.unplug(slot)
        arena.figures.add('churn', 'ovs-docker', out + (await ovsDocker.plug(slot)))
      }
    }
    for (const slot of sampled) await ovsDocker.unplug(slot)
  }
  await filler.unplugAll(there)
}
