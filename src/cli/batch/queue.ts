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
  const { vswitch } = 'vswitch' in operation ? operation : {}
  if (operation.op === 'plug') {
    const fits = (next: Operation): next is PlugOperation => next.op === 'plug' && next.vswitch === vswitch
    return { kind: 'plug', vswitch, ...takeWhile(queue, first, operation, most, fits) }
  }
  if (operation.op === 'unplug') {
    // The same slot again is another operation, which finds the slot empty.
    const slots = new Set([operation.slot])
    const fits = (next: Operation): next is UnplugOperation =>
      next.op === 'unplug' && next.vswitch === vswitch && slots.size < slots.add(next.slot).size
    return { kind: 'unplug', vswitch, ...takeWhile(queue, first, operation, most, fits) }
  }
  return { kind: 'single', operation, items: [first] }
}

function takeWhile<Kind extends Operation>(
  queue: Item[],
  first: Item,
  operation: Kind,
  most: number,
  fits: (next: Operation) => next is Kind,
): { operations: Kind[]; items: Item[] } {
  const operations = [operation]
  const items = [first]
  for (let next = queue[0]; next !== undefined && items.length < most; next = queue[0]) {
    if (!('operation' in next) || !fits(next.operation)) break
    operations.push(next.operation)
    items.push(next)
    queue.shift()
  }
  return { operations, items }
}
