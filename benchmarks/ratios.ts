import type { VswitchKind } from '../src/vswitch/vswitch.js'
import type { Operation, Result, Subject } from './measurements.js'
import type { ContestantName } from './peers/contestant.js'

/** How two medians of the same run compare. */
export interface Ratio {
  /** Stable name, such as `bridge-plug-floor`. */
  id: string
  meaning: string
  value: number
  target?: Target
  /** Whether the target is met; absent when there is none. */
  met?: boolean
}

export type Target = { atMost: number } | { atLeast: number }

interface Comparison {
  id: string
  meaning: string
  dividend: Subject
  divisor: Subject
  target?: Target
}

const OURS = 'ecdock-fast'

interface Task {
  kind: VswitchKind
  operation: Operation
  ports: 'one' | number
}

/** Our time divided by the floor's: how much we add to what the kernel takes. */
function overFloor(task: Task, floor: ContestantName, target?: Target): Comparison {
  return compare(task, OURS, floor, `${id(task)}-over-${slug(floor)}`, target)
}

/** A peer's time divided by ours: how many times faster we are. */
function fasterThan(peer: ContestantName, task: Task, target?: Target): Comparison {
  return compare(task, peer, OURS, `${id(task)}-faster-than-${slug(peer)}`, target)
}

function compare(task: Task, dividend: ContestantName, divisor: ContestantName, id: string, target?: Target) {
  return {
    id,
    meaning: `${task.kind}, ${describe(task)}: time of ${dividend} / time of ${divisor}`,
    dividend: { ...task, contestant: dividend },
    divisor: { ...task, contestant: divisor },
    ...(target && { target }),
  }
}

function id({ kind, operation, ports }: Task): string {
  return `${kind}-${operation}-${ports}`
}

function slug(name: ContestantName): string {
  return name.toLowerCase().replace(/[^a-z]+/g, '-')
}

function describe({ operation, ports }: Task): string {
  return ports === 'one' ? `one ${operation}` : `each of ${ports} ${operation}ged in bulk`
}

const bridge = (operation: Operation, ports: 'one' | number): Task => ({ kind: 'bridge', operation, ports })
const ovs = (operation: Operation, ports: 'one' | number): Task => ({ kind: 'ovs', operation, ports })
const vde = (operation: Operation, ports: 'one' | number): Task => ({ kind: 'vde', operation, ports })

const COMPARISONS: readonly Comparison[] = [
  overFloor(bridge('plug', 'one'), 'C floor', { atMost: 1.25 }),
  overFloor(bridge('plug', 'one'), 'C floor, default queues'),
  overFloor(bridge('plug', 1), 'C floor'),
  overFloor(bridge('plug', 400), 'C floor'),
  overFloor(bridge('unplug', 'one'), 'C floor'),
  overFloor(bridge('unplug', 400), 'C floor', { atMost: 1.3 }),
  overFloor(bridge('unplug', 400), 'C floor, regrouping'),
  overFloor(bridge('unplug', 400), 'C floor, default queues'),
  fasterThan('ip', bridge('plug', 'one')),
  fasterThan('ip', bridge('plug', 100)),
  fasterThan('ip', bridge('unplug', 'one')),
  fasterThan('ip', bridge('unplug', 100)),
  overFloor(ovs('plug', 'one'), 'C floor'),
  overFloor(ovs('plug', 100), 'C floor', { atMost: 1.15 }),
  overFloor(ovs('plug', 1000), 'C floor', { atMost: 1.15 }),
  overFloor(ovs('unplug', 'one'), 'C floor'),
  overFloor(ovs('unplug', 100), 'C floor'),
  fasterThan('ovs-docker', ovs('plug', 'one'), { atLeast: 15 }),
  fasterThan('ovs-docker', ovs('plug', 100), { atLeast: 60 }),
  fasterThan('ovs-docker', ovs('unplug', 'one')),
  fasterThan('ovs-docker', ovs('unplug', 100)),
  fasterThan('ip + ovs-vsctl', ovs('plug', 'one')),
  fasterThan('ip + ovs-vsctl', ovs('plug', 100)),
  overFloor(vde('plug', 'one'), 'C floor', { atMost: 1.3 }),
  overFloor(vde('plug', 1), 'C floor'),
  overFloor(vde('plug', 100), 'C floor'),
  overFloor(vde('unplug', 'one'), 'C floor'),
  overFloor(vde('unplug', 100), 'C floor'),
  fasterThan('docker-vde-plugin', vde('plug', 'one')),
  fasterThan('docker-vde-plugin, moved', vde('plug', 'one'), { atLeast: 25 }),
]

/** The ratios of medians that the results allow. */
export function ratios(results: readonly Result[]): Ratio[] {
  return COMPARISONS.flatMap(({ id, meaning, dividend, divisor, target }) => {
    const above = medianOf(results, dividend)
    const below = medianOf(results, divisor)
    if (above === undefined || below === undefined) return []
    const value = above / below
    return [{ id, meaning, value, ...(target && { target, met: meets(value, target) }) }]
  })
}

/** Whether a figure meets its target. */
export function meets(value: number, target: Target): boolean {
  return 'atMost' in target ? value <= target.atMost : value >= target.atLeast
}

function medianOf(results: readonly Result[], subject: Subject): number | undefined {
  return results.find(
    (result) =>
      result.kind === subject.kind &&
      result.contestant === subject.contestant &&
      result.operation === subject.operation &&
      result.ports === subject.ports,
  )?.ms.median
}
