import net from 'node:net'
import { asEcdockError, EcdockError } from '../errors.js'
import { Pending } from '../pending.js'
import { MessageFramer } from './framing.js'
import { speaksOurVersion } from './hello.js'
import { bare, encodeMessage, type Message, TYPE, VERSION } from './message.js'
import { unexpected } from './protocol-error.js'
import { describeRefusal, refused } from './refusal.js'

export interface ConnectionOptions {
  /** In ms. */
  timeoutMs: number
  /** Ends the attempt to connect. */
  signal: AbortSignal
  /** Called once, when the connection ends and not by {@link Connection.end}. */
  onLost: (error: EcdockError) => void
}

/** What is asked of the switch in one go: messages that are sent one after the other, and what comes back. */
export interface Talk {
  /** What is being done, for errors. */
  readonly op: string
  /** What the message of this number is about, when that can be said more closely. */
  opOf?(at: number): string
  /** How many messages there are at most, at least 1. Each has a number of its own, counted from 0. */
  readonly count: number
  /** The message of this number, made when there is room to send it; undefined: none. It may not throw. */
  encode(at: number, xid: number): Buffer | undefined
  /** An answer to the message of this number. True: that was all. What it throws ends the connection. */
  receive(at: number, message: Message): boolean
  /**
   * The switch refused the message of this number. True: that is taken note of, else the talk fails with it.
   */
  refused?(at: number, error: EcdockError): boolean
}

export interface TalkLimits {
  /** In ms. */
  timeoutMs: number
  signal?: AbortSignal | undefined
}

interface Underway {
  talk: Talk
  pending: Pending<void>
  /** The xid of its first message. */
  xid: number
  /** The number of the message that is sent next. */
  next: number
}

/** How much is handed to the socket at once, in bytes. */
const BATCH_BYTES = 64 * 1024
/** How much may wait to be sent in answer to a peer that asks and does not listen, in bytes. */
const MAX_UNREAD_BYTES = 1024 * 1024
const MAX_XID = 0xffffffff

/**
 * One OpenFlow 1.0 connection to a bridge: talks go out in order and as fast as the switch takes them,
 * answers are brought to their talk by xid, and echo requests are answered. It is not made again when it is
 * lost: see client.ts.
 */
export class Connection {
  readonly #socket: net.Socket
  readonly #framer = new MessageFramer()
  readonly #onLost: ConnectionOptions['onLost']
  readonly #underway = new Set<Underway>()
  /** Those that are not sent in full. */
  readonly #queue: Underway[] = []
  readonly #greeting: Pending<void>
  #xid = 1
  #blocked = false
  #connected = false
  #end: EcdockError | undefined

  /**
   * Throws OPENFLOW_UNREACHABLE, OPENFLOW_LOST, OPENFLOW_PROTOCOL, CANCELLED, or UNSUPPORTED: no common
   * version.
   */
  static async open(path: string, options: ConnectionOptions): Promise<Connection> {
    const greeting = new Pending<void>({
      op: 'openflow connect',
      timeoutMs: options.timeoutMs,
      signal: options.signal,
      expired: () => unreachable(path, `no answer within ${options.timeoutMs} ms`),
    })
    const connection = new Connection(path, greeting, options.onLost)
    try {
      await greeting.promise
      return connection
    } catch (error) {
      connection.end(asEcdockError(error, 'openflow connect'))
      throw error
    }
  }

