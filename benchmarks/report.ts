import { cpus, release } from 'node:os'
import process from 'node:process'
import { type DataPlaneFigure, dataPlaneRatios } from './dataplane/figures.js'
import type { Result } from './measurements.js'
import { run } from './program.js'
import { type Ratio, ratios } from './ratios.js'
import { type Figure, scaleRatios } from './scale/figures.js'
import type { CallTime } from './scenarios/docker.js'

/** All that a run found out; what `--json` writes. Times are in ms. */
export interface Report {
  /** ISO 8601. */
  date: string
  machine: Machine
  /** A quick run's figures say little. */
  quick: boolean
  results: Result[]
  /** Kind ovs with up to a thousand ports. */
  scale: Figure[]
  /** What VDE switches carry, and what of the machine they take for it. */
  dataPlanes: DataPlaneFigure[]
  /** What Docker waits for its drivers. */
  calls: CallTime[]
  ratios: Ratio[]
  wholeProcess?: WholeProcess
}

export interface Machine {
  kernel: string
  cpus: number
  cpuModel: string
  node: string
  /** First line of `ovs-vswitchd --version`; absent when kind ovs was not measured. */
  ovs?: string
}

/** One plug from a shell, medians in ms: what somebody who types commands waits for. */
export interface WholeProcess {
  /** `ecdock-fast plug`, with the start of node. */
  cli: number
  /** The ip script. */
  ip: number
  samples: number
}

export function machine(withOvs: boolean): Machine {
  const [cpu] = cpus()
  return {
    kernel: release(),
    cpus: cpus().length,
    cpuModel: cpu?.model ?? 'unknown',
    node: process.version,
    ...(withOvs && { ovs: run('ovs-vswitchd', ['--version']).split('\n')[0] ?? 'unknown' }),
  }
}

export interface Findings {
  results: Result[]
  scale: Figure[]
  dataPlanes: DataPlaneFigure[]
  calls: CallTime[]
  quick: boolean
  wholeProcess: WholeProcess | undefined
}

export function report({ results, scale, dataPlanes, calls, quick, wholeProcess }: Findings): Report {
  return {
    date: new Date().toISOString(),
    machine: machine(results.some((result) => result.kind === 'ovs')),
    quick,
    results,
    scale,
    dataPlanes,
    calls,
    ratios: [...ratios(results), ...scaleRatios(scale), ...dataPlaneRatios(dataPlanes)],
    ...(wholeProcess && { wholeProcess }),
  }
}
