import net from 'node:net'
import { basename, join } from 'node:path'
import { Duplex } from 'node:stream'
import { asEcdockError, EcdockError } from '../errors.js'
import type { DatagramSocket } from '../kernel/datagram-socket.js'
import { Pending } from '../pending.js'
import { quoted } from '../quoted.js'
import { lost, unexpected, unreachable } from './failure.js'
import { encodeRequest, ReplyReader } from './handshake.js'
import { bindLocalSocket, type LocalSocket } from './local-socket.js'
import { existingSocketDir } from './socket-dir.js'

export interface ConnectOptions {
  /** The switch's port, from 1; default any that is free. */
  port?: number
  /** What the switch's console shows of this client, one line of at most 127 bytes. Default `ecdock-fast pid=N`. */
  description?: string
  /** Version of the request: 3, or 1 for switches older than VDE 2. Default 3. */
  version?: 1 | 3
  /** How many frames may wait to be read, and how many to be sent; more are dropped and counted. Default 4096. */
  queueFrames?: number
  /** How long the switch may take to answer, in ms. Default 5000. */
  timeoutMs?: number
  /** Ends the attempt to connect, and later the connection. */
  signal?: AbortSignal
}

/** Since the connection was made. */
export interface ConnectionStats {
  /** Frames that were read, and sent. */
  received: number
  sent: number
  /** Frames that came and found no room. */
  receiveDrops: number
  /** Frames that {@link VdeConnection.send} found no room for. */
  sendDrops: number
}

/** Frames of the largest size that libvdeplug allows. */
const MAX_FRAME_BYTES = 9216
/** An Ethernet header. */
const MIN_FRAME_BYTES = 14
const DEFAULT_QUEUE_FRAMES = 4096
const MAX_QUEUE_FRAMES = 1 << 20
const DEFAULT_TIMEOUT_MS = 5000
/** How many of the waiting frames the stream takes over at once. */
const READ_AHEAD = 64

/**
 * Plugs into the VDE switch whose sockets are in `dir`, of any make. Throws USAGE, VDE_UNREACHABLE, VDE_REFUSED (the
 * switch hung up: the port is taken, or there is none free), VDE_PROTOCOL, TIMEOUT, CANCELLED, PERMISSION and KERNEL;
 * nothing is left behind then.
 */
export async function connect(dir: string, options: ConnectOptions = {}): Promise<VdeConnection> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options
  const limits = limitsOf(options)
  const real = await existingSocketDir(dir)
  const plugged = new Pending<string>({
    op: 'vde connect',
    timeoutMs,
    signal,
    expired: () => silent(dir, timeoutMs),
  })
  let ready = () => {}
  let local: LocalSocket | undefined
  let ctl: net.Socket | undefined
  try {
    local = bindLocalSocket(real, { ...limits, onReady: () => ready() })
    const { version = 3, port, description = `ecdock-fast pid=${process.pid}` } = options
    const request = encodeRequest({ version, port, path: local.path, description })
    ctl = handshake(real, request, plugged)
    const reply = await plugged.promise
    // By its name: the switch may know the directory by another path, and must not lead us to another socket.
    local.socket.connect(join(real, basename(reply)))
    const connection = new VdeConnection(real, local.socket, ctl, limits.maxDatagrams)
    ready = () => connection.wake()
    if (signal !== undefined) connection.endBy(signal)
    connection.wake()
    return connection
  } catch (error) {
    plugged.reject(error)
    await plugged.promise.catch(() => {})
    ctl?.destroy()
    local?.socket.close()
    throw error
  } finally {
    local?.hide()
  }
}

/** Says what a client says, and brings what the switch answers to `plugged`. */
function handshake(dir: string, request: Buffer, plugged: Pending<string>): net.Socket {
  const path = join(dir, 'ctl')
  const ctl = net.connect({ path })
  const reader = new ReplyReader()
  let connected = false
  ctl.once('connect', () => {
    connected = true
    ctl.write(request)
  })
  ctl.on('data', (chunk) => {
    try {
      const reply = reader.push(chunk)
      if (reply !== undefined) plugged.resolve(reply)
    } catch (error) {
      plugged.reject(error)
    }
  })
  // It stays for good: an error without a listener would end the process.
  ctl.on('error', (error: NodeJS.ErrnoException) => {
    plugged.reject(
      connected && error.code !== 'EACCES' ? refused(dir, error) : unreachable(dir, error.message, error),
    )
  })
  ctl.once('end', () => plugged.reject(reader.unfinished ? unexpected('half a reply') : refused(dir)))
  ctl.once('close', () => plugged.reject(refused(dir)))
  return ctl
}