  private constructor(path: string, greeting: Pending<void>, onLost: ConnectionOptions['onLost']) {
    this.#greeting = greeting
    this.#onLost = onLost
    this.#socket = net.connect({ path })
    this.#socket.once('connect', () => {
      this.#connected = true
      this.#socket.write(encodeMessage(bare(TYPE.hello), this.#take(1)))
    })
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    this.#socket.on('drain', () => {
      this.#blocked = false
      this.#pump()
    })
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#lose(this.#connected ? lost(error.message, error) : unreachable(path, error.message, error))
    })
    this.#socket.on('end', () => {
      const where = this.#framer.unfinished ? ' in the middle of a message' : ''
      this.#lose(lost(`the switch hung up${where}`))
    })
    this.#socket.on('close', () => this.#lose(lost('the socket was closed')))
  }

  /** False as soon as it is known that the connection has ended. */
  get open(): boolean {
    return this.#end === undefined
  }

  /**
   * Sends all messages of `talk` and waits until it says that it has heard all. Throws OPENFLOW_REFUSED (the
   * switch answered with an error that the talk did not take), OPENFLOW_LOST, OPENFLOW_PROTOCOL, TIMEOUT or
   * CANCELLED; after those but the first it is unknown which messages were carried out. What was not sent by
   * then is not sent.
   */
  async hold(talk: Talk, { timeoutMs, signal }: TalkLimits): Promise<void> {
    const pending = new Pending<void>({
      op: talk.op,
      timeoutMs,
      signal,
      expired: () => silent(talk.op, timeoutMs),
    })
    if (this.#end !== undefined) pending.reject(this.#end)
    else {
      const underway: Underway = { talk, pending, xid: this.#take(talk.count), next: 0 }
      this.#underway.add(underway)
      pending.atEnd(() => this.#underway.delete(underway))
      this.#queue.push(underway)
      this.#pump()
    }
    await pending.promise
  }

  /** Ends the connection; who waits for an answer hears `reason`. */
  end(reason: EcdockError): void {
    if (this.#end !== undefined) return
    this.#end = reason
    this.#socket.destroy()
    this.#queue.length = 0
    this.#greeting.reject(reason)
    for (const { pending } of [...this.#underway]) pending.reject(reason)
  }

  #lose(reason: EcdockError): void {
    if (this.#end !== undefined) return
    this.end(reason)
    this.#onLost(reason)
  }

  /**
   * The first of `count` xids that nobody else has. They begin anew when they are used up; 0 is for what
   * answers nothing.
   */
  #take(count: number): number {
    if (this.#xid + count > MAX_XID) this.#xid = 1
    const first = this.#xid
    this.#xid += count
    return first
  }

  #pump(): void {
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      while (first.next < first.talk.count && !first.pending.settled) {
        if (this.#blocked || this.#end !== undefined) return
        const batch = nextBatch(first)
        if (batch.length > 0) this.#blocked = !this.#socket.write(batch)
      }
      this.#queue.shift()
    }
  }

  #receive(chunk: Buffer): void {
    try {
      for (const message of this.#framer.push(chunk)) {
        if (this.#end !== undefined) return
        this.#dispatch(message)
      }
    } catch (error) {
      this.#lose(asEcdockError(error, 'openflow receive'))
    }
  }

  #dispatch(message: Message): void {
    if (!this.#greeting.settled) this.#greet(message)
    else if (message.type !== TYPE.hello) {
      if (message.version !== VERSION) throw unexpected(`a message of version ${message.version}`)
      if (message.type === TYPE.echoRequest) this.#echo(message)
      else this.#answer(message)
    }
  }

  #greet({ version, type, body }: Message): void {
    if (type === TYPE.error) throw noCommonVersion(`it says ${describeRefusal(body)}`)
    if (type !== TYPE.hello) throw unexpected(`a message of type ${type} before its HELLO`)
    if (!speaksOurVersion(version, body))
      throw noCommonVersion(`its highest version is 0x0${version.toString(16)}`)
    this.#greeting.resolve()
  }

  #echo({ xid, body }: Message): void {
    this.#socket.write(encodeMessage({ type: TYPE.echoReply, body }, xid))
    const unread = this.#socket.writableLength
    if (unread > MAX_UNREAD_BYTES) throw lost(`the switch has left ${unread} bytes unread`)
  }

  /** Who is not known has given up, or never asked. */
  #answer(message: Message): void {
    for (const { talk, pending, xid } of this.#underway) {
      const at = message.xid - xid
      if (at < 0 || at >= talk.count) continue
      if (message.type === TYPE.error) {
        const error = refused(talk.opOf?.(at) ?? talk.op, message.body)
        if (talk.refused?.(at, error) !== true) pending.reject(error)
      } else if (talk.receive(at, message)) pending.resolve()
      return
    }
  }
}

function nextBatch(underway: Underway): Buffer {
  const { talk, xid } = underway
  const messages: Buffer[] = []
  for (let bytes = 0; bytes < BATCH_BYTES && underway.next < talk.count; underway.next++) {
    const message = talk.encode(underway.next, xid + underway.next)
    if (message === undefined) continue
    messages.push(message)
    bytes += message.length
  }
  return Buffer.concat(messages)
}

function lost(why: string, error?: NodeJS.ErrnoException): EcdockError {
  return new EcdockError('OPENFLOW_LOST', 'openflow', `The OpenFlow connection was lost: ${why}.`, {
    errno: error?.code,
    hint: 'What was asked for may or may not have been done. If ovs-vswitchd was restarted, flows are gone.',
    cause: error,
  })
}

function silent(op: string, timeoutMs: number): EcdockError {
  return new EcdockError('TIMEOUT', op, `The switch did not answer ${op} within ${timeoutMs} ms.`)
}

function noCommonVersion(why: string): EcdockError {
  return new EcdockError(
    'UNSUPPORTED',
    'openflow connect',
    `The bridge does not speak OpenFlow 1.0: ${why}.`,
    {
      hint: 'Allow it: ovs-vsctl clear Bridge BRIDGE protocols, or add OpenFlow10 to them.',
    },
  )
}

function unreachable(path: string, why: string, error?: NodeJS.ErrnoException): EcdockError {
  const hint =
    error?.code === 'EACCES' || error?.code === 'EPERM'
      ? "Run as root: a bridge's management socket is open to root only."
      : 'Does ovs-vswitchd run, is there such a bridge, and is that the directory of its sockets?'
  const message = `No bridge answers at ${path}: ${why}.`
  return new EcdockError('OPENFLOW_UNREACHABLE', 'openflow connect', message, {
    errno: error?.code,
    hint,
    cause: error,
  })
}
