import { EcdockError } from '../errors.js'
import { Pending } from '../pending.js'
import { describe, isRecord } from './json-rpc.js'
import { columnType } from './operations.js'
import { type Column, type Format, nextRow, type Row } from './row-update.js'
import type { TableName, Tables } from './schema.js'
import { isUuid, type Uuid } from './value.js'

/** Tables, and the columns of them that are of interest. */
export type Columns = { readonly [T in TableName]?: readonly (keyof Tables[T] & string)[] }

/** The columns that are followed. Statistics are not among them: they change every few seconds. */
export const REPLICATED = {
  Open_vSwitch: [
    'bridges',
    'next_cfg',
    'cur_cfg',
    'ovs_version',
    'datapath_types',
    'iface_types',
    'other_config',
    'external_ids',
  ],
  Bridge: [
    'name',
    'datapath_type',
    'datapath_id',
    'fail_mode',
    'ports',
    'mirrors',
    'other_config',
    'external_ids',
  ],
  Port: ['name', 'interfaces', 'tag', 'trunks', 'vlan_mode', 'other_config', 'external_ids'],
  Interface: [
    'name',
    'type',
    'options',
    'mac',
    'mac_in_use',
    'ifindex',
    'ofport',
    'ofport_request',
    'mtu',
    'mtu_request',
    'ingress_policing_rate',
    'ingress_policing_burst',
    'admin_state',
    'link_state',
    'error',
    'external_ids',
  ],
  Mirror: ['name', 'select_src_port', 'select_dst_port', 'output_port', 'external_ids'],
} as const satisfies Columns

export type ReplicatedColumns = typeof REPLICATED

/** A row as the replica holds it. It is never changed: a change puts another in its place. */
export type ReplicaRow<T extends keyof C & TableName, C extends Columns = ReplicatedColumns> = {
  readonly uuid: Uuid
} & Readonly<Pick<Tables[T], ColumnOf<T, C>>>

type ColumnOf<T extends keyof C & TableName, C extends Columns> = C[T] extends readonly (infer Column)[]
  ? Extract<Column, keyof Tables[T]>
  : never

/** Tables whose column `name` the schema makes unique. */
export type NamedTable = 'Bridge' | 'Port' | 'Interface'

export interface UntilOptions {
  /** In ms. Default 30 s. */
  timeoutMs?: number | undefined
  signal?: AbortSignal | undefined
}

/** More rows than any switch has: what a server may make us hold. */
const MAX_ROWS = 1_000_000

/**
 * A copy in memory of some tables and columns, kept up to date by the server's notifications. While the
 * connection is away it shows what was last known.
 *
 * ```ts
 * const bridge = client.replica.byName('Bridge', 'ovs0')
 * const port = await client.replica.until((replica) => {
 *   const found = replica.byName('Interface', 'ovs0-s1')
 *   return found?.ofport === undefined ? undefined : found
 * })
 * ```
 */
export class Replica<C extends Columns = ReplicatedColumns> {
  readonly #maxRows: number
  #tables: ReadonlyMap<string, Table>
  readonly #waits = new Set<() => void>()
  readonly #endings = new Set<(error: EcdockError) => void>()

  constructor(columns: C, maxRows = MAX_ROWS) {
    this.#maxRows = maxRows
    const names = Object.keys(columns) as TableName[]
    this.#tables = new Map(names.map((name) => [name, new Table(columnsOf(name, columns[name] ?? []))]))
  }

  /** The only row of Open_vSwitch; undefined when nobody has initialised the database. */
  get root(): ('Open_vSwitch' extends keyof C ? ReplicaRow<'Open_vSwitch', C> : never) | undefined {
    const [root] = this.#tables.get('Open_vSwitch')?.rows.values() ?? []
    return root as ReturnType<() => typeof this.root>
  }

  get<T extends keyof C & TableName>(table: T, uuid: Uuid): ReplicaRow<T, C> | undefined {
    return this.#tables.get(table)?.rows.get(uuid) as ReplicaRow<T, C> | undefined
  }

  /** By the column `name`, which the schema makes unique in these tables; it has to be among the columns. */
  byName<T extends keyof C & NamedTable>(table: T, name: string): ReplicaRow<T, C> | undefined {
    return this.#tables.get(table)?.names.get(name) as ReplicaRow<T, C> | undefined
  }

