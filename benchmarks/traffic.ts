import type { Kernel } from '../src/kernel/kernel.js'
import type { Contestant } from './peers/contestant.js'
import { targetPath } from './targets.js'

const TIMEOUT_MS = 2000

/**
 * Throws unless a ping passes from one target to the other. A contestant that makes ports which carry
 * nothing has not done the work that is measured.
 */
export async function checkTraffic(kernel: Kernel, who: Contestant, from: number, to: number): Promise<void> {
  const address = `10.0.${to >> 8}.${to & 255}`
  const [outcome] = await kernel.probe([{ netns: targetPath(from), address, timeoutMs: TIMEOUT_MS }])
  if (outcome?.reply === true) return
  const why = outcome?.error ?? `no reply within ${TIMEOUT_MS} ms`
  throw new Error(`${who.name}: no ping passes from slot ${from} to slot ${to}: ${why}`)
}
