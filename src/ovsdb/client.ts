import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { asEcdockError, EcdockError } from '../errors.js'
import { Connection, remainingMs } from './connection.js'
import { type Endpoint, parseEndpoint } from './endpoint.js'
import { startMonitor, takeNotification } from './monitor.js'
import { mutate, type Operation, select } from './operations.js'
import { Pending, throwIfCancelled } from './pending.js'
import { Replica } from './replica.js'
import { decodeRows, type OperationResult, parseResults } from './result.js'
import { DATABASE } from './schema.js'

export interface OvsdbOptions {
  /** Time for the connection and the first picture of the database, in ms. Default 5 s. */
  connectTimeoutMs?: number | undefined
  /** Time for a transaction, in ms. Default 30 s. */
  requestTimeoutMs?: number | undefined
  /** Aborting gives up connecting; it does not close a client that is connected. */
  signal?: AbortSignal | undefined
  database?: 'Open_vSwitch' | undefined
  /** After so much silence the server is asked for a sign of life, in ms. Default 5 s. */
  probeIntervalMs?: number | undefined
  /** Longest message that is accepted from the server, in bytes. Default 64 MiB. */
  maxMessageBytes?: number | undefined
  /** Told when the connection is lost (with the reason) and when it is there again. */
  onConnection?: ((event: { connected: true } | { connected: false; error: EcdockError }) => void) | undefined
}

export interface TransactOptions {
  signal?: AbortSignal | undefined
  /** In ms. Default: the client's `requestTimeoutMs`. */
  timeoutMs?: number | undefined
}

export interface TransactAndWaitOptions extends TransactOptions {
  /** Called as soon as the database has the change, before ovs-vswitchd has taken it in. */
  onCommitted?: (() => void) | undefined
}

const FIRST_BACKOFF_MS = 50
const LAST_BACKOFF_MS = 5000

/**
 * A client of the Open_vSwitch database: transactions, and a {@link Replica} of what it holds. A lost
 * connection is made again, with growing pauses, until the client is closed.
 *
 * ```ts
 * const client = await OvsdbClient.connect('unix:/run/openvswitch/db.sock')
 * await client.transactAndWait([mutate('Bridge', [['name', '==', 'ovs0']], { external_ids: { insert: { k: 'v' } } })])
 * await client.close()
 * ```
 */
export class OvsdbClient {
  readonly replica = new Replica()
  readonly #endpoint: Endpoint
  readonly #options: OvsdbOptions
  readonly #connectTimeoutMs: number
  readonly #requestTimeoutMs: number
  readonly #database: string
  readonly #closing = new AbortController()
  readonly #waiting = new Set<Pending<Connection>>()
  #connection: Connection | undefined
  #keeping: Promise<void> = Promise.resolve()
  #lastError: EcdockError | undefined
  #backoffMs = FIRST_BACKOFF_MS

  /**
   * Connects and reads the database. Throws USAGE (the endpoint is malformed), OVSDB_UNREACHABLE (with a
   * hint), OVSDB_REFUSED, OVSDB_PROTOCOL, OVSDB_LOST, TIMEOUT or CANCELLED.
   */
  static async connect(endpoint: string, options: OvsdbOptions = {}): Promise<OvsdbClient> {
    const client = new OvsdbClient(parseEndpoint(endpoint), options)
    const connection = await client.#open(options.signal)
    client.#keeping = client.#keep(connection)
    return client
  }

  private constructor(endpoint: Endpoint, options: OvsdbOptions) {
    this.#endpoint = endpoint
    this.#options = options
    this.#connectTimeoutMs = options.connectTimeoutMs ?? 5000
    this.#requestTimeoutMs = options.requestTimeoutMs ?? 30_000
    this.#database = options.database ?? DATABASE
  }

  /** Time for a transaction that says nothing else, in ms. */
  get requestTimeoutMs(): number {
    return this.#requestTimeoutMs
  }

  get connected(): boolean {
    return this.#connection?.open === true
  }

