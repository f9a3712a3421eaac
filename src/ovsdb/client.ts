import { performance } from 'node:perf_hooks'
import { EcdockError } from '../errors.js'
import { Pending } from '../pending.js'
import { DATABASE } from './columns.js'
import { type Connection, remainingMs } from './connection.js'
import type { TlsOptions } from './dial.js'
import { parseEndpoints } from './endpoint.js'
import { type Backoff, type ConnectionEvent, KeptConnection } from './kept-connection.js'
import { type Lock, Locks } from './lock.js'
import type { Conditions } from './monitor.js'
import { Monitors, type ReplicaMonitor } from './monitors.js'
import { mutate, type Operation, select } from './operations.js'
import type { Columns, Replica } from './replica.js'
import { decodeRows, type OperationResult, parseDatabases, parseResults, parseSchema } from './result.js'
import { ServerWatch } from './server-watch.js'

export interface OvsdbOptions {
  /** Time for the connection and the first picture of the database, in ms. Default 5 s. */
  connectTimeoutMs?: number | undefined
  /** Time for a transaction, in ms. Default 30 s. */
  requestTimeoutMs?: number | undefined
  /** Aborting gives up connecting; it does not close a client that is connected. */
  signal?: AbortSignal | undefined
  database?: 'Open_vSwitch' | undefined
  /** For `ssl:` endpoints. */
  tls?: TlsOptions | undefined
  /** Speak to the leader of a cluster only, so that what is read is the newest there is. Default false. */
  leaderOnly?: boolean | undefined
  /** Pauses before a lost connection is tried again. */
  backoff?: Backoff | undefined
  /** After so much silence the server is asked for a sign of life, in ms. Default 5 s. */
  probeIntervalMs?: number | undefined
  /** Longest message that is accepted from the server, in bytes. Default 64 MiB. */
  maxMessageBytes?: number | undefined
  /** Told when the connection is lost (with the reason) and when it is there again. */
  onConnection?: ((event: ConnectionEvent) => void) | undefined
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
  readonly replica: Replica
  readonly #requestTimeoutMs: number
  readonly #database: string
  readonly #kept: KeptConnection
  readonly #locks: Locks
  readonly #monitors: Monitors
  #watch: ServerWatch | undefined

  /**
   * Connects and reads the database. `endpoint` is `unix:/path`, `tcp:host:port` or `ssl:host:port`, or several of
   * them with commas between: the servers of a cluster, of which one is spoken to that is in touch with the others.
   *
   * Throws USAGE (the endpoint or the TLS options cannot be used), OVSDB_UNREACHABLE (with a hint), OVSDB_REFUSED,
   * OVSDB_PROTOCOL, OVSDB_LOST, TIMEOUT or CANCELLED.
   */
  static async connect(endpoint: string, options: OvsdbOptions = {}): Promise<OvsdbClient> {
    const client = new OvsdbClient(endpoint, options)
    await client.#kept.open(options.signal)
    return client
  }

