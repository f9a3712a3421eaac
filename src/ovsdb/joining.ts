import type { Operation } from './operations.js'

/** Operations that one can do. */
interface Group {
  /** Rows and sets that all of them insert into; undefined when it is something else that is done, by one. */
  key: string | undefined
  members: Operation[]
  /** How many of them are still to come. */
  left: number
  /** Index of the operation that does the work of all. */
  place: number
}

/**
 * Makes one `mutate` of those that only insert into the same sets of the same rows, as all do that add a port to one bridge:
 * for each the server would copy the whole set. It stands where the last of them stood, behind the rows that it refers to.
 * Between them nothing else may be done with the table, because it could tell the difference.
 *
 * `places` has for each operation that there was, in order, the index of the one that does its work.
 */
export function joinInsertions(all: readonly Operation[]): { operations: Operation[]; places: number[] } {
  const latest = new Map<unknown, Group>()
  const groups = all.map((operation) => {
    const key = insertionKey(operation)
    const before = latest.get(operation.table)
    if (before !== undefined && key !== undefined && before.key === key) {
      before.members.push(operation)
      before.left++
      return before
    }
    const group: Group = { key, members: [operation], left: 1, place: 0 }
    latest.set(operation.table, group)
    return group
  })
  const operations: Operation[] = []
  for (const group of groups) {
    if (--group.left === 0) group.place = operations.push(whole(group)) - 1
  }
  return { operations, places: groups.map(({ place }) => place) }
}

/** A mutation as RFC 7047 section 5.1 writes it, of which the value is a set. */
type Insertion = readonly [column: string, mutator: 'insert', value: readonly ['set', readonly unknown[]]]

function insertionKey(operation: Operation): string | undefined {
  const insertions = insertionsOf(operation)
  return insertions && JSON.stringify([operation.where, insertions.map(([column]) => column)])
}

function insertionsOf({ op, mutations }: Operation): readonly Insertion[] | undefined {
  return op === 'mutate' && Array.isArray(mutations) && mutations.every(isInsertion) ? mutations : undefined
}

function isInsertion(mutation: unknown): mutation is Insertion {
  if (!Array.isArray(mutation) || mutation[1] !== 'insert') return false
  const value: unknown = mutation[2]
  return Array.isArray(value) && value[0] === 'set' && Array.isArray(value[1])
}

function whole({ members }: Group): Operation {
  const [first] = members
  if (first === undefined || members.length === 1) return first as Operation
  const all = members.map((member) => insertionsOf(member) ?? [])
  const mutations = all[0]?.map(([column, mutator], at) => {
    return [column, mutator, ['set', unique(all.flatMap((insertions) => insertions[at]?.[2][1] ?? []))]]
  })
  return { ...first, mutations }
}

/** Each element once: the server refuses a set that has one twice, but not an insertion of what is there. */
function unique(elements: readonly unknown[]): unknown[] {
  return [...new Map(elements.map((element) => [JSON.stringify(element), element])).values()]
}