/**
 * A place on a VDE switch: a stream of Ethernet frames, each a Buffer without preamble and checksum. Read it with
 * `for await`, write to it as to any stream, or {@link send} as a network card does: without waiting.
 *
 * ```ts
 * const link = await connect('/run/vde/lab')
 * for await (const frame of link) link.send(answerTo(frame))
 * ```
 *
 * It ends with VDE_LOST when the switch does, and by {@link close}.
 */
export class VdeConnection extends Duplex {
  /** The switch's directory. */
  readonly dir: string
  readonly #socket: DatagramSocket
  readonly #ctl: net.Socket
  readonly #queueFrames: number
  /** Frames that have come and that the stream has not taken yet. */
  #arrived: Buffer[] = []
  #next = 0
  #reading = false
  /** Frames on their way out, and who waits for their leaving. */
  #outgoing: Buffer[] = []
  #sentOut: (() => void) | undefined
  #flushing = false
  #blocked = false
  #received = 0
  #sent = 0
  #sendDrops = 0
  #letGo = () => {}

  /** Made by {@link connect}. */
  constructor(dir: string, socket: DatagramSocket, ctl: net.Socket, queueFrames: number) {
    super({
      readableObjectMode: true,
      writableObjectMode: true,
      readableHighWaterMark: READ_AHEAD,
      writableHighWaterMark: READ_AHEAD,
      allowHalfOpen: false,
    })
    this.dir = dir
    this.#socket = socket
    this.#ctl = ctl
    this.#queueFrames = queueFrames
    const gone = (why: string, error?: NodeJS.ErrnoException) => this.destroy(lost(dir, why, error))
    ctl.removeAllListeners('data').on('data', () => gone('the switch sent more than its reply'))
    ctl.on('error', (error: NodeJS.ErrnoException) => gone(error.message, error))
    ctl.once('end', () => gone('the switch hung up'))
    ctl.once('close', () => gone('the switch hung up'))
    if (ctl.readableEnded || ctl.destroyed) gone('the switch hung up')
  }

  get stats(): ConnectionStats {
    return {
      received: this.#received,
      sent: this.#sent,
      receiveDrops: this.#socket.dropped,
      sendDrops: this.#sendDrops,
    }
  }

  /**
   * Sends a frame without waiting; the bytes must not be changed until the next turn of the event loop. False: there was
   * no room, and the frame is dropped and counted. Throws USAGE for what is no frame: less than 14 bytes, more than 9216.
   */
  send(frame: Uint8Array): boolean {
    checkFrame(frame)
    if (this.destroyed || this.#outgoing.length >= this.#queueFrames) {
      this.#sendDrops++
      return false
    }
    this.#enqueue(frame)
    return true
  }

  /** Unplugs. What has not been read is gone; what was sent before has left, as far as the switch took it. */
  async close(): Promise<void> {
    if (this.closed) return
    if (!this.destroyed) {
      this.#flush()
      this.destroy()
    }
    await new Promise<void>((resolve) => this.once('close', resolve))
  }

  /** Something came, or there may be room to send. */
  wake(): void {
    if (this.destroyed) return
    try {
      if (this.#blocked) {
        this.#blocked = false
        this.#flush()
      }
      if (this.#reading) this.#deliver()
    } catch (error) {
      this.destroy(asEcdockError(error, 'vde'))
    }
  }

  /** Ends with CANCELLED when `signal` is aborted. */
  endBy(signal: AbortSignal): void {
    const end = () => {
      this.destroy(
        new EcdockError('CANCELLED', 'vde', 'The connection was cancelled.', { cause: signal.reason }),
      )
    }
    if (signal.aborted) end()
    else signal.addEventListener('abort', end, { once: true })
    this.#letGo = () => signal.removeEventListener('abort', end)
  }

  override _read(): void {
    this.#reading = true
    try {
      this.#deliver()
    } catch (error) {
      this.destroy(asEcdockError(error, 'vde'))
    }
  }

  override _write(frame: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#writeAll([frame], done)
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#writeAll(
      chunks.map(({ chunk }) => chunk),
      done,
    )
  }

