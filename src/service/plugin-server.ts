import { chmod } from 'node:fs/promises'
import { type FastifyInstance, type FastifyReply, fastify } from 'fastify'
import type { Log } from '../driver/log.js'
import { asEcdockError, EcdockError } from '../errors.js'
import type { Method, Methods } from './methods.js'
import { daemonRunning, makeRoomForSocket } from './plugin-socket.js'

export interface PluginOptions {
  /** Where Docker looks for it, such as /run/docker/plugins/vde.sock. */
  path: string
  /** What it is to Docker, such as `NetworkDriver`. */
  implements: readonly string[]
  methods: Methods
  /** Requests wait for this before they are answered. */
  ready: Promise<unknown>
  log: Log
  /** How long a method may take, in ms: Docker itself waits for ever, and does nothing else meanwhile. Default 10,000. */
  timeLimitMs?: number
}

const CONTENT_TYPE = 'application/vnd.docker.plugins.v1.2+json'
const TIME_LIMIT_MS = 10_000
/** Far more than Docker ever says at once. */
const MOST_BYTES = 1024 * 1024
const MOST_CONNECTIONS = 1024
/** How long a request may take to come, in ms. */
const REQUEST_MS = 10_000

/** One plugin of Docker's, version 1 of its protocol: HTTP on a unix socket (moby: pkg/plugins/client.go). */
export class PluginServer {
  readonly #app: FastifyInstance

  private constructor(private readonly options: PluginOptions) {
    this.#app = fastify({
      bodyLimit: MOST_BYTES,
      requestTimeout: REQUEST_MS,
      // Of those that are idle; requests in hand are answered first.
      forceCloseConnections: 'idle',
    })
    this.#app.server.maxConnections = MOST_CONNECTIONS
    // For ever: Docker keeps its connections, and when it finds one closed it sends its request again without a body.
    this.#app.server.keepAliveTimeout = 0
    this.#readAnyBody()
    this.#app.post('/Plugin.Activate', (_request, reply) =>
      send(reply, 200, { Implements: options.implements }),
    )
    for (const [name, method] of Object.entries(options.methods)) {
      this.#app.post(`/${name}`, (request, reply) => this.#answer(name, method, request.body, reply))
    }
    this.#app.setNotFoundHandler((request, reply) => {
      const error = new EcdockError('UNSUPPORTED', 'plugin', `${request.method} ${request.url} is no method`)
      return send(reply, 404, failure(error))
    })
    this.#app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
      options.log.warn({ err: error, url: request.url }, 'request refused')
      const { statusCode = 500 } = error
      return send(reply, statusCode, failure(asEcdockError(error, request.url)))
    })
  }

  /** Listens. Throws DAEMON_RUNNING, USAGE, PERMISSION. */
  static async listen(options: PluginOptions): Promise<PluginServer> {
    const server = new PluginServer(options)
    const { path } = options
    try {
      await makeRoomForSocket(path)
      await server.#app.listen({ path })
      await chmod(path, 0o600)
    } catch (error) {
      await server.close()
      throw listenError(error, path)
    }
    return server
  }

  /** Answers what is in hand, and listens no more. */
  async close(): Promise<void> {
    await this.#app.close()
  }

  /** Docker sends no content type with its requests, and an empty body with those that have no arguments. */
  #readAnyBody(): void {
    const parse = this.#app.getDefaultJsonParser('error', 'error')
    this.#app.removeAllContentTypeParsers()
    this.#app.addContentTypeParser<string>('*', { parseAs: 'string' }, (request, body, done) => {
      if (body === '') done(null, undefined)
      else parse(request, body, done)
    })
  }

  async #answer(name: string, method: Method, body: unknown, reply: FastifyReply): Promise<FastifyReply> {
    const { log, ready } = this.options
    const began = performance.now()
    const took = () => Math.round((performance.now() - began) * 1000) / 1000
    log.debug({ method: name, request: body }, 'asked')
    try {
      const answer = await this.#within(name, async (signal) => {
        await ready
        signal.throwIfAborted()
        return method(body ?? undefined, signal)
      })
      log.debug({ method: name, ms: took(), answer }, 'answered')
      return send(reply, 200, answer)
    } catch (thrown) {
      const error = asEcdockError(thrown, name)
      log.warn({ method: name, ms: took(), err: error }, 'refused')
      return send(reply, 500, failure(error))
    }
  }

  /** Work that comes too late is told so by its signal, and undoes itself. */
  async #within(name: string, work: (signal: AbortSignal) => Promise<object>): Promise<object> {
    const limit = this.options.timeLimitMs ?? TIME_LIMIT_MS
    const controller = new AbortController()
    const tooLate = new EcdockError('TIMEOUT', name, `it takes longer than ${limit} ms`, {
      hint: 'Is the machine very busy? The log of ecdock-fast daemon says more.',
    })
    let timer: NodeJS.Timeout | undefined
    const end = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        controller.abort(tooLate)
        reject(tooLate)
      }, limit)
    })
    try {
      return await Promise.race([work(controller.signal), end])
    } finally {
      clearTimeout(timer)
    }
  }
}

/** As bytes: to text Fastify adds a charset, which is not in the type that Docker knows. */
function send(reply: FastifyReply, status: number, answer: object): FastifyReply {
  return reply
    .code(status)
    .header('content-type', CONTENT_TYPE)
    .send(Buffer.from(JSON.stringify(answer)))
}

/** The network side of Docker reads `Err`, its IPAM side `Error`. */
function failure({ message, hint }: EcdockError): { Err: string; Error: string } {
  const text = hint === undefined ? message : `${message.replace(/\.$/, '')}. ${hint}`
  return { Err: text, Error: text }
}

function listenError(error: unknown, path: string): EcdockError {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') return daemonRunning(path)
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new EcdockError('PERMISSION', 'listen', `not allowed to listen on ${path}`, {
      errno: code,
      hint: 'Run it as root, or give another --plugin-dir.',
      cause: error,
    })
  }
  return asEcdockError(error, 'listen')
}
