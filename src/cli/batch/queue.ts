import type { EcdockError } from '../../errors.js'
import type { Id, Operation, PlugOperation, UnplugOperation } from './operation.js'

/** An operation that waits for its turn, or a line that was none. */
export type Item = { line: number; id?: Id } & ({ operation: Operation } | { error: EcdockError })

/** Items that are done together: many plugs or many unplugs on one vswitch, or one of anything else. */
export type Group =
  | { kind: 'plug'; vswitch: string | undefined; operations: PlugOperation[]; items: Item[] }
  | { kind: 'unplug'; vswitch: string | undefined; operations: UnplugOperation[]; items: Item[] }
  | { kind: 'single'; operation: Exclude<Operation, PlugOperation | UnplugOperation>; items: [Item] }
  | { kind: 'error'; error: EcdockError; items: [Item] }

/** Takes from the front of `queue` what can be done together, at most `most` items; undefined when it is empty. */
export function takeGroup(queue: Item[], most: number): Group | undefined {
  const first = queue.shift()
  if (first === undefined) return undefined
  if ('error' in first) return { kind: 'error', error: first.error, items: [first] }
  const { operation } = first
  if (operation.op === 'plug') {
    const operations = [operation]
    const items: Item[] = [first]
    for (let next = queue[0]; next !== undefined && items.length < most; next = queue[0]) {
      if (!('operation' in next) || next.operation.op !== 'plug') break
      if (next.operation.vswitch !== operation.vswitch) break
      operations.push(next.operation)
      items.push(next)
      queue.shift()
    }
    return { kind: 'plug', vswitch: operation.vswitch, operations, items }
  }
  if (operation.op === 'unplug') {
    const operations = [operation]
    const items: Item[] = [first]
    const slots = new Set([operation.slot])
    for (let next = queue[0]; next !== undefined && items.length < most; next = queue[0]) {
      if (!('operation' in next) || next.operation.op !== 'unplug') break
      // The same slot again is another operation, which finds the slot empty.
      if (next.operation.vswitch !== operation.vswitch || slots.has(next.operation.slot)) break
      slots.add(next.operation.slot)
      operations.push(next.operation)
      items.push(next)
      queue.shift()
    }
    return { kind: 'unplug', vswitch: operation.vswitch, operations, items }
  }
  return { kind: 'single', operation, items: [first] }
}
