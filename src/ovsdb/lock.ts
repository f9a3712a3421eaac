import { performance } from 'node:perf_hooks'
import { EcdockError } from '../errors.js'
import { Pending } from '../pending.js'
import { type Connection, type RequestOptions, remainingMs } from './connection.js'
import { describe, isRecord } from './json-rpc.js'
import { lockName } from './value.js'

/** Gives the connection of the moment; see KeptConnection. */
export interface LockHome {
  readonly current: Connection | undefined
  get(timeoutMs: number, signal: AbortSignal | undefined): Promise<Connection>
}

/**
 * A lock of the server (RFC 7047 sections 4.1.8 to 4.1.11): at most one client holds it. It is lost with the
 * connection, and asked for again on the next; the operation `assertLock` makes a transaction depend on it.
 */
export class Lock {
  readonly name: string
  /** The server has answered at least once. */
  asked = false
  readonly #locks: Locks
  readonly #waiting = new Set<Pending<void>>()
  #held = false

  /** Made by {@link Locks.ask}. */
  constructor(name: string, locks: Locks) {
    this.name = name
    this.#locks = locks
  }

  /** Whether this client holds it, as far as the server has told. */
  get held(): boolean {
    return this.#held
  }

  /** Waits until this client holds it. Throws TIMEOUT or CANCELLED (also when it is released). */
  async acquired(
    options: { timeoutMs?: number | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    const { timeoutMs = this.#locks.timeoutMs, signal } = options
    if (this.#held) return
    const expired = () => {
      return new EcdockError(
        'TIMEOUT',
        'ovsdb lock',
        `Somebody else has held ${this.name} for ${timeoutMs} ms.`,
      )
    }
    const pending = new Pending<void>({ op: 'ovsdb lock', timeoutMs, signal, expired })
    this.#waiting.add(pending)
    pending.atEnd(() => this.#waiting.delete(pending))
    await pending.promise
  }

  /** Gives it to the next who wants it, or stops waiting for it. Throws as {@link Connection.request} does. */
  async release(): Promise<void> {
    await this.#locks.release(this)
  }

  /** What the server has told. */
  set(held: boolean): void {
    this.#held = held
    if (held) for (const pending of [...this.#waiting]) pending.resolve()
  }

  end(error: EcdockError): void {
    this.#held = false
    for (const pending of [...this.#waiting]) pending.reject(error)
  }
}

/** The locks that a client holds or waits for. */
export class Locks {
  readonly timeoutMs: number
  readonly #home: LockHome
  readonly #locks = new Map<string, Lock>()

  constructor(home: LockHome, timeoutMs: number) {
    this.#home = home
    this.timeoutMs = timeoutMs
  }

  async ask(
    method: 'lock' | 'steal',
    name: string,
    options: { timeoutMs?: number | undefined; signal?: AbortSignal | undefined },
  ): Promise<Lock> {
    const startedAt = performance.now()
    const { timeoutMs = this.timeoutMs, signal } = options
    lockName(name)
    if (this.#locks.has(name)) {
      throw new EcdockError('USAGE', `ovsdb ${method}`, `This client has asked for the lock ${name} already.`)
    }
    const lock = new Lock(name, this)
    this.#locks.set(name, lock)
    try {
      const connection = await this.#home.get(timeoutMs, signal)
      await request(connection, method, lock, { timeoutMs: remainingMs(timeoutMs, startedAt), signal })
      return lock
    } catch (error) {
      // The server may have it down for us all the same.
      await this.release(lock).catch(() => {})
      throw error
    }
  }

  async release(lock: Lock): Promise<void> {
    if (this.#locks.get(lock.name) !== lock) return
    this.#locks.delete(lock.name)
    lock.end(new EcdockError('CANCELLED', 'ovsdb lock', `The lock ${lock.name} was released.`))
    await this.#home.current?.request('unlock', [lock.name], { timeoutMs: this.timeoutMs })
  }

  /** Asks for all of them on a new connection; none is stolen again. */
  async restore(connection: Connection, limits: RequestOptions): Promise<void> {
    const asked = [...this.#locks.values()].filter((lock) => lock.asked)
    await Promise.all(asked.map((lock) => request(connection, 'lock', lock, limits)))
  }

  /** True for a notification that is about a lock. */
  take(method: string, params: readonly unknown[]): boolean {
    if (method !== 'locked' && method !== 'stolen') return false
    const [name] = params
    if (typeof name === 'string') this.#locks.get(name)?.set(method === 'locked')
    return true
  }

  /** With the connection the server has given them to others. */
  lost(): void {
    for (const lock of this.#locks.values()) lock.set(false)
  }

  end(error: EcdockError): void {
    for (const lock of this.#locks.values()) lock.end(error)
    this.#locks.clear()
  }
}

async function request(
  connection: Connection,
  method: 'lock' | 'steal',
  lock: Lock,
  limits: RequestOptions,
): Promise<void> {
  await connection.request(method, [lock.name], {
    ...limits,
    onResult: (result) => {
      // Of a steal the reply says the same, always true (section 4.1.9).
      if (!isRecord(result) || typeof result.locked !== 'boolean') throw malformed(result)
      lock.asked = true
      lock.set(result.locked)
    },
  })
}

function malformed(value: unknown): EcdockError {
  const message = `The OVSDB server sent ${describe(value)} in place of a lock's state.`
  return new EcdockError('OVSDB_PROTOCOL', 'ovsdb lock', message)
}
