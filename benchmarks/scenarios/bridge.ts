import type { Host } from '../../src/host.js'
import type { Measurements } from '../measurements.js'
import { buildFloor, floor, regroupingFloor } from '../peers/floor.js'
import { ours } from '../peers/ours.js'
import { ip } from '../peers/scripts.js'
import { type Effort, race } from '../rounds.js'
import { SUBNET } from '../targets.js'

export const EFFORT: Effort = {
  one: { rounds: 200, slowRounds: 50 },
  bulk: [
    { ports: 1, rounds: 50, slowRounds: 10 },
    { ports: 10, rounds: 30, slowRounds: 5 },
    { ports: 100, rounds: 10, slowRounds: 2 },
    { ports: 400, rounds: 7, slowRounds: 1 },
  ],
}

export const QUICK_EFFORT: Effort = {
  one: { rounds: 5, slowRounds: 2 },
  bulk: [
    { ports: 1, rounds: 2, slowRounds: 1 },
    { ports: 10, rounds: 2, slowRounds: 1 },
  ],
}

/** Kind `bridge`: a Linux bridge, against the floor in C and against ip. */
export async function bridge(
  host: Host,
  effort: Effort,
  directory: string,
  measurements: Measurements,
  progress: (text: string) => void,
): Promise<void> {
  const program = buildFloor(directory)
  const contestants = [
    await ours(host, { name: 'ours', kind: 'bridge', subnet: SUBNET }),
    floor(program),
    regroupingFloor(program),
    ip(),
  ]
  await race(effort, { kind: 'bridge', kernel: host.kernel, contestants, measurements, progress })
  for (const contestant of contestants) await contestant.close()
}
