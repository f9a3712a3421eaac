import { meets, type Ratio, type Target } from '../ratios.js'
import { type Summary, summarise } from '../stats.js'

/** Whose switch and taps it is, as the tables name it. */
export type DataPlaneContestant = 'ecdock-switch' | 'ecdock-switch --no-offload' | 'vde_switch'

const TASKS = {
  tcp: { meaning: 'TCP between two namespaces', unit: 'Gbit/s' },
  processor: { meaning: 'processor time of the data plane for a UDP frame of 64 bytes', unit: 'µs' },
  arrived: { meaning: 'UDP frames that arrive, of 40,000 sent in a second', unit: 'kframe/s' },
  clients: { meaning: 'frames of 64 bytes from VDE client to VDE client', unit: 'kframe/s' },
  echo: { meaning: 'flood ping, mean round trip', unit: 'µs' },
  interval: { meaning: 'flood ping, from one request to the next', unit: 'µs' },
  memory: { meaning: 'memory for each port, the switch itself apart', unit: 'KiB' },
} as const

export type DataPlaneTask = keyof typeof TASKS

export interface DataPlaneFigure {
  /** Stable name, such as `tcp`. */
  task: DataPlaneTask
  contestant: DataPlaneContestant
  meaning: string
  unit: string
  value: Summary
}

interface Comparison {
  id: string
  task: DataPlaneTask
  dividend: DataPlaneContestant
  divisor: DataPlaneContestant
  target: Target
}

function over(task: DataPlaneTask, target: Target, ours: DataPlaneContestant = 'ecdock-switch'): Comparison {
  const slug = ours === 'ecdock-switch' ? '' : '-no-offload'
  return { id: `vde-${task}${slug}-over-vde-switch`, task, dividend: ours, divisor: 'vde_switch', target }
}

const COMPARISONS: readonly Comparison[] = [
  over('tcp', { atLeast: 9 }),
  over('tcp', { atLeast: 1.6 }, 'ecdock-switch --no-offload'),
  over('processor', { atMost: 0.5 }),
  over('clients', { atLeast: 1.4 }),
  over('echo', { atMost: 0.3 }),
  over('memory', { atMost: 0.1 }),
]

/** All that a run has found out about data planes. */
export class DataPlaneFigures {
  readonly #samples = new Map<
    string,
    { task: DataPlaneTask; contestant: DataPlaneContestant; values: number[] }
  >()

  /** In the unit of the task. */
  add(task: DataPlaneTask, contestant: DataPlaneContestant, value: number): void {
    const key = `${task} ${contestant}`
    const entry = this.#samples.get(key) ?? { task, contestant, values: [] }
    entry.values.push(value)
    this.#samples.set(key, entry)
  }

  all(): DataPlaneFigure[] {
    return [...this.#samples.values()].map(({ task, contestant, values }) => ({
      task,
      contestant,
      ...TASKS[task],
      value: summarise(values),
    }))
  }
}

/** The ratios of medians that the figures allow. */
export function dataPlaneRatios(figures: readonly DataPlaneFigure[]): Ratio[] {
  const median = (task: DataPlaneTask, contestant: DataPlaneContestant) =>
    figures.find((figure) => figure.task === task && figure.contestant === contestant)?.value.median
  return COMPARISONS.flatMap(({ id, task, dividend, divisor, target }) => {
    const above = median(task, dividend)
    const below = median(task, divisor)
    if (above === undefined || below === undefined) return []
    const value = above / below
    const meaning = `vde, ${TASKS[task].meaning}: ${dividend} / ${divisor}`
    return [{ id, meaning, value, target, met: meets(value, target) }]
  })
}
