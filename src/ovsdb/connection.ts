import type { Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import { asEcdockError, EcdockError } from '../errors.js'
import { Pending } from '../pending.js'
import { type DialOptions, dial } from './dial.js'
import type { Endpoint } from './endpoint.js'
import { JsonFramer } from './framing.js'
import { describe, notificationText, parseMessage, type Reply, replyText, requestText } from './json-rpc.js'
import { refusedRequest } from './result.js'

export interface ConnectionOptions extends DialOptions {
  /** Longest message that is accepted, and the most that may wait to be sent, in bytes. Default 64 MiB. */
  maxMessageBytes?: number | undefined
  /** After so much silence, in ms, the server is asked for a sign of life; after as much again it is given up. */
  probeIntervalMs: number
  /** Called in the order of the stream. What it throws ends the connection. */
  onNotification: (method: string, params: readonly unknown[]) => void
}

export interface RequestOptions {
  /** In ms. */
  timeoutMs: number
  signal?: AbortSignal | undefined
  /**
   * Called with the result before anything that follows it in the stream is read, which a promise cannot
   * do. What it throws ends the connection.
   */
  onResult?: (result: unknown) => void
}

/** A wait that ends with the connection; see {@link Connection.guard}. */
type Guarded = Pick<Pending<unknown>, 'reject' | 'atEnd'>

/**
 * One JSON-RPC connection to an OVSDB server (RFC 7047 section 4): many requests in flight, `echo` answered,
 * and everything that waits rejected when the connection is lost. It is not made again: see client.ts.
 */
export class Connection {
  /** Resolves with the reason when the connection has ended and its socket is closed. */
  readonly lost: Promise<EcdockError>
  readonly #socket: Socket
  readonly #framer: JsonFramer
  readonly #maxBytes: number
  readonly #onNotification: ConnectionOptions['onNotification']
  readonly #requests = new Map<
    number,
    { pending: Pending<unknown>; method: string; options: RequestOptions }
  >()
  readonly #guarded = new Set<Guarded>()
  readonly #probe: NodeJS.Timeout
  #nextId = 0
  #heard = true
  #probing = false
  #end: EcdockError | undefined

  /** Throws USAGE, OVSDB_UNREACHABLE (with a hint) or CANCELLED. */
  static async open(endpoint: Endpoint, options: ConnectionOptions): Promise<Connection> {
    return new Connection(await dial(endpoint, options), options)
  }

  private constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket
    this.#maxBytes = options.maxMessageBytes ?? 64 * 1024 * 1024
    this.#framer = new JsonFramer({ maxBytes: this.#maxBytes })
    this.#onNotification = options.onNotification
    this.#probe = setInterval(() => this.#checkAlive(), options.probeIntervalMs)
    this.#probe.unref()
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('error', (error: NodeJS.ErrnoException) => this.end(lost(error.message, error)))
    socket.on('end', () => {
      const where = this.#framer.unfinished ? ' in the middle of a message' : ''
      this.end(lost(`the server hung up${where}`))
    })
    this.lost = new Promise((resolve) => {
      socket.on('close', () => {
        this.end(lost('the socket was closed'))
        resolve(this.#end ?? lost('the socket was closed'))
      })
    })
  }

  /** False as soon as it is known that the connection has ended. */
  get open(): boolean {
    return this.#end === undefined
  }

  /**
   * Asks the server for something. Throws OVSDB_REFUSED (the server's answer was an error), OVSDB_LOST (the
   * connection ended before the answer came), OVSDB_PROTOCOL, TIMEOUT or CANCELLED. After OVSDB_LOST, TIMEOUT
   * and CANCELLED it is unknown whether a transaction was carried out.
   */
  async request(method: string, params: readonly unknown[], options: RequestOptions): Promise<unknown> {
    const { timeoutMs, signal } = options
    const pending = new Pending<unknown>({
      op: `ovsdb ${method}`,
      timeoutMs,
      signal,
      expired: () => silent(method, timeoutMs),
    })
    const id = this.#nextId++
    this.#requests.set(id, { pending, method, options })
    pending.atEnd(() => this.#abandon(id))
    if (this.#end === undefined) this.#send(requestText(id, method, params))
    else pending.reject(this.#end)
    return await pending.promise
  }

  /** Rejects `pending`, too, when this connection is lost. */
  guard(pending: Guarded): void {
    if (this.#end !== undefined) pending.reject(this.#end)
    this.#guarded.add(pending)
    pending.atEnd(() => this.#guarded.delete(pending))
  }

  /** Ends the connection; what waits for it is rejected with `reason`. */
  end(reason: EcdockError): void {
    if (this.#end !== undefined) return
    this.#end = reason
    clearInterval(this.#probe)
    this.#socket.destroy()
    for (const { pending } of [...this.#requests.values()]) pending.reject(reason)
    for (const pending of [...this.#guarded]) pending.reject(reason)
  }

  #send(text: string): void {
    if (this.#socket.writableLength > this.#maxBytes) {
      this.end(lost(`the server has left ${this.#socket.writableLength} bytes unread`))
    } else {
      this.#socket.write(text)
    }
  }

  #receive(chunk: Buffer): void {
    this.#heard = true
    try {
      for (const value of this.#framer.push(chunk)) {
        if (this.#end !== undefined) return
        this.#dispatch(value)
      }
    } catch (error) {
      this.end(asEcdockError(error, 'ovsdb receive'))
    }
  }

  #dispatch(value: unknown): void {
    const message = parseMessage(value)
    switch (message.kind) {
      case 'reply':
        this.#settle(message)
        break
      case 'notification':
        this.#onNotification(message.method, message.params)
        break
      case 'request':
        if (message.method !== 'echo') throw unexpected(`a request ${describe(message.method)}`)
        this.#send(replyText(message.id, message.params))
        break
    }
  }

  #settle({ id, result, error }: Reply): void {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= this.#nextId) {
      throw unexpected(`a reply to ${describe(id)}, which nobody asked`)
    }
    const request = this.#requests.get(id)
    // No request: it was given up, and its answer has come after all.
    if (request === undefined) return
    this.#requests.delete(id)
    if (error !== null) {
      request.pending.reject(refusedRequest(`ovsdb ${request.method}`, error))
      return
    }
    try {
      request.options.onResult?.(result)
    } catch (cause) {
      request.pending.reject(asEcdockError(cause, `ovsdb ${request.method}`))
      throw cause
    }
    request.pending.resolve(result)
  }

  /** Tells the server that nobody waits any more (RFC 7047 section 4.1.4); it matters to a `wait` operation. */
  #abandon(id: number): void {
    const request = this.#requests.get(id)
    if (request === undefined) return
    this.#requests.delete(id)
    if (this.#end === undefined && request.method === 'transact') {
      this.#send(notificationText('cancel', [id]))
    }
  }

  /**
   * The inactivity probe. It gives the server up only when a whole interval has brought nothing after the
   * probe was sent, so a process that was itself held up does not take that for the server's silence.
   */
  #checkAlive(): void {
    if (this.#heard) {
      this.#heard = false
      this.#probing = false
    } else if (this.#probing) {
      this.end(lost('the server has stopped answering'))
    } else {
      this.#probing = true
      this.#send(requestText(this.#nextId++, 'echo', []))
    }
  }
}

/** Time left of a limit that began to run at `startedAt` (performance.now()), in whole ms; at least 1. */
export function remainingMs(timeoutMs: number, startedAt: number): number {
  return Math.max(1, Math.ceil(timeoutMs - (performance.now() - startedAt)))
}

/** The error of a connection that has ended. */
export function lost(why: string, error?: NodeJS.ErrnoException): EcdockError {
  return new EcdockError('OVSDB_LOST', 'ovsdb', `The connection to the OVSDB server was lost: ${why}.`, {
    errno: error?.code,
    hint: 'What was asked for may or may not have been done; look before you repeat it.',
    cause: error,
  })
}

/** The error of a request that is not answered in time. */
export function silent(method: string, timeoutMs: number): EcdockError {
  const message = `The OVSDB server did not answer ${method} within ${timeoutMs} ms.`
  return new EcdockError('TIMEOUT', `ovsdb ${method}`, message)
}

function unexpected(what: string): EcdockError {
  return new EcdockError('OVSDB_PROTOCOL', 'ovsdb receive', `The OVSDB server sent ${what}.`)
}
