import { COLUMNS } from './columns.js'
import type { ImmutableColumns, TableName, Tables } from './schema.js'
import {
  type ColumnType,
  encodeSet,
  encodeValue,
  lockName,
  type NamedUuid,
  named,
  type Uuid,
} from './value.js'

/** One operation of a transaction, as RFC 7047 section 5.2 writes it. Made by the functions of this file. */
export interface Operation {
  readonly op: string
  readonly [member: string]: unknown
}

/** A reference that is written: to a row that exists, or to one that the same transaction inserts. */
type Reference<V> = V extends Uuid ? Uuid | NamedUuid : V

/**
 * What may be written where the row type says `V`: any list for a set, a record or a Map for a map, and
 * undefined to empty an optional column.
 */
export type Writable<V> =
  V extends ReadonlyMap<infer K extends string | number, infer Item>
    ? Readonly<Record<K, Reference<Item>>> | ReadonlyMap<K, Reference<Item>>
    : V extends ReadonlySet<infer Element>
      ? readonly Reference<Element>[] | ReadonlySet<Reference<Element>>
      : Reference<V>

export type NewRow<T extends TableName> = { readonly [C in keyof Tables[T]]?: Writable<Tables[T][C]> }

export type RowChange<T extends TableName> = Omit<NewRow<T>, ImmutableColumns[T]>

/** Rows for which every condition holds; `[]` is every row (RFC 7047 section 5.1, <condition>). */
export type Where<T extends TableName> = readonly (ColumnCondition<T> | RowCondition)[]

type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'includes' | 'excludes'

type RowCondition = readonly ['_uuid', '==' | '!=', Uuid]

type ColumnCondition<T extends TableName> = {
  [C in keyof Tables[T]]: readonly [C, Comparison, Writable<Tables[T][C]>]
}[keyof Tables[T]]

/** Changes that keep what others have put into the same column (RFC 7047 section 5.1, <mutation>). */
export type Mutations<T extends TableName> = {
  readonly [C in Exclude<keyof Tables[T], ImmutableColumns[T]>]?: Mutation<Tables[T][C]>
}

type Mutation<V> =
  V extends ReadonlyMap<infer K extends string | number, unknown>
    ? { readonly insert?: Writable<V>; readonly delete?: readonly K[] | ReadonlySet<K> }
    : V extends ReadonlySet<unknown>
      ? { readonly insert?: Writable<V>; readonly delete?: Writable<V> }
      : V extends number
        ? { readonly add: number }
        : never

/** Inserts a row; `uuidName` lets other operations of the transaction refer to it by {@link named}. */
export function insert<T extends TableName>(table: T, row: NewRow<T>, uuidName?: string): Operation {
  const operation = { op: 'insert', table, row: encodeRow(table, row) }
  return uuidName === undefined ? operation : { ...operation, 'uuid-name': named(uuidName).namedUuid }
}

/** Gives the columns of `row` new values, in every row that `where` chooses. */
export function update<T extends TableName>(table: T, where: Where<T>, row: RowChange<T>): Operation {
  return { op: 'update', table, where: encodeWhere(table, where), row: encodeRow(table, row) }
}

/** Adds to and takes from the columns of every row that `where` chooses; deletions come first. */
export function mutate<T extends TableName>(table: T, where: Where<T>, mutations: Mutations<T>): Operation {
  const encoded: unknown[] = []
  for (const [column, mutation] of Object.entries<object | undefined>(mutations)) {
    if (mutation === undefined) continue
    const type = columnType(table, column)
    if ('delete' in mutation) encoded.push([column, 'delete', encodeSet(type.key, mutation.delete)])
    if ('insert' in mutation) encoded.push([column, 'insert', encodeValue(type, mutation.insert)])
    if ('add' in mutation) encoded.push([column, '+=', mutation.add])
  }
  return { op: 'mutate', table, where: encodeWhere(table, where), mutations: encoded }
}

/** Deletes every row that `where` chooses. */
export function deleteRows<T extends TableName>(table: T, where: Where<T>): Operation {
  return { op: 'delete', table, where: encodeWhere(table, where) }
}

/** Reads columns; {@link decodeRows} makes rows of the result. */
export function select<T extends TableName>(
  table: T,
  where: Where<T>,
  columns: readonly (keyof Tables[T] & string)[],
): Operation {
  return { op: 'select', table, where: encodeWhere(table, where), columns: ['_uuid', ...columns] }
}

/**
 * Lets the transaction fail unless the rows that `where` chooses hold (`==`), or do not hold (`!=`), exactly
 * `rows`; the server waits for that at most `timeoutMs`. 0 makes it a check of what is there.
 */
export function wait<T extends TableName, C extends keyof Tables[T] & string>(
  table: T,
  where: Where<T>,
  until: '==' | '!=',
  columns: readonly C[],
  rows: readonly { readonly [K in C]: Writable<Tables[T][K]> }[],
  timeoutMs = 0,
): Operation {
  return {
    op: 'wait',
    timeout: timeoutMs,
    table,
    where: encodeWhere(table, where),
    columns,
    until,
    rows: rows.map((row) => encodeRow(table, row)),
  }
}

/** A remark for the server's log of the transaction. */
export function comment(text: string): Operation {
  return { op: 'comment', comment: encodeValue({ shape: 'scalar', key: 'string' }, text) }
}

/** Lets the transaction fail unless this client holds the lock (RFC 7047 section 5.2.10). */
export function assertLock(name: string): Operation {
  return { op: 'assert', lock: lockName(name) }
}

/** Lets the transaction fail, to see whether the operations before it would succeed (RFC 7047 section 5.2.8). */
export function abort(): Operation {
  return { op: 'abort' }
}

/** With `durable` the transaction is answered only when the server has it on its disk (RFC 7047 section 5.2.7). */
export function commit(durable: boolean): Operation {
  return { op: 'commit', durable }
}

/** The condition that chooses one row. */
export function rowIs(uuid: Uuid): readonly [RowCondition] {
  return [['_uuid', '==', uuid]]
}

/** The type of a column. */
export function columnType(table: TableName, column: string): ColumnType {
  if (column === '_uuid') return { shape: 'scalar', key: 'uuid' }
  const columns: Readonly<Record<string, ColumnType>> = COLUMNS[table]
  const type = Object.hasOwn(columns, column) ? columns[column] : undefined
  if (type === undefined) throw new TypeError(`table ${table} has no column ${column}`)
  return type
}

function encodeRow(table: TableName, row: object): Record<string, unknown> {
  const encoded: Record<string, unknown> = {}
  for (const [column, value] of Object.entries(row)) {
    encoded[column] = encodeValue(columnType(table, column), value)
  }
  return encoded
}

/** Conditions as RFC 7047 section 5.1 writes them. Throws USAGE. */
export function encodeWhere(table: TableName, where: readonly (readonly unknown[])[]): unknown[] {
  return where.map(([column, comparison, value]) => {
    return [column, comparison, encodeValue(columnType(table, String(column)), value)]
  })
}
