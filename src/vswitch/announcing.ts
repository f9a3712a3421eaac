import { asEcdockError, EcdockError } from '../errors.js'
import type { Plan, PlanOutcome } from '../kernel/plan.js'
import type { MadePort, Surroundings } from './backend.js'
import type { Wiring } from './wiring.js'

/**
 * Tells the neighbours of connected ports, as far as their plugs want it, which MAC their addresses have now. One answer
 * for each port: what went wrong with it, or undefined.
 */
export async function announceAll(
  { kernel }: Pick<Surroundings, 'kernel'>,
  made: readonly Pick<MadePort, 'wiring' | 'port'>[],
): Promise<(EcdockError | undefined)[]> {
  const wanted = made.filter(({ wiring }) => wiring.announce === 'connected')
  if (wanted.length === 0) return made.map(() => undefined)
  const outcomes = await attempt(
    () => kernel.execute(wanted.map(({ wiring, port }) => announcementOf(wiring, port.ifname))),
    wanted.length,
  )
  const errors = new Map(wanted.map((port, at) => [port, outcomes[at]]))
  return made.map((port) => errors.get(port))
}

/** The plan that tells the neighbours of one port; `ifname` is the name of its interface in the target. */
export function announcementOf({ target }: Pick<Wiring, 'target'>, ifname: string): Plan {
  return { steps: [{ op: 'announce', netns: target.netns, name: ifname }] }
}

async function attempt(
  execute: () => Promise<PlanOutcome[]>,
  count: number,
): Promise<(EcdockError | undefined)[]> {
  try {
    return (await execute()).map(failure)
  } catch (error) {
    return Array.from({ length: count }, () => asEcdockError(error, 'plug'))
  }
}

function failure(outcome: PlanOutcome): EcdockError | undefined {
  if (outcome.ok) return undefined
  const { op, errno, kernelMessage, message } = outcome
  if (op === 'netns open' || errno === 'ENODEV') {
    return new EcdockError('TARGET_GONE', 'plug', 'the target went away while it was being plugged in', {
      errno,
      hint: 'Nothing of the plug is left. Was the process or container stopped?',
    })
  }
  return new EcdockError('KERNEL', op, `telling the neighbours failed: ${message}`, { errno, kernelMessage })
}
