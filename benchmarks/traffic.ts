import type { Kernel } from '../src/kernel/kernel.js'
import type { Contestant } from './peers/contestant.js'
import { targetPath } from './targets.js'

/** Each new port multicasts a little, to all the others: after many, ovs-vswitchd needs a while to catch up. */
const TRIES = 20
/** Slots that earn one more try. */
const SLOTS_A_TRY = 8
const TIMEOUT_MS = 1000

/**
 * Throws unless a ping passes from one target to the other. A contestant that makes ports which carry
 * nothing has not done the work that is measured.
 */
export async function checkTraffic(kernel: Kernel, who: Contestant, from: number, to: number): Promise<void> {
  const probe = { netns: targetPath(from), address: `10.0.${to >> 8}.${to & 255}`, timeoutMs: TIMEOUT_MS }
  let why = 'no reply'
  const tries = Math.max(TRIES, Math.ceil(to / SLOTS_A_TRY))
  for (let attempt = 0; attempt < tries; attempt++) {
    const [outcome] = await kernel.probe([probe])
    if (outcome?.reply === true) return
    why = outcome?.error ?? why
  }
  throw new Error(`${who.name}: no ping passes from slot ${from} to slot ${to}: ${why}`)
}
