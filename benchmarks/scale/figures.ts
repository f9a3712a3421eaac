import { meets, type Ratio, type Target } from '../ratios.js'
import { type Summary, summarise } from '../stats.js'

/** Whose time it is, as the tables name it. */
export type ScaleContestant = 'ecdock-fast' | 'ovs-docker' | 'ip + ovs-vsctl' | 'ovs-vsctl' | 'ovs-ofctl'

/** The time in ms for each port or flow, or for the whole when `each` is not set. */
export interface Figure {
  /** Stable name, such as `churn`. */
  task: Task
  contestant: ScaleContestant
  meaning: string
  each: boolean
  ms: Summary
  /** In ms, of the median. */
  target?: Target
  met?: boolean
}

const TASKS = {
  'from-nothing': 'from an empty vswitch until all its slots have answered a ping',
  'from-nothing-suppressing':
    'from an empty vswitch with neighSuppress until all its slots have answered a ping',
  'plug-reserved': 'plug into slots that were reserved, all in bulk',
  reserve: 'reserve slots with neighSuppress, all in bulk',
  'reserve-churn': 'reserve the slots of the churn',
  churn: 'steady churn: out and in again',
  'first-replug': 'one re-plug until traffic passes, of a slot that is used for the second time',
  replug: 'one re-plug until traffic passes, of a slot that was used before',
  flows: 'set the flow of a slot',
  'take-out': 'take all out, of slots that were used for the first time',
  'take-out-standing': 'take all out, of slots that were reserved',
  'delete-vswitch': 'delete a full vswitch, of slots that were used for the first time',
  'delete-vswitch-standing': 'delete a full vswitch, of slots that were reserved',
} as const

export type Task = keyof typeof TASKS

const WHOLE: ReadonlySet<Task> = new Set([
  'first-replug',
  'replug',
  'delete-vswitch',
  'delete-vswitch-standing',
])

const TARGETS: Partial<Record<Task, Target>> = {
  'take-out': { atMost: 2 },
  'take-out-standing': { atMost: 2 },
}

interface Comparison {
  task: Task
  peer: ScaleContestant
  /** Of the peer, when it is another one. */
  peerTask?: Task
  /** Whether our time is divided by the peer's, or the other way round. */
  ours: 'dividend' | 'divisor'
  target?: Target
}

const COMPARISONS: readonly Comparison[] = [
  { task: 'from-nothing', peer: 'ovs-docker', ours: 'divisor' },
  {
    task: 'from-nothing-suppressing',
    peer: 'ovs-docker',
    peerTask: 'from-nothing',
    ours: 'divisor',
    target: { atLeast: 60 },
  },
  { task: 'churn', peer: 'ovs-docker', ours: 'divisor', target: { atLeast: 30 } },
  {
    task: 'first-replug',
    peer: 'ip + ovs-vsctl',
    peerTask: 'replug',
    ours: 'dividend',
    target: { atMost: 0.6 },
  },
  { task: 'replug', peer: 'ip + ovs-vsctl', ours: 'dividend', target: { atMost: 0.6 } },
  { task: 'flows', peer: 'ovs-ofctl', ours: 'divisor', target: { atLeast: 100 } },
  { task: 'take-out', peer: 'ovs-vsctl', ours: 'divisor', target: { atLeast: 5 } },
  {
    task: 'take-out-standing',
    peer: 'ovs-vsctl',
    peerTask: 'take-out',
    ours: 'divisor',
    target: { atLeast: 5 },
  },
]

/** All times at scale of a run. */
export class Figures {
  readonly #samples = new Map<string, { task: Task; contestant: ScaleContestant; ms: number[] }>()

  /** `ms` is the time for `count` ports or flows together. */
  add(task: Task, contestant: ScaleContestant, ms: number, count = 1): void {
    const key = `${task} ${contestant}`
    const entry = this.#samples.get(key) ?? { task, contestant, ms: [] }
    entry.ms.push(ms / count)
    this.#samples.set(key, entry)
  }

  all(): Figure[] {
    return [...this.#samples.values()].map(({ task, contestant, ms }) => {
      const summary = summarise(ms)
      const target = contestant === 'ecdock-fast' ? TARGETS[task] : undefined
      return {
        task,
        contestant,
        meaning: TASKS[task],
        each: !WHOLE.has(task),
        ms: summary,
        ...(target && { target, met: meets(summary.median, target) }),
      }
    })
  }
}

/** The ratios of medians that the figures allow. */
export function scaleRatios(figures: readonly Figure[]): Ratio[] {
  const median = (task: Task, contestant: ScaleContestant) =>
    figures.find((figure) => figure.task === task && figure.contestant === contestant)?.ms.median
  return COMPARISONS.flatMap(({ task, peer, peerTask = task, ours, target }) => {
    const own = median(task, 'ecdock-fast')
    const other = median(peerTask, peer)
    if (own === undefined || other === undefined) return []
    const value = ours === 'dividend' ? own / other : other / own
    const names = ours === 'dividend' ? ['ecdock-fast', peer] : [peer, 'ecdock-fast']
    const slug = peer.replace(/[^a-z]+/g, '-')
    const id = `ovs-scale-${task}-${ours === 'dividend' ? 'over' : 'faster-than'}-${slug}`
    const meaning = `ovs, ${TASKS[task]}: time of ${names[0]} / time of ${names[1]}`
    return [{ id, meaning, value, ...(target && { target, met: meets(value, target) }) }]
  })
}