  rows<T extends keyof C & TableName>(table: T): IterableIterator<ReplicaRow<T, C>> {
    const rows: Iterable<Row> = this.#tables.get(table)?.rows.values() ?? []
    return rows[Symbol.iterator]() as IterableIterator<Row> as IterableIterator<ReplicaRow<T, C>>
  }

  count(table: keyof C & TableName): number {
    return this.#tables.get(table)?.rows.size ?? 0
  }

  /**
   * What `probe` returns as soon as that is neither undefined nor false: now, or after one of the coming
   * changes. Each change is seen as a whole: a transaction, or the first picture after a reconnection.
   * Throws TIMEOUT, CANCELLED (also when the client is closed), or what `probe` throws.
   */
  async until<T>(
    probe: (replica: Replica<C>) => T | undefined | false,
    options: UntilOptions = {},
  ): Promise<T> {
    const { timeoutMs = 30_000, signal } = options
    const expired = () => {
      const message = `What was waited for in OVSDB has not come within ${timeoutMs} ms.`
      return new EcdockError('TIMEOUT', 'ovsdb wait', message)
    }
    return await this.wait(probe, new Pending<T>({ op: 'ovsdb wait', timeoutMs, signal, expired })).promise
  }

  /** As {@link until}, for somebody who brings the limits. */
  wait<T>(probe: (replica: Replica<C>) => T | undefined | false, pending: Pending<T>): Pending<T> {
    const look = () => {
      try {
        const found = probe(this)
        if (found !== undefined && found !== false) pending.resolve(found)
      } catch (error) {
        pending.reject(error)
      }
    }
    const end = (error: EcdockError) => pending.reject(error)
    this.#waits.add(look)
    this.#endings.add(end)
    pending.atEnd(() => {
      this.#waits.delete(look)
      this.#endings.delete(end)
    })
    look()
    return pending
  }

  /** Takes in a notification's changes, which belong together. Throws OVSDB_PROTOCOL. */
  apply(format: Format, updates: unknown): void {
    this.#takeIn(this.#tables, format, updates)
    this.#changed()
  }

  /** Replaces everything by the first picture that a monitor gives. Throws OVSDB_PROTOCOL. */
  replace(format: Format, updates: unknown): void {
    const tables = new Map(Array.from(this.#tables, ([name, { columns }]) => [name, new Table(columns)]))
    this.#takeIn(tables, format, updates)
    this.#tables = tables
    this.#changed()
  }

  /** Rejects everybody who waits. */
  end(error: EcdockError): void {
    for (const reject of [...this.#endings]) reject(error)
  }

  #takeIn(tables: ReadonlyMap<string, Table>, format: Format, updates: unknown): void {
    if (!isRecord(updates)) throw malformed(updates)
    for (const [name, table] of tables) {
      const changes = Object.hasOwn(updates, name) ? updates[name] : undefined
      if (changes === undefined) continue
      if (!isRecord(changes)) throw malformed(changes)
      for (const [uuid, change] of Object.entries(changes)) {
        if (!isUuid(uuid)) throw malformed(uuid)
        table.put(uuid, nextRow(format, uuid, table.columns, table.rows.get(uuid), change))
      }
    }
    if ([...tables.values()].reduce((sum, table) => sum + table.rows.size, 0) > this.#maxRows) {
      const message = `The OVSDB server sent more than ${this.#maxRows} rows.`
      throw new EcdockError('OVSDB_PROTOCOL', 'ovsdb monitor', message)
    }
  }

  #changed(): void {
    for (const look of [...this.#waits]) look()
  }
}

class Table {
  readonly rows = new Map<Uuid, Row>()
  readonly names = new Map<unknown, Row>()
  readonly columns: readonly Column[]

  constructor(columns: readonly Column[]) {
    this.columns = columns
  }

  put(uuid: Uuid, row: Row | undefined): void {
    const old = this.rows.get(uuid)
    // Within one update a row may take over the name of another that goes only later.
    if (old !== undefined && this.names.get(old.name) === old) this.names.delete(old.name)
    if (row === undefined) {
      this.rows.delete(uuid)
    } else {
      this.rows.set(uuid, row)
      this.names.set(row.name, row)
    }
  }
}

function columnsOf(table: TableName, names: readonly string[]): Column[] {
  return names.map((name) => ({ name, type: columnType(table, name) }))
}

function malformed(value: unknown): EcdockError {
  const message = `The OVSDB server sent ${describe(value)} in place of table updates.`
  return new EcdockError('OVSDB_PROTOCOL', 'ovsdb monitor', message)
}
