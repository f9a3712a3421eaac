import { Host } from '../../src/host.js'
import type { Measurements } from '../measurements.js'
import { buildFloor, defaultQueuesFloor, floor, regroupingFloor } from '../peers/floor.js'
import { ours } from '../peers/ours.js'
import { ip } from '../peers/scripts.js'
import type { WholeProcess } from '../report.js'
import { type Effort, race } from '../rounds.js'
import { SUBNET } from '../targets.js'
import { measureWholeProcess } from '../whole-process.js'

const VSWITCH = 'ours'
const IP_BRIDGE = 'ip'

interface BridgeEffort extends Effort {
  /** Rounds with the start of a process. */
  wholeProcess: number
}

export const EFFORT: BridgeEffort = {
  wholeProcess: 20,
  one: { series: 20, rounds: 12, slowRounds: 3 },
  bulk: [
    { ports: 1, rounds: 50, slowRounds: 10 },
    { ports: 10, rounds: 30, slowRounds: 5 },
    { ports: 100, rounds: 10, slowRounds: 2 },
    { ports: 400, rounds: 7, slowRounds: 1 },
  ],
}

export const QUICK_EFFORT: BridgeEffort = {
  wholeProcess: 2,
  one: { series: 5, rounds: 2, slowRounds: 1 },
  bulk: [
    { ports: 1, rounds: 2, slowRounds: 1 },
    { ports: 10, rounds: 2, slowRounds: 1 },
  ],
}

/** Kind `bridge`: a Linux bridge, against the floor in C and against ip. */
export async function bridge(
  effort: BridgeEffort,
  directory: string,
  measurements: Measurements,
  progress: (text: string) => void,
): Promise<WholeProcess> {
  const host = await Host.open()
  const program = buildFloor(directory)
  const contestants = [
    await ours(host, { name: VSWITCH, kind: 'bridge', subnet: SUBNET }),
    floor(program),
    regroupingFloor(program),
    await defaultQueuesFloor(program),
    ip(IP_BRIDGE),
  ]
  await race(effort, { kind: 'bridge', kernel: host.kernel, contestants, measurements, progress })
  progress('bridge: one plug as a whole process')
  const wholeProcess = measureWholeProcess(VSWITCH, IP_BRIDGE, effort.wholeProcess)
  for (const contestant of contestants) await contestant.close()
  await host.close()
  return wholeProcess
}
