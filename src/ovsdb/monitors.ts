import { EcdockError, type ErrorCode } from '../errors.js'
import type { Connection, RequestOptions } from './connection.js'
import { type Conditions, Monitor, malformed } from './monitor.js'
import { type Columns, REPLICATED, type Replica, type ReplicatedColumns } from './replica.js'

/** A replica of a caller's own; see OvsdbClient.monitor. */
export interface ReplicaMonitor<C extends Columns> {
  readonly replica: Replica<C>
  /**
   * Follows other rows from now on. When this resolves, the replica shows them. Without a connection they come
   * with the next one.
   */
  change(
    where: Conditions<C>,
    options?: { timeoutMs?: number | undefined; signal?: AbortSignal | undefined },
  ): Promise<void>
  /** Follows nothing any more; who waits for the replica is rejected with CANCELLED. May be called again. */
  cancel(): Promise<void>
}

/** Where a monitor finds the connection of the moment. */
interface Home {
  readonly current: Connection | undefined
}

/** Identity of a client's own monitor; those that callers ask for have a number behind it. */
const ID = 'ecdock-fast'

const REFUSALS: ReadonlySet<ErrorCode> = new Set(['OVSDB_REFUSED', 'UNSUPPORTED'])

/** The monitors of a client, which are asked for anew on each connection. */
export class Monitors {
  /** The one that every client has. */
  readonly own: Monitor<ReplicatedColumns>
  readonly #database: string
  readonly #home: Home
  readonly #timeoutMs: number
  readonly #monitors = new Map<unknown, Pick<Monitor<Columns>, 'start' | 'take' | 'end'>>()
  #made = 0

  constructor(database: string, home: Home, timeoutMs: number) {
    this.#database = database
    this.#home = home
    this.#timeoutMs = timeoutMs
    this.own = new Monitor(ID, database, REPLICATED, {})
    this.#monitors.set(this.own.id, this.own)
  }

  /**
   * A caller's monitor that the server does not take any more, because it is another server or has another schema,
   * ends; the client needs its own only.
   */
  async start(connection: Connection, limits: RequestOptions): Promise<void> {
    const started = Array.from(this.#monitors, async ([id, monitor]) => {
      try {
        await monitor.start(connection, limits)
      } catch (error) {
        const refused = error instanceof EcdockError && REFUSALS.has(error.code)
        if (!refused || monitor === this.own) throw error
        this.#monitors.delete(id)
        monitor.end(error)
      }
    })
    await Promise.all(started)
  }

  async add<C extends Columns>(
    columns: C,
    where: Conditions<C>,
    connection: Connection,
    limits: RequestOptions,
  ): Promise<ReplicaMonitor<C>> {
    const monitor = new Monitor(`${ID}-${++this.#made}`, this.#database, columns, where)
    this.#monitors.set(monitor.id, monitor)
    const cancel = async () => {
      if (!this.#monitors.delete(monitor.id)) return
      monitor.end(new EcdockError('CANCELLED', 'ovsdb monitor', 'The monitor was cancelled.'))
      await this.#home.current?.request('monitor_cancel', [monitor.id], { timeoutMs: this.#timeoutMs })
    }
    try {
      await monitor.start(connection, limits)
    } catch (error) {
      await cancel().catch(() => {})
      throw error
    }
    return {
      replica: monitor.replica,
      change: async (changed, { timeoutMs = this.#timeoutMs, signal } = {}) => {
        await monitor.change(changed, this.#home.current, { timeoutMs, signal })
      },
      cancel,
    }
  }

  /** Takes in a notification, if it is a monitor's. Throws as {@link Monitor.take} does. */
  take(method: string, params: readonly unknown[]): void {
    if (!/^(?:update[23]?|monitor_canceled)$/.test(method)) return
    const monitor = this.#monitors.get(params[0])
    if (monitor !== undefined) monitor.take(method, params)
    else if (!this.#wasCancelled(params[0])) throw malformed(params)
  }

  end(error: EcdockError): void {
    for (const monitor of this.#monitors.values()) monitor.end(error)
  }

  /** What was on its way when a monitor was cancelled is no fault of the server. */
  #wasCancelled(id: unknown): boolean {
    const number = typeof id === 'string' ? /^ecdock-fast-(\d{1,15})$/.exec(id)?.[1] : undefined
    return number !== undefined && Number(number) <= this.#made
  }
}
