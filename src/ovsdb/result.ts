import { EcdockError } from '../errors.js'
import { describe, isRecord } from './json-rpc.js'
import { columnType, type Operation } from './operations.js'
import type { TableName, Tables } from './schema.js'
import { decodeValue, isUuid, type Uuid } from './value.js'

/** What came of one operation (RFC 7047 section 5.2). */
export interface OperationResult {
  /** Rows that `update`, `mutate` or `delete` chose. */
  readonly count?: number
  /** Identity of the row that `insert` made. */
  readonly uuid?: Uuid
  /** What `select` found, still encoded; see {@link decodeRows}. */
  readonly rows?: readonly unknown[]
}

/** Why the server refused a transaction: the `cause` of an OVSDB_REFUSED. */
export interface Refusal {
  /** The server's word for it, such as `constraint violation` (RFC 7047 section 3.1, <error>). */
  readonly error: string
  readonly details?: string
  /** Index of the operation that failed; absent when the commit itself did. */
  readonly operation?: number
  /** True when the request was refused as a whole, before any of its operations was tried. */
  readonly request?: true
}

/** The refusal that an OVSDB_REFUSED carries, undefined for every other error. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof EcdockError) || error.code !== 'OVSDB_REFUSED') return undefined
  return isRecord(error.cause) && typeof error.cause.error === 'string'
    ? (error.cause as unknown as Refusal)
    : undefined
}

/**
 * The results of a transaction, one for each operation. Errors come inside the result: in the place of the
 * operation that failed, or as one element more when the commit failed (RFC 7047 section 4.1.3). Throws
 * OVSDB_REFUSED for those, with a {@link Refusal} as its cause, and OVSDB_PROTOCOL.
 */
export function parseResults(operations: readonly Operation[], result: unknown): OperationResult[] {
  if (!Array.isArray(result)) throw malformed(result)
  for (const [index, item] of result.entries()) {
    if (isRecord(item) && typeof item.error === 'string') throw refused(operations, index, item)
  }
  if (result.length !== operations.length) throw malformed(result)
  return result.map(parseResult)
}

/** The error that a reply's `error` member makes: the request as a whole was refused. */
export function refusedRequest(op: string, error: unknown): EcdockError {
  const refusal: Refusal = { ...toRefusal(isRecord(error) ? error : { error }), request: true }
  return new EcdockError('OVSDB_REFUSED', op, `The OVSDB server refused: ${sentence(refusal)}`, {
    cause: refusal,
  })
}

/** The rows that a `select` of these columns found. Throws OVSDB_PROTOCOL. */
export function decodeRows<T extends TableName, C extends keyof Tables[T] & string>(
  table: T,
  columns: readonly C[],
  result: OperationResult | undefined,
): ({ readonly uuid: Uuid } & Readonly<Pick<Tables[T], C>>)[] {
  return (result?.rows ?? []).map((row) => {
    if (!isRecord(row)) throw malformed(row)
    const decoded: Record<string, unknown> = { uuid: decodeValue(columnType(table, '_uuid'), row._uuid) }
    for (const column of columns) decoded[column] = decodeValue(columnType(table, column), row[column])
    return decoded as { uuid: Uuid } & Pick<Tables[T], C>
  })
}

/** The result of list_dbs. Throws OVSDB_PROTOCOL. */
export function parseDatabases(result: unknown): string[] {
  if (!Array.isArray(result) || !result.every((name) => typeof name === 'string')) throw malformed(result)
  return result
}

/** The result of get_schema. Throws OVSDB_PROTOCOL. */
export function parseSchema(result: unknown): Readonly<Record<string, unknown>> {
  if (!isRecord(result) || !isRecord(result.tables)) throw malformed(result)
  return result
}

function parseResult(item: unknown): OperationResult {
  if (!isRecord(item)) throw malformed(item)
  const result: { count?: number; uuid?: Uuid; rows?: readonly unknown[] } = {}
  if (typeof item.count === 'number') result.count = item.count
  if (Array.isArray(item.uuid) && isUuid(item.uuid[1])) result.uuid = item.uuid[1]
  if (Array.isArray(item.rows)) result.rows = item.rows
  return result
}

function refused(
  operations: readonly Operation[],
  index: number,
  item: Record<string, unknown>,
): EcdockError {
  const operation = operations[index]
  const what = operation === undefined ? 'the commit' : describeOperation(operation)
  const refusal: Refusal = {
    ...toRefusal(item),
    ...(operation === undefined ? {} : { operation: index }),
  }
  const message = `The OVSDB server refused ${what}: ${sentence(refusal)}`
  return new EcdockError('OVSDB_REFUSED', 'ovsdb transact', message, { cause: refusal })
}

function toRefusal({ error, details }: Record<string, unknown>): Refusal {
  const word = typeof error === 'string' ? error : describe(error)
  return typeof details === 'string' ? { error: word, details } : { error: word }
}

function describeOperation(operation: Operation): string {
  return typeof operation.table === 'string' ? `${operation.op} in ${operation.table}` : operation.op
}

function sentence(refusal: Refusal): string {
  const text = refusal.details === undefined ? refusal.error : `${refusal.error}: ${refusal.details}`
  return text.endsWith('.') ? text : `${text}.`
}

function malformed(value: unknown): EcdockError {
  const message = `The OVSDB server answered with ${describe(value)}.`
  return new EcdockError('OVSDB_PROTOCOL', 'ovsdb transact', message)
}
