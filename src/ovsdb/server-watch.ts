import { EcdockError } from '../errors.js'
import { type Connection, lost, type RequestOptions } from './connection.js'
import { describe, isRecord } from './json-rpc.js'
import { refusalOf } from './result.js'
import { type Column, nextRow, type Row } from './row-update.js'
import { isUuid } from './value.js'

const MONITOR_ID = '_Server'

/** Columns of the table Database (ovsdb-server(5)). */
const COLUMNS: readonly Column[] = [
  { name: 'name', type: { shape: 'scalar', key: 'string' } },
  { name: 'model', type: { shape: 'scalar', key: 'string' } },
  { name: 'connected', type: { shape: 'scalar', key: 'boolean' } },
  { name: 'leader', type: { shape: 'scalar', key: 'boolean' } },
]

/** More databases than any server has. */
const MAX_DATABASES = 10_000

/**
 * Whether one server of a cluster is fit to be spoken to, as its database `_Server` says (ovsdb-server(5)): it is
 * in touch with the cluster, and its leader where that is asked for. A server without such a database, which is
 * older than OVS 2.9, knows no clusters and is fit.
 */
export class ServerWatch {
  readonly #database: string
  readonly #leaderOnly: boolean
  readonly #rows = new Map<string, Row>()

  constructor(database: string, leaderOnly: boolean) {
    this.#database = database
    this.#leaderOnly = leaderOnly
  }

  /** Throws OVSDB_UNREACHABLE when the server is not fit, and as {@link Connection.request} does. */
  async start(connection: Connection, limits: RequestOptions): Promise<void> {
    const request = { Database: [{ columns: COLUMNS.map(({ name }) => name) }] }
    try {
      // Else a server closes the connection when a database changes its state (ovsdb-server(7), section 4.1.17).
      await connection.request('set_db_change_aware', [true], limits)
      await connection.request('monitor_cond', ['_Server', MONITOR_ID, request], {
        ...limits,
        onResult: (result) => this.#takeIn(result),
      })
    } catch (error) {
      const refusal = refusalOf(error)?.error
      if (refusal === 'unknown method' || refusal === 'unknown database') return
      throw error
    }
    const fault = this.#fault()
    if (fault !== undefined) throw new EcdockError('OVSDB_UNREACHABLE', 'ovsdb connect', `${fault}.`)
  }

  /** True for a notification that is for this; throws OVSDB_LOST when the server is not fit any more. */
  take(method: string, params: readonly unknown[]): boolean {
    if (params[0] !== MONITOR_ID) return false
    if (method === 'update2') {
      this.#takeIn(params[1])
      const fault = this.#fault()
      if (fault !== undefined) throw lost(fault)
    }
    return true
  }

  #takeIn(updates: unknown): void {
    const rows = isRecord(updates) && Object.hasOwn(updates, 'Database') ? updates.Database : {}
    if (!isRecord(rows)) throw malformed(updates)
    for (const [uuid, change] of Object.entries(rows)) {
      if (!isUuid(uuid)) throw malformed(uuid)
      const row = nextRow('update2', uuid, COLUMNS, this.#rows.get(uuid), change)
      if (row === undefined) this.#rows.delete(uuid)
      else this.#rows.set(uuid, row)
    }
    if (this.#rows.size > MAX_DATABASES) throw malformed(updates)
  }

  #fault(): string | undefined {
    const row = [...this.#rows.values()].find(({ name }) => name === this.#database)
    if (row === undefined) return `The server has no database ${this.#database}`
    if (row.model === 'standalone') return undefined
    if (!row.connected) return 'The server is not in touch with its cluster'
    if (this.#leaderOnly && !row.leader) return 'The server is not the leader of its cluster'
    return undefined
  }
}

function malformed(value: unknown): EcdockError {
  const message = `The OVSDB server sent ${describe(value)} in place of the state of its databases.`
  return new EcdockError('OVSDB_PROTOCOL', 'ovsdb monitor', message)
}
