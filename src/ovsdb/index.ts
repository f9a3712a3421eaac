/**
 * A client of Open vSwitch's database server (OVSDB, RFC 7047), as `ecdock-fast/ovsdb`. See docs/ovsdb.md.
 */
export { EcdockError, ERROR_CODES, type ErrorCode, type ErrorDetails } from '../errors.js'
export {
  OvsdbClient,
  type OvsdbOptions,
  type TransactAndWaitOptions,
  type TransactOptions,
} from './client.js'
export type { TlsOptions } from './dial.js'
export { DEFAULT_OVSDB } from './endpoint.js'
export { type BuildPart, GroupCommit, type GroupCommitOptions } from './group-commit.js'
export type { Backoff, ConnectionEvent } from './kept-connection.js'
export type { Lock } from './lock.js'
export type { Conditions } from './monitor.js'
export type { ReplicaMonitor } from './monitors.js'
export {
  abort,
  assertLock,
  comment,
  commit,
  deleteRows,
  insert,
  type Mutations,
  mutate,
  type NewRow,
  type Operation,
  type RowChange,
  rowIs,
  select,
  update,
  type Where,
  type Writable,
  wait,
} from './operations.js'
export {
  type Columns,
  type NamedTable,
  REPLICATED,
  type Replica,
  type ReplicaRow,
  type ReplicatedColumns,
  type UntilOptions,
} from './replica.js'
export { decodeRows, type OperationResult, type Refusal, refusalOf } from './result.js'
export type { ImmutableColumns, TableName, Tables } from './schema.js'
export { type NamedUuid, named, type Uuid, uuid } from './value.js'