  private constructor(endpoint: string, options: OvsdbOptions) {
    const remotes = parseEndpoints(endpoint)
    const watches = options.leaderOnly === true || remotes.length > 1
    this.#requestTimeoutMs = options.requestTimeoutMs ?? 30_000
    this.#database = options.database ?? DATABASE
    this.#kept = new KeptConnection(remotes, {
      connectTimeoutMs: options.connectTimeoutMs ?? 5000,
      probeIntervalMs: options.probeIntervalMs ?? 5000,
      maxMessageBytes: options.maxMessageBytes,
      tls: options.tls,
      backoff: options.backoff,
      prepare: async (connection, limits) => {
        this.#watch = watches ? new ServerWatch(this.#database, options.leaderOnly === true) : undefined
        await this.#watch?.start(connection, limits)
        await this.#monitors.start(connection, limits)
        await this.#locks.restore(connection, limits)
      },
      onNotification: (method, params) => this.#take(method, params),
      onEvent: (event) => {
        if (!event.connected) this.#locks.lost()
        options.onConnection?.(event)
      },
    })
    this.#locks = new Locks(this.#kept, this.#requestTimeoutMs)
    this.#monitors = new Monitors(this.#database, this.#kept, this.#requestTimeoutMs)
    this.replica = this.#monitors.own.replica
  }

  /** Time for a transaction that says nothing else, in ms. */
  get requestTimeoutMs(): number {
    return this.#requestTimeoutMs
  }

  get connected(): boolean {
    return this.#kept.current !== undefined
  }

  get closed(): boolean {
    return this.#kept.closed
  }

  /** Why there is no connection at the moment (OVSDB_UNREACHABLE); undefined while there is one. */
  get away(): EcdockError | undefined {
    return this.connected ? undefined : this.#kept.absence()
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

  /**
   * A replica of tables and columns that {@link replica} does not have, or of those of its rows for which a
   * condition holds. It is there when this resolves, and follows through reconnections.
   *
   * ```ts
   * const mirrors = await client.monitor({ Mirror: ['name', 'statistics'] }, { Mirror: [['name', '==', 'm0']] })
   * const found = await mirrors.replica.until((replica) => [...replica.rows('Mirror')][0])
   * await mirrors.cancel()
   * ```
   *
   * Throws UNSUPPORTED (conditions need OVS 2.6), and as {@link transact} does.
   */
  async monitor<const C extends Columns>(
    columns: C,
    where: Conditions<C> = {},
    options: TransactOptions = {},
  ): Promise<ReplicaMonitor<C>> {
    const startedAt = performance.now()
    const connection = await this.#connected(options, startedAt)
    return await this.#monitors.add(columns, where, connection, this.#limits(options, startedAt))
  }

  /**
   * Asks for a lock of the server, which one client at most holds; {@link Lock.held} tells who does, and
   * {@link Lock.acquired} waits. Throws USAGE (no name, or asked for already), and as {@link transact} does.
   */
  async lock(name: string, options: TransactOptions = {}): Promise<Lock> {
    return await this.#locks.ask('lock', name, options)
  }

  /** As {@link lock}, but takes it from the client that holds it. */
  async steal(name: string, options: TransactOptions = {}): Promise<Lock> {
    return await this.#locks.ask('steal', name, options)
  }

  /** The databases of the server (RFC 7047 section 4.1.1). Throws as {@link transact} does. */
  async listDatabases(options: TransactOptions = {}): Promise<string[]> {
    return parseDatabases(await this.#request('list_dbs', [], options))
  }

  /**
   * The schema of a database, as RFC 7047 section 3.2 writes it. Throws OVSDB_REFUSED (there is no such database),
   * and as {@link transact} does.
   */
  async getSchema(
    database: string = this.#database,
    options: TransactOptions = {},
  ): Promise<Readonly<Record<string, unknown>>> {
    return parseSchema(await this.#request('get_schema', [database], options))
  }

  /** Asks the server for a sign of life (RFC 7047 section 4.1.11). Throws as {@link transact} does. */
  async echo(options: TransactOptions = {}): Promise<void> {
    await this.#request('echo', [], options)
  }

  /** Closes the connection; everything that waits is rejected with CANCELLED. May be called again. */
  async close(): Promise<void> {
    const reason = await this.#kept.close()
    this.#monitors.end(reason)
    this.#locks.end(reason)
  }

  #take(method: string, params: readonly unknown[]): void {
    if (this.#locks.take(method, params) || this.#watch?.take(method, params)) return
    this.#monitors.take(method, params)
  }

  #connected(options: TransactOptions, startedAt: number): Promise<Connection> {
    const { timeoutMs, signal } = this.#limits(options, startedAt)
    return this.#kept.get(timeoutMs, signal)
  }

  #limits(options: TransactOptions, startedAt: number) {
    const timeoutMs = remainingMs(options.timeoutMs ?? this.#requestTimeoutMs, startedAt)
    return { timeoutMs, signal: options.signal }
  }

  async #request(method: string, params: readonly unknown[], options: TransactOptions): Promise<unknown> {
    const startedAt = performance.now()
    const connection = await this.#connected(options, startedAt)
    return await connection.request(method, params, this.#limits(options, startedAt))
  }

  async #transactOn(
    connection: Connection,
    operations: readonly Operation[],
    options: TransactOptions,
    startedAt: number,
  ): Promise<OperationResult[]> {
    const params = [this.#database, ...operations]
    const result = await connection.request('transact', params, this.#limits(options, startedAt))
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
