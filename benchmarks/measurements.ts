import type { VswitchKind } from '../src/vswitch/vswitch.js'
import type { ContestantName } from './peers/contestant.js'
import { type Summary, summarise } from './stats.js'

export type Operation = 'plug' | 'unplug'

/** What was measured: `ports` is 'one' for one at a time, or the number of ports in one bulk call. */
export interface Subject {
  kind: VswitchKind
  contestant: ContestantName
  operation: Operation
  ports: 'one' | number
}

/** The time for one port, in ms; in bulk the time for all of them divided by their number. */
export interface Result extends Subject {
  ms: Summary
}

/** All times of a run. */
export class Measurements {
  readonly #samples = new Map<string, { subject: Subject; ms: number[] }>()

  /** `ms` is the time for all ports of the subject together. */
  add(subject: Subject, ms: number): void {
    const key = `${subject.kind} ${subject.contestant} ${subject.operation} ${subject.ports}`
    const entry = this.#samples.get(key) ?? { subject, ms: [] }
    entry.ms.push(subject.ports === 'one' ? ms : ms / subject.ports)
    this.#samples.set(key, entry)
  }

  results(): Result[] {
    return [...this.#samples.values()].map(({ subject, ms }) => ({ ...subject, ms: summarise(ms) }))
  }
}
