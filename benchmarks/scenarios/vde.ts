import { Host } from '../../src/host.js'
import { startSwitch, stopSwitch } from '../../src/vde/switch-process.js'
import { compareDataPlanes, type DataPlaneEffort } from '../dataplane/comparison.js'
import type { DataPlaneFigures } from '../dataplane/figures.js'
import { vde2Plane } from '../dataplane/plane.js'
import type { Measurements } from '../measurements.js'
import { buildFloor, vdeFloor } from '../peers/floor.js'
import { ours } from '../peers/ours.js'
import { dockerVdePlugin } from '../peers/scripts.js'
import { type Effort, race } from '../rounds.js'
import { SUBNET } from '../targets.js'

interface VdeEffort extends Effort {
  dataPlanes: DataPlaneEffort
}

export const EFFORT: VdeEffort = {
  one: { series: 10, rounds: 12, slowRounds: 3 },
  bulk: [
    { ports: 1, rounds: 20, slowRounds: 5 },
    { ports: 100, rounds: 3, slowRounds: 0 },
  ],
  dataPlanes: {
    rounds: 5,
    tcpMs: 1500,
    udpMs: 1000,
    clientsMs: 1000,
    echoes: 20_000,
    memory: { rounds: 3, ports: 50 },
  },
}

export const QUICK_EFFORT: VdeEffort = {
  one: { series: 2, rounds: 2, slowRounds: 1 },
  bulk: [{ ports: 10, rounds: 1, slowRounds: 1 }],
  dataPlanes: {
    rounds: 1,
    tcpMs: 100,
    udpMs: 100,
    clientsMs: 100,
    echoes: 100,
    memory: { rounds: 1, ports: 5 },
  },
}

/**
 * Kind `vde`: what plugging takes, against a C program and what docker-vde-plugin did; and what ecdock-switch carries,
 * against vde_switch with vde_plug2tap.
 */
export async function vde(
  effort: VdeEffort,
  directory: string,
  measurements: Measurements,
  progress: (text: string) => void,
): Promise<DataPlaneFigures> {
  const host = await Host.open()
  const control = `${directory}/floor-control`
  await startSwitch({ dir: `${directory}/floor-switch`, control })
  const vde2 = await vde2Plane(`${directory}/plugin-switch`)
  const contestants = [
    await ours(host, { name: 'ours', kind: 'vde', subnet: SUBNET }),
    vdeFloor(buildFloor(directory), control),
    dockerVdePlugin(vde2.directory, false),
    dockerVdePlugin(vde2.directory, true),
  ]
  await race(effort, { kind: 'vde', kernel: host.kernel, contestants, measurements, progress })
  for (const contestant of contestants) await contestant.close()
  await vde2.close()
  await stopSwitch(control)
  const figures = await compareDataPlanes(effort.dataPlanes, directory, host.kernel, progress)
  await host.close()
  return figures
}
