import type { Contestant } from '../peers/contestant.js'
import type { OvsFloor } from '../peers/floor.js'
import { slots } from '../targets.js'
import { checked, timed } from '../timing.js'
import { firstAnswer, untilAllAnswer } from './answers.js'
import { type Arena, onVswitch, request, requests } from './arena.js'
import type { ScaleEffort } from './effort.js'

/** It asks for the others' answers, and stays where it is. */
const ASKING = 1

/** Out and in again, until another target's ping is answered: of slots that then get standing ports, and that have them. */
export async function replug(arena: Arena, effort: ScaleEffort['replug']): Promise<void> {
  const { figures, kernel } = arena
  await onVswitch(arena, async (vswitch) => {
    checked(await vswitch.plugAll(requests(effort.slots)))
    await untilAllAnswer(kernel, effort.slots)
    for (let time = 0; time <= effort.times; time++) {
      for (const slot of chosen(effort)) {
        const ms = await timed(async () => {
          await vswitch.unplug(slot)
          const { target } = request(slot)
          await vswitch.plug(target, { slot })
          await firstAnswer(kernel, ASKING, slot)
        })
        figures.add(time === 0 ? 'first-replug' : 'replug', 'ecdock-fast', ms)
      }
    }
  })
}

/** The same by ovs-vsctl and ip, without the wait for traffic, among as many ports. */
export async function replugByVsctl(
  { figures, kernel }: Arena,
  vsctl: Contestant,
  filler: OvsFloor,
  effort: ScaleEffort['replug'],
): Promise<void> {
  await filler.fill(1, effort.slots)
  for (const slot of chosen(effort)) {
    const out = await vsctl.unplug(slot)
    figures.add('replug', 'ip + ovs-vsctl', out + (await vsctl.plug(slot)))
    await firstAnswer(kernel, ASKING, slot)
  }
  // They are not in the group that the filler deletes.
  for (const slot of chosen(effort)) await vsctl.unplug(slot)
  await filler.unplugAll(effort.slots)
}

function chosen({ of }: ScaleEffort['replug']): number[] {
  return slots(of).map((offset) => ASKING + offset)
}
