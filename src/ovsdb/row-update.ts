import { EcdockError } from '../errors.js'
import { describe, isRecord } from './json-rpc.js'
import {
  applyDifference,
  type ColumnType,
  type ColumnValue,
  decodeValue,
  defaultValue,
  type Uuid,
} from './value.js'

/**
 * `update`: old and new rows, as RFC 7047 section 4.1.6 has them. `update2`: differences, as ovsdb-server(7)
 * sections 4.1.12 to 4.1.15 have them; update3 brings the same.
 */
export type Format = 'update' | 'update2'

export interface Row {
  readonly uuid: Uuid
  readonly [column: string]: ColumnValue
}

export interface Column {
  name: string
  type: ColumnType
}

/** What became of the row `old`: its successor, or undefined when it was deleted. Throws OVSDB_PROTOCOL. */
export function nextRow(
  format: Format,
  uuid: Uuid,
  columns: readonly Column[],
  old: Row | undefined,
  change: unknown,
): Row | undefined {
  if (!isRecord(change)) throw malformed(change)
  if (format === 'update') {
    return isRecord(change.new) ? wholeRow(uuid, columns, change.new) : undefined
  }
  const whole = change.initial ?? change.insert
  if (isRecord(whole)) return wholeRow(uuid, columns, whole)
  if (isRecord(change.modify) && old !== undefined) return modifiedRow(columns, old, change.modify)
  if (Object.hasOwn(change, 'delete')) return undefined
  throw malformed(change)
}

/** Columns that are left out hold their default. */
function wholeRow(uuid: Uuid, columns: readonly Column[], json: Record<string, unknown>): Row {
  const row: Record<string, ColumnValue> & { uuid: Uuid } = { uuid }
  for (const { name, type } of columns) {
    row[name] = json[name] === undefined ? defaultValue(type) : decodeValue(type, json[name])
  }
  return row
}

/** Columns that are left out keep their value. */
function modifiedRow(columns: readonly Column[], old: Row, json: Record<string, unknown>): Row {
  const row: Record<string, ColumnValue> & { uuid: Uuid } = { ...old }
  for (const { name, type } of columns) {
    if (json[name] !== undefined) row[name] = applyDifference(type, old[name], json[name])
  }
  return row
}

function malformed(change: unknown): EcdockError {
  const message = `The OVSDB server sent ${describe(change)} in place of a row update.`
  return new EcdockError('OVSDB_PROTOCOL', 'ovsdb monitor', message)
}