  override _final(done: (error?: Error | null) => void): void {
    done()
    this.destroy()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#letGo()
    this.#socket.close()
    this.#ctl.destroy()
    this.#arrived = []
    this.#outgoing = []
    done(error)
  }

  #deliver(): void {
    for (;;) {
      if (this.#next === this.#arrived.length) {
        this.#arrived = this.#socket.take()
        this.#next = 0
        if (this.#arrived.length === 0) return
      }
      while (this.#next < this.#arrived.length) {
        const frame = this.#arrived[this.#next++]
        // libvdeplug 2 sends an empty datagram when it is closed, which means nothing.
        if (frame === undefined || frame.length === 0) continue
        this.#received++
        if (!this.push(frame)) {
          this.#reading = false
          return
        }
      }
    }
  }

  #writeAll(frames: Buffer[], done: (error?: Error | null) => void): void {
    try {
      frames.forEach(checkFrame)
    } catch (error) {
      done(asEcdockError(error, 'vde send'))
      return
    }
    for (const frame of frames) this.#enqueue(frame)
    this.#sentOut = () => done()
  }

  /** Those of one turn go out together. */
  #enqueue(frame: Uint8Array): void {
    this.#outgoing.push(Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength))
    if (this.#flushing) return
    this.#flushing = true
    queueMicrotask(() => {
      this.#flushing = false
      if (!this.#blocked) this.#flush()
    })
  }

  #flush(): void {
    if (this.destroyed) return
    try {
      const count = this.#socket.send(this.#outgoing)
      this.#sent += count
      this.#blocked = count < this.#outgoing.length
      this.#outgoing = this.#blocked ? this.#outgoing.slice(count) : []
    } catch (error) {
      const { errno, message } = asEcdockError(error, 'vde send')
      this.destroy(lost(this.dir, message, Object.assign(new Error(message), { code: errno })))
      return
    }
    if (this.#outgoing.length > 0) return
    const sentOut = this.#sentOut
    this.#sentOut = undefined
    sentOut?.()
  }
}

function limitsOf({ queueFrames = DEFAULT_QUEUE_FRAMES }: ConnectOptions) {
  if (!(Number.isInteger(queueFrames) && queueFrames >= 1 && queueFrames <= MAX_QUEUE_FRAMES)) {
    throw new EcdockError('USAGE', 'vde connect', `queueFrames is ${quoted(queueFrames)}`, {
      hint: `Give a whole number from 1 to ${MAX_QUEUE_FRAMES}.`,
    })
  }
  return { maxDatagrams: queueFrames, maxBytes: Math.min(queueFrames * MAX_FRAME_BYTES, 0xffff_ffff) }
}

function checkFrame(frame: Uint8Array): void {
  const bytes = frame instanceof Uint8Array ? frame.length : Number.NaN
  if (bytes >= MIN_FRAME_BYTES && bytes <= MAX_FRAME_BYTES) return
  const what = Number.isNaN(bytes) ? `${quoted(frame)} is no frame` : `a frame of ${bytes} bytes`
  throw new EcdockError('USAGE', 'vde send', `${what}`, {
    hint: `An Ethernet frame is a Uint8Array of ${MIN_FRAME_BYTES} to ${MAX_FRAME_BYTES} bytes.`,
  })
}

function refused(dir: string, cause?: NodeJS.ErrnoException): EcdockError {
  return new EcdockError('VDE_REFUSED', 'vde connect', `The VDE switch at ${dir} refused the connection.`, {
    errno: cause?.code,
    hint: 'The port may be reserved for another user, or none is free: see "port/print" on its console.',
    cause,
  })
}

function silent(dir: string, timeoutMs: number): EcdockError {
  return new EcdockError('TIMEOUT', 'vde connect', `${dir}: no VDE switch answered within ${timeoutMs} ms.`, {
    hint: 'All its ports may be taken, which vde_switch does not tell; or something else listens there.',
  })
}
