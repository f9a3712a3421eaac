import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { asEcdockError, EcdockError } from '../errors.js'
import { Pending, throwIfCancelled } from '../pending.js'
import { Connection, type ConnectionOptions, type RequestOptions, remainingMs } from './connection.js'
import type { Endpoint } from './endpoint.js'

/** Pauses before a lost connection is tried again: none, then `firstMs`, and each twice the one before. */
export interface Backoff {
  /** In ms. Default 50. */
  firstMs?: number | undefined
  /** Longest pause, in ms. Default 2 s. */
  maxMs?: number | undefined
}

export type ConnectionEvent = { connected: true } | { connected: false; error: EcdockError }

export interface KeptConnectionOptions extends Omit<ConnectionOptions, 'signal'> {
  backoff?: Backoff | undefined
  /** Makes a new connection ready for use. What it throws ends the attempt. */
  prepare: (connection: Connection, limits: RequestOptions) => Promise<void>
  onEvent: (event: ConnectionEvent) => void
}

/**
 * A connection to one of several servers that is made again when it is lost, with growing pauses, until it is
 * closed.
 */
export class KeptConnection {
  readonly #remotes: readonly Endpoint[]
  readonly #options: KeptConnectionOptions
  readonly #backoff: { firstMs: number; maxMs: number }
  readonly #closing = new AbortController()
  readonly #waiting = new Set<Pending<Connection>>()
  #at = 0
  #attempts = 0
  #connection: Connection | undefined
  #keeping: Promise<void> = Promise.resolve()
  #lastError: EcdockError | undefined

  constructor(remotes: readonly Endpoint[], options: KeptConnectionOptions) {
    this.#remotes = remotes
    this.#options = options
    this.#backoff = { firstMs: options.backoff?.firstMs ?? 50, maxMs: options.backoff?.maxMs ?? 2000 }
  }

  /**
   * Makes the first connection. One server is tried once; several are tried in turn for as long as
   * `connectTimeoutMs`, because their cluster may just be choosing a leader. Throws what the last attempt threw.
   */
  async open(signal: AbortSignal | undefined): Promise<void> {
    const { connectTimeoutMs } = this.#options
    const startedAt = performance.now()
    const leftMs = () => connectTimeoutMs - (performance.now() - startedAt)
    for (;;) {
      try {
        this.#keeping = this.#keep(await this.#round(remainingMs(connectTimeoutMs, startedAt), signal))
        return
      } catch (error) {
        const pauseMs = this.#nextPauseMs()
        if (this.#remotes.length === 1 || leftMs() <= pauseMs) throw error
        throwIfCancelled('ovsdb connect', signal)
        await sleep(pauseMs)
      }
    }
  }

  get current(): Connection | undefined {
    return this.#connection?.open === true ? this.#connection : undefined
  }

  get closed(): boolean {
    return this.#closing.signal.aborted
  }

  /** The connection, as soon as there is one. Throws OVSDB_UNREACHABLE (not in time) or CANCELLED. */
  async get(timeoutMs: number, signal: AbortSignal | undefined): Promise<Connection> {
    throwIfCancelled('ovsdb transact', signal)
    if (this.closed) throw closed()
    if (this.current !== undefined) return this.current
    const expired = () => this.absence()
    const waiter = new Pending<Connection>({ op: 'ovsdb transact', timeoutMs, signal, expired })
    this.#waiting.add(waiter)
    waiter.atEnd(() => this.#waiting.delete(waiter))
    return await waiter.promise
  }

  /** The error of somebody who needs the connection while there is none. */
  absence(): EcdockError {
    return new EcdockError(
      'OVSDB_UNREACHABLE',
      'ovsdb transact',
      `The OVSDB server is away: ${this.#lastError?.message ?? 'no connection'}`,
      { errno: this.#lastError?.errno, hint: this.#lastError?.hint, cause: this.#lastError },
    )
  }

  /** Ends the connection; everybody who waits is rejected with `reason`. May be called again. */
  async close(): Promise<EcdockError> {
    const reason = closed()
    this.#closing.abort(reason)
    this.#connection?.end(reason)
    for (const waiter of [...this.#waiting]) waiter.reject(reason)
    await this.#keeping
    return reason
  }

  /** One attempt at each server, beginning with the one whose turn it is. */
  async #round(timeoutMs: number, signal: AbortSignal | undefined): Promise<Connection> {
    const startedAt = performance.now()
    let failure: unknown
    for (let left = this.#remotes.length; left > 0; left--) {
      const remote = this.#remotes[this.#at]
      if (remote === undefined) break
      try {
        return await this.#open(remote, Math.ceil(remainingMs(timeoutMs, startedAt) / left), signal)
      } catch (error) {
        this.#turn()
        throwIfCancelled('ovsdb connect', signal)
        failure = error
      }
    }
    throw failure
  }

  async #open(
    remote: Endpoint,
    connectTimeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Connection> {
    const startedAt = performance.now()
    const connection = await Connection.open(remote, { ...this.#options, connectTimeoutMs, signal })
    try {
      const timeoutMs = remainingMs(connectTimeoutMs, startedAt)
      await this.#options.prepare(connection, { timeoutMs, signal })
    } catch (error) {
      connection.end(asEcdockError(error, 'ovsdb connect'))
      throw error
    }
    this.#connection = connection
    if (this.closed) connection.end(closed())
    return connection
  }

  async #keep(first: Connection): Promise<void> {
    let connection = first
    for (;;) {
      const openedAt = performance.now()
      const error = await connection.lost
      this.#connection = undefined
      this.#lastError = error
      if (this.closed) return
      this.#options.onEvent({ connected: false, error })
      // A server that hangs up at once is not asked again at once.
      if (performance.now() - openedAt > this.#backoff.maxMs) this.#attempts = 0
      this.#turn()
      const next = await this.#reopen()
      if (next === undefined) return
      connection = next
      for (const waiter of [...this.#waiting]) waiter.resolve(connection)
      this.#options.onEvent({ connected: true })
    }
  }

  /** A new connection, or undefined when this was closed. */
  async #reopen(): Promise<Connection | undefined> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      try {
        await sleep(this.#nextPauseMs(), undefined, { signal })
        return await this.#round(this.#options.connectTimeoutMs, signal)
      } catch (error) {
        this.#lastError = asEcdockError(error, 'ovsdb connect')
      }
    }
    return undefined
  }

  #nextPauseMs(): number {
    return pauseMs(this.#attempts++, this.#backoff, Math.random())
  }

  #turn(): void {
    this.#at = (this.#at + 1) % this.#remotes.length
  }
}

/** The pause before an attempt, of which the first has the number 0; `random` is from 0 to 1. */
export function pauseMs(
  attempt: number,
  { firstMs, maxMs }: { firstMs: number; maxMs: number },
  random: number,
): number {
  if (attempt === 0) return 0
  // The random part keeps many clients of one server from coming back at the same moment.
  return Math.min(firstMs * 2 ** (attempt - 1), maxMs) * (0.5 + random / 2)
}

function closed(): EcdockError {
  return new EcdockError('CANCELLED', 'ovsdb', 'The OVSDB client was closed.')
}
