import { EcdockError } from '../errors.js'
import type { Connection, RequestOptions } from './connection.js'
import { describe } from './json-rpc.js'
import { encodeWhere, type Where } from './operations.js'
import { type Columns, Replica } from './replica.js'
import { refusalOf } from './result.js'
import type { TableName } from './schema.js'

const ZERO_UUID = '00000000-0000-0000-0000-000000000000'

const METHODS = ['monitor_cond_since', 'monitor_cond', 'monitor'] as const

type Method = (typeof METHODS)[number]

/**
 * Rows that are of interest, by table: those for which any of the conditions holds. Tables that are left out, and
 * an empty list, stand for all rows.
 */
export type Conditions<C extends Columns> = { readonly [T in keyof C & TableName]?: Where<T> }

/** Fills a replica and keeps it up to date, on one connection after the other. */
export class Monitor<C extends Columns> {
  readonly id: string
  readonly replica: Replica<C>
  readonly #database: string
  readonly #columns: C
  #where: Readonly<Record<string, unknown>>
  /** The transaction that the replica shows; undefined when it is not known. */
  #since: string | undefined

  constructor(id: string, database: string, columns: C, where: Conditions<C>) {
    this.id = id
    this.replica = new Replica(columns)
    this.#database = database
    this.#columns = columns
    this.#where = encodeConditions(where)
  }

  /**
   * Asks for the first picture and what follows, by the newest method that the server knows: monitor_cond_since
   * (OVS 2.12), monitor_cond (2.6) or monitor (RFC 7047 section 4.1.5). From a server that remembers the
   * transaction that the replica shows only the difference comes. Throws as {@link Connection.request} does, and
   * UNSUPPORTED.
   */
  async start(connection: Connection, limits: Pick<RequestOptions, 'timeoutMs' | 'signal'>): Promise<void> {
    for (const method of METHODS) {
      if (method === 'monitor' && Object.keys(this.#where).length > 0) break
      try {
        await connection.request(method, this.#params(method), {
          ...limits,
          onResult: (result) => this.#takeFirst(method, result),
        })
        return
      } catch (error) {
        if (refusalOf(error)?.error !== 'unknown method') throw error
      }
    }
    const message = 'The OVSDB server is too old for this monitor.'
    throw new EcdockError('UNSUPPORTED', 'ovsdb monitor', message)
  }

  /** Takes in a notification. Throws OVSDB_PROTOCOL, and OVSDB_LOST when the monitor has ended. */
  take(method: string, params: readonly unknown[]): void {
    switch (method) {
      case 'update3':
        checkParams(params, 3)
        this.#since = undefined
        this.replica.apply('update2', params[2])
        if (typeof params[1] === 'string') this.#since = params[1]
        break
      case 'update2':
        checkParams(params, 2)
        this.replica.apply('update2', params[1])
        break
      case 'update':
        checkParams(params, 2)
        this.replica.apply('update', params[1])
        break
      case 'monitor_canceled':
        throw new EcdockError('OVSDB_LOST', 'ovsdb monitor', 'The OVSDB server has taken the database away.')
    }
  }

  /** From now on other rows are of interest; `connection`, if there is one, is told (monitor_cond_change). */
  async change(
    where: Conditions<C>,
    connection: Connection | undefined,
    limits: Pick<RequestOptions, 'timeoutMs' | 'signal'>,
  ): Promise<void> {
    this.#where = encodeConditions(where)
    // The replica may show the rows of either the old or the new conditions: a new connection brings all of them.
    this.#since = undefined
    if (connection === undefined) return
    const changes = Object.fromEntries(
      Object.keys(this.#columns).map((table) => [table, [{ where: this.#where[table] ?? [] }]]),
    )
    await connection.request('monitor_cond_change', [this.id, this.id, changes], limits)
  }

  /** Rejects everybody who waits for the replica. */
  end(error: EcdockError): void {
    this.replica.end(error)
  }

  #params(method: Method): unknown[] {
    const requests = Object.fromEntries(
      Object.entries<readonly string[] | undefined>(this.#columns).map(([table, columns = []]) => {
        const where = this.#where[table]
        const request = where === undefined ? { columns } : { columns, where }
        return [table, method === 'monitor' ? request : [request]]
      }),
    )
    const params = [this.#database, this.id, requests]
    // A last transaction that cannot be: the server then sends everything.
    return method === 'monitor_cond_since' ? [...params, this.#since ?? ZERO_UUID] : params
  }

  #takeFirst(method: Method, result: unknown): void {
    const since = this.#since
    this.#since = undefined
    if (method === 'monitor') {
      this.replica.replace('update', result)
    } else if (method === 'monitor_cond') {
      this.replica.replace('update2', result)
    } else {
      if (!Array.isArray(result) || result.length !== 3) throw malformed(result)
      const [found, last, updates] = result
      if (found === true && since !== undefined) this.replica.apply('update2', updates)
      else this.replica.replace('update2', updates)
      if (typeof last === 'string' && last !== ZERO_UUID) this.#since = last
    }
  }
}

function encodeConditions(where: object): Record<string, unknown> {
  const encoded: Record<string, unknown> = {}
  for (const [table, conditions] of Object.entries(where) as [TableName, Where<TableName> | undefined][]) {
    if (conditions !== undefined && conditions.length > 0) encoded[table] = encodeWhere(table, conditions)
  }
  return encoded
}

function checkParams(params: readonly unknown[], count: number): void {
  if (params.length !== count) throw malformed(params)
}

/** The error of something that is no monitor's update. */
export function malformed(value: unknown): EcdockError {
  const message = `The OVSDB server sent ${describe(value)} in place of a monitor's update.`
  return new EcdockError('OVSDB_PROTOCOL', 'ovsdb monitor', message)
}
