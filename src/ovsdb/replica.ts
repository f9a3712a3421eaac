import { EcdockError } from '../errors.js'
import { describe, isRecord } from './json-rpc.js'
import { columnType } from './operations.js'
import { Pending } from './pending.js'
import { type Format, nextRow, type Row } from './row-update.js'
import type { Tables } from './schema.js'
import { isUuid, type Uuid } from './value.js'

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
  Bridge: ['name', 'datapath_type', 'datapath_id', 'fail_mode', 'ports', 'other_config', 'external_ids'],
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
    'admin_state',
    'link_state',
    'error',
    'external_ids',
  ],
} as const satisfies { [T in keyof Tables]?: readonly (keyof Tables[T])[] }

export type ReplicatedTable = keyof typeof REPLICATED

/** A row as the replica holds it. It is never changed: a change puts another in its place. */
export type ReplicaRow<T extends ReplicatedTable> = { readonly uuid: Uuid } & Readonly<
  Pick<Tables[T], Extract<(typeof REPLICATED)[T][number], keyof Tables[T]>>
>

export type NamedTable = 'Bridge' | 'Port' | 'Interface'

export interface UntilOptions {
  /** In ms. Default 30 s. */
  timeoutMs?: number | undefined
  signal?: AbortSignal | undefined
}

/** More rows than any switch has: what a server may make us hold. */
const MAX_ROWS = 1_000_000

const TABLES = Object.keys(REPLICATED) as ReplicatedTable[]

/**
 * A copy in memory of the tables and columns that this package uses, kept up to date by the server's
 * notifications. While the connection is away it shows what was last known.
 *
 * ```ts
 * const bridge = client.replica.byName('Bridge', 'ovs0')
 * const port = await client.replica.until((replica) => {
 *   const found = replica.byName('Interface', 'ovs0-s1')
 *   return found?.ofport === undefined ? undefined : found
 * })
 * ```
 */
export class Replica {
  #tables = emptyTables()
  readonly #waits = new Set<() => void>()
  readonly #endings = new Set<(error: EcdockError) => void>()

  /** The only row of Open_vSwitch; undefined when nobody has initialised the database. */
  get root(): ReplicaRow<'Open_vSwitch'> | undefined {
    return this.rows('Open_vSwitch').next().value ?? undefined
  }

  get<T extends ReplicatedTable>(table: T, uuid: Uuid): ReplicaRow<T> | undefined {
    return this.#tables[table].rows.get(uuid) as ReplicaRow<T> | undefined
  }

  /** By the column `name`, which the schema makes unique in these tables. */
  byName<T extends NamedTable>(table: T, name: string): ReplicaRow<T> | undefined {
    return this.#tables[table].names.get(name) as ReplicaRow<T> | undefined
  }

  rows<T extends ReplicatedTable>(table: T): IterableIterator<ReplicaRow<T>> {
    return this.#tables[table].rows.values() as IterableIterator<Row> as IterableIterator<ReplicaRow<T>>
  }

  count(table: ReplicatedTable): number {
    return this.#tables[table].rows.size
  }

  /**
   * What `probe` returns as soon as that is neither undefined nor false: now, or after one of the coming
   * changes. Each change is seen as a whole: a transaction, or the first picture after a reconnection.
   * Throws TIMEOUT, CANCELLED (also when the client is closed), or what `probe` throws.
   */
  async until<T>(probe: (replica: Replica) => T | undefined | false, options: UntilOptions = {}): Promise<T> {
    const { timeoutMs = 30_000, signal } = options
    const expired = () => {
      const message = `What was waited for in OVSDB has not come within ${timeoutMs} ms.`
      return new EcdockError('TIMEOUT', 'ovsdb wait', message)
    }
    return await this.wait(probe, new Pending<T>({ op: 'ovsdb wait', timeoutMs, signal, expired })).promise
  }

  /** As {@link until}, for somebody who brings the limits. */
  wait<T>(probe: (replica: Replica) => T | undefined | false, pending: Pending<T>): Pending<T> {
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
    const tables = emptyTables()
    this.#takeIn(tables, format, updates)
    this.#tables = tables
    this.#changed()
  }

  /** Rejects everybody who waits. */
  end(error: EcdockError): void {
    for (const reject of [...this.#endings]) reject(error)
  }

  #takeIn(tables: TableSet, format: Format, updates: unknown): void {
    if (!isRecord(updates)) throw malformed(updates)
    for (const table of TABLES) {
      const changes = Object.hasOwn(updates, table) ? updates[table] : undefined
      if (changes === undefined) continue
      if (!isRecord(changes)) throw malformed(changes)
      for (const [uuid, change] of Object.entries(changes)) {
        if (!isUuid(uuid)) throw malformed(uuid)
        tables[table].put(
          uuid,
          nextRow(format, uuid, COLUMN_TYPES[table], tables[table].rows.get(uuid), change),
        )
      }
    }
    if (TABLES.reduce((sum, table) => sum + tables[table].rows.size, 0) > MAX_ROWS) {
      const message = `The OVSDB server sent more than ${MAX_ROWS} rows.`
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

type TableSet = Record<ReplicatedTable, Table>

const COLUMN_TYPES = {
  Open_vSwitch: columnTypes('Open_vSwitch'),
  Bridge: columnTypes('Bridge'),
  Port: columnTypes('Port'),
  Interface: columnTypes('Interface'),
}

function columnTypes(table: ReplicatedTable) {
  return REPLICATED[table].map((name) => ({ name, type: columnType(table, name) }))
}

function emptyTables(): TableSet {
  return { Open_vSwitch: new Table(), Bridge: new Table(), Port: new Table(), Interface: new Table() }
}

function malformed(value: unknown): EcdockError {
  const message = `The OVSDB server sent ${describe(value)} in place of table updates.`
  return new EcdockError('OVSDB_PROTOCOL', 'ovsdb monitor', message)
}