  get closed(): boolean {
    return this.#closing.signal.aborted
  }

  /** Why there is no connection at the moment (OVSDB_UNREACHABLE); undefined while there is one. */
  get away(): EcdockError | undefined {
    return this.connected ? undefined : this.#stillAway()
  }

  /** Waits until there is a connection. Throws OVSDB_UNREACHABLE (no connection in time) or CANCELLED. */
  async ready(options: TransactOptions = {}): Promise<void> {
    await this.#connected(options, performance.now())
  }

  /**
   * Carries out all operations or none (RFC 7047 section 4.1.3); many transactions may be in flight. When
   * this resolves, the replica already shows what it did. While the connection is away it waits for it.
   *
   * Throws OVSDB_REFUSED with a `Refusal` as its cause, OVSDB_UNREACHABLE (no connection in time), OVSDB_LOST,
   * OVSDB_PROTOCOL, TIMEOUT or CANCELLED. After the last four it is unknown whether it was carried out.
   */
  async transact(
    operations: readonly Operation[],
    options: TransactOptions = {},
  ): Promise<OperationResult[]> {
    const startedAt = performance.now()
    const connection = await this.#connected(options, startedAt)
    return await this.#transactOn(connection, operations, options, startedAt)
  }

  /**
   * As {@link transact}, and then waits until ovs-vswitchd has taken it in: next_cfg is incremented in the
   * same transaction, and cur_cfg awaited, as ovs-vsctl does. Throws TIMEOUT when the database has it but
   * ovs-vswitchd does not answer, and OVSDB_LOST when the connection goes away half-way.
   */
  async transactAndWait(
    operations: readonly Operation[],
    options: TransactAndWaitOptions = {},
  ): Promise<OperationResult[]> {
    const startedAt = performance.now()
    const connection = await this.#connected(options, startedAt)
    if (this.replica.root === undefined) throw uninitialised()
    const results = await this.#transactOn(
      connection,
      [...operations, mutate('Open_vSwitch', [], { next_cfg: { add: 1 } }), NEXT_CFG],
      options,
      startedAt,
    )
    const [root] = decodeRows('Open_vSwitch', ['next_cfg'], results.at(-1))
    if (root === undefined) throw uninitialised()
    options.onCommitted?.()
    await this.#takenIn(connection, root.next_cfg, options, startedAt)
    return results.slice(0, operations.length)
  }

  /** Closes the connection; everything that waits is rejected with CANCELLED. May be called again. */
  async close(): Promise<void> {
    const reason = closed()
    this.#closing.abort(reason)
    this.#connection?.end(reason)
    for (const waiter of [...this.#waiting]) waiter.reject(reason)
    this.replica.end(reason)
    await this.#keeping
  }

  /** A connection whose monitor has filled the replica. */
  async #open(signal: AbortSignal | undefined): Promise<Connection> {
    const startedAt = performance.now()
    const connection = await Connection.open(this.#endpoint, {
      connectTimeoutMs: this.#connectTimeoutMs,
      signal,
      probeIntervalMs: this.#options.probeIntervalMs ?? 5000,
      maxMessageBytes: this.#options.maxMessageBytes,
      onNotification: (method, params) => takeNotification(this.replica, method, params),
    })
    try {
      const timeoutMs = remainingMs(this.#connectTimeoutMs, startedAt)
      await startMonitor(connection, this.#database, this.replica, { timeoutMs, signal })
    } catch (error) {
      connection.end(asEcdockError(error, 'ovsdb connect'))
      throw error
    }
    this.#connection = connection
    if (this.#closing.signal.aborted) connection.end(closed())
    return connection
  }

  /** Keeps a connection until the client is closed. */
  async #keep(first: Connection): Promise<void> {
    let connection = first
    for (;;) {
      const openedAt = performance.now()
      const error = await connection.lost
      this.#connection = undefined
      this.#lastError = error
      if (this.#closing.signal.aborted) return
      this.#options.onConnection?.({ connected: false, error })
      // A server that hangs up at once is not asked again at once.
      if (performance.now() - openedAt > LAST_BACKOFF_MS) this.#backoffMs = FIRST_BACKOFF_MS
      const next = await this.#reopen()
      if (next === undefined) return
      connection = next
      for (const waiter of [...this.#waiting]) waiter.resolve(connection)
      this.#options.onConnection?.({ connected: true })
    }
  }

  /** A new connection, or undefined when the client was closed. */
  async #reopen(): Promise<Connection | undefined> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      try {
        // The random part keeps many clients of one server from coming back at the same moment.
        await sleep(this.#backoffMs * (0.5 + Math.random() / 2), undefined, { signal })
        this.#backoffMs = Math.min(2 * this.#backoffMs, LAST_BACKOFF_MS)
        return await this.#open(signal)
      } catch (error) {
        this.#lastError = asEcdockError(error, 'ovsdb connect')
      }
    }
    return undefined
  }

  /** The connection, as soon as there is one. */
  async #connected(options: TransactOptions, startedAt: number): Promise<Connection> {
    throwIfCancelled('ovsdb transact', options.signal)
    if (this.#closing.signal.aborted) throw closed()
    if (this.#connection?.open === true) return this.#connection
    const waiter = new Pending<Connection>({
      op: 'ovsdb transact',
      timeoutMs: remainingMs(options.timeoutMs ?? this.#requestTimeoutMs, startedAt),
      signal: options.signal,
      expired: () => this.#stillAway(),
    })
    this.#waiting.add(waiter)
    waiter.atEnd(() => this.#waiting.delete(waiter))
    return await waiter.promise
  }

  async #transactOn(
    connection: Connection,
    operations: readonly Operation[],
    options: TransactOptions,
    startedAt: number,
  ): Promise<OperationResult[]> {
    const result = await connection.request('transact', [this.#database, ...operations], {
      timeoutMs: remainingMs(options.timeoutMs ?? this.#requestTimeoutMs, startedAt),
      signal: options.signal,
    })
    return parseResults(operations, result)
  }

  async #takenIn(
    connection: Connection,
    configuration: number,
    options: TransactOptions,
    startedAt: number,
  ): Promise<void> {
    const timeoutMs = options.timeoutMs ?? this.#requestTimeoutMs
    const pending = new Pending<true>({
      op: 'ovsdb transact',
      timeoutMs: remainingMs(timeoutMs, startedAt),
      signal: options.signal,
      expired: () => notTakenIn(timeoutMs),
    })
    connection.guard(pending)
    await this.replica.wait(({ root }) => (root?.cur_cfg ?? 0) >= configuration && true, pending).promise
  }

  #stillAway(): EcdockError {
    return new EcdockError(
      'OVSDB_UNREACHABLE',
      'ovsdb transact',
      `The OVSDB server is away: ${this.#lastError?.message ?? 'no connection'}`,
      { errno: this.#lastError?.errno, hint: this.#lastError?.hint, cause: this.#lastError },
    )
  }
}

const NEXT_CFG = select('Open_vSwitch', [], ['next_cfg'])

function uninitialised(): EcdockError {
  const message = 'The Open_vSwitch database has no row of its own: nobody has initialised it.'
  return new EcdockError('OVSDB_REFUSED', 'ovsdb transact', message, { hint: 'Run: ovs-vsctl init' })
}

/** The error of a change that the database has and ovs-vswitchd does not take in. */
export function notTakenIn(timeoutMs: number): EcdockError {
  const message = `The database has the change, but ovs-vswitchd has not taken it in within ${timeoutMs} ms.`
  return new EcdockError('TIMEOUT', 'ovsdb transact', message, {
    hint: 'Is ovs-vswitchd running? On Debian and Ubuntu: systemctl status ovs-vswitchd',
  })
}

function closed(): EcdockError {
  return new EcdockError('CANCELLED', 'ovsdb', 'The OVSDB client was closed.')
}
