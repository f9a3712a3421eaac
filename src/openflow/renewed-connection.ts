import { EcdockError } from '../errors.js'
import { Pending } from '../pending.js'
import { Connection, type ConnectionOptions, type TalkLimits } from './connection.js'

/** A connection to a bridge that is made again when it is asked for after it was lost, until it is closed. */
export class RenewedConnection {
  readonly #path: string
  readonly #options: Omit<ConnectionOptions, 'signal'>
  readonly #closing = new AbortController()
  #connection: Connection | undefined
  #connecting: Promise<Connection> | undefined

  /** `timeoutMs` is how long each attempt to connect may take. */
  constructor(path: string, options: Omit<ConnectionOptions, 'signal'>) {
    this.#path = path
    this.#options = options
  }

  get open(): boolean {
    return this.#connection?.open === true
  }

  /**
   * The connection, made when there is none. All who need one at the same time wait for the same attempt,
   * each within limits of its own. Throws what Connection.open throws, TIMEOUT and CANCELLED.
   */
  async opened(op: string, { timeoutMs, signal }: TalkLimits): Promise<Connection> {
    if (this.#connection?.open === true) return this.#connection
    if (this.#closing.signal.aborted) throw closed()
    const pending = new Pending<Connection>({
      op,
      timeoutMs,
      signal,
      expired: () => new EcdockError('TIMEOUT', op, `No connection to ${this.#path} within ${timeoutMs} ms.`),
    })
    this.#connecting ??= this.#connect()
    this.#connecting.then(
      (connection) => pending.resolve(connection),
      (error) => pending.reject(error),
    )
    return await pending.promise
  }

  /** Whoever waits for an answer, or for the connection, hears CANCELLED. May be called again. */
  async close(): Promise<void> {
    this.#closing.abort()
    this.#connection?.end(closed())
    await this.#connecting?.catch(() => {})
  }

  async #connect(): Promise<Connection> {
    let made: Connection | undefined
    try {
      const connection = await Connection.open(this.#path, {
        timeoutMs: this.#options.timeoutMs,
        signal: this.#closing.signal,
        onLost: (error) => {
          // While it is being made, it is the caller who hears it.
          if (made !== undefined) this.#options.onLost(error)
        },
      })
      if (this.#closing.signal.aborted) {
        connection.end(closed())
        throw closed()
      }
      made = connection
      this.#connection = connection
      return connection
    } finally {
      this.#connecting = undefined
    }
  }
}

function closed(): EcdockError {
  return new EcdockError('CANCELLED', 'openflow', 'The OpenFlow client was closed.')
}
