import net from 'node:net'
import { EcdockError } from '../errors.js'
import { Pending } from '../pending.js'
import { type ControlMessage, ControlReader, encodeControl } from './control-message.js'
import { lost, unexpected, unreachable } from './failure.js'

/** One thing that is plugged into a switch. Counters are from the switch's point of view. */
export interface SwitchPort {
  port: number
  /** A tap, a client of the VDE protocol, or a tap that is connected to another switch. */
  kind: 'tap' | 'vde' | 'cable'
  /** What was said of it when it was plugged in. */
  label: string
  /** Of the tap's interface. */
  name: string
  rxPackets: number
  rxBytes: number
  txPackets: number
  txBytes: number
  /** Frames that found no room. */
  drops: number
  /** Frames that wait to be sent. */
  queued: number
  /** Segments of up to 64 KB cross whole. */
  offload: boolean
  /** Of the client's process, where the kernel tells. */
  pid?: number
  uid?: number
  description?: string
}

export interface SwitchStatus {
  pid: number
  version: string
  /** How many ports are in use. */
  ports: number
  maxPorts: number
  hub: boolean
  offload: boolean
  /** Where its sockets are; '' in cable mode. */
  dir: string
  /** Its console's socket; '' when it has none. */
  mgmt: string
  /** What was said of the switch when it was started. */
  label: string
}

export type SwitchEvent =
  | { event: 'port-added'; port: number; kind: string; label: string; name: string }
  | { event: 'port-removed'; port: number; reason: string }

export interface ControlOptions {
  /** How long the switch may take to answer, in ms. Default 5000. */
  timeoutMs?: number
}

interface Question {
  data: ControlMessage[]
  answer: Pending<{ data: ControlMessage[]; answer: ControlMessage }>
}

const TIMEOUT_MS = 5000
/** More ports than a switch can have. */
const MOST_DATA_LINES = 100_000

/**
 * A connection to the control socket of an `ecdock-switch`, which only root and the switch's own user can open. Requests
 * may be made at the same time. Each throws VDE_REFUSED with the switch's own words, VDE_LOST, VDE_PROTOCOL or TIMEOUT.
 */
export class Control {
  /** Kept when the connection has ended, however that came about. */
  readonly closed: Promise<void>
  readonly #questions: Question[] = []
  readonly #listeners = new Set<(event: SwitchEvent) => void>()
  readonly #reader = new ControlReader()
  #failure: EcdockError | undefined

  private constructor(
    readonly path: string,
    private readonly socket: net.Socket,
    private readonly timeoutMs: number,
  ) {
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#fail(lost(`the switch at ${path}`, 'it has ended'))
        resolve()
      })
    })
    socket.on('data', (chunk) => this.#read(chunk))
    socket.on('error', (error: NodeJS.ErrnoException) =>
      this.#fail(lost(`the switch at ${path}`, error.message, error)),
    )
  }

  /** Throws VDE_UNREACHABLE when no switch listens at `path`, or it does not want to hear us. */
  static connect(path: string, { timeoutMs = TIMEOUT_MS }: ControlOptions = {}): Promise<Control> {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ path })
      const refused = (error: NodeJS.ErrnoException) => reject(unreachable(path, error.message, error))
      socket.once('error', refused)
      socket.once('connect', () => {
        socket.off('error', refused)
        resolve(new Control(path, socket, timeoutMs))
      })
    })
  }

  async status(): Promise<SwitchStatus> {
    const { answer } = await this.#ask('status')
    return {
      pid: number(answer, 'pid'),
      version: text(answer, 'version'),
      ports: number(answer, 'ports'),
      maxPorts: number(answer, 'max-ports'),
      hub: number(answer, 'hub') === 1,
      offload: number(answer, 'offload') === 1,
      dir: answer.fields.get('dir') ?? '',
      mgmt: answer.fields.get('mgmt') ?? '',
      label: answer.fields.get('label') ?? '',
    }
  }

  /** What is plugged in, at one port or at all. Throws VDE_REFUSED (ENXIO) when there is nothing at that port. */
  async list(port?: number): Promise<SwitchPort[]> {
    const { data } = await this.#ask('list', { port })
    return data.map(switchPort)
  }

  /** Takes out what is at a port; when the promise is kept its descriptor is closed. Throws VDE_REFUSED (ENXIO), too. */
  async unplug(port: number): Promise<void> {
    await this.#ask('unplug', { port })
  }

  async setMaxPorts(ports: number): Promise<void> {
    await this.#ask('set', { 'max-ports': ports })
  }

  /** From now on `listener` is told what is plugged in and out, until the connection ends. */
  async watch(listener: (event: SwitchEvent) => void): Promise<void> {
    this.#listeners.add(listener)
    await this.#ask('watch')
  }

  /** Ends the switch; it has gone when {@link closed} is kept. */
  async shutdown(): Promise<void> {
    await this.#ask('shutdown')
  }

  close(): void {
    this.socket.destroy()
  }

  async #ask(
    verb: string,
    fields: Record<string, string | number | undefined> = {},
  ): Promise<{ data: ControlMessage[]; answer: ControlMessage }> {
    if (this.#failure !== undefined) throw this.#failure
    const { timeoutMs, path } = this
    const expired = () =>
      new EcdockError('TIMEOUT', `vde ${verb}`, `The switch at ${path} takes longer than ${timeoutMs} ms.`)
    const question: Question = { data: [], answer: new Pending({ op: `vde ${verb}`, timeoutMs, expired }) }
    this.#questions.push(question)
    this.socket.write(encodeControl(verb, fields))
    const answered = await question.answer.promise
    if (answered.answer.word === 'ok') return answered
    throw refusal(verb, answered.answer)
  }

  #read(chunk: Buffer): void {
    try {
      for (const message of this.#reader.push(chunk)) this.#take(message)
    } catch (error) {
      this.#fail(error as EcdockError)
      this.socket.destroy()
    }
  }

  #take(message: ControlMessage): void {
    if (message.word.startsWith('event ')) {
      const event = switchEvent(message)
      if (event !== undefined) for (const listener of this.#listeners) listener(event)
      return
    }
    const [question] = this.#questions
    if (question === undefined) throw unexpected('an answer on its control socket that nobody has asked for')
    if (message.word === 'ok' || message.word === 'error') {
      this.#questions.shift()
      question.answer.resolve({ data: question.data, answer: message })
    } else if (question.data.push(message) > MOST_DATA_LINES) {
      throw unexpected(`more than ${MOST_DATA_LINES} lines in an answer on its control socket`)
    }
  }

  #fail(error: EcdockError): void {
    this.#failure ??= error
    for (const { answer } of this.#questions.splice(0)) answer.reject(this.#failure)
  }
}

function refusal(verb: string, { word, fields }: ControlMessage): EcdockError {
  if (word !== 'error') return unexpected(`the answer ${word} on its control socket`)
  const message = `The switch refuses to ${verb}: ${fields.get('message') ?? 'it does not say why'}.`
  return new EcdockError('VDE_REFUSED', `vde ${verb}`, message, { errno: fields.get('code') })
}

function switchPort(message: ControlMessage): SwitchPort {
  const { fields } = message
  const kind = text(message, 'kind')
  if (message.word !== 'port' || (kind !== 'tap' && kind !== 'vde' && kind !== 'cable')) {
    throw unexpected(`${message.word} ${kind} in a list of ports on its control socket`)
  }
  const description = fields.get('description')
  return {
    port: number(message, 'n'),
    kind,
    label: fields.get('label') ?? '',
    name: fields.get('name') ?? '',
    rxPackets: number(message, 'rx-packets'),
    rxBytes: number(message, 'rx-bytes'),
    txPackets: number(message, 'tx-packets'),
    txBytes: number(message, 'tx-bytes'),
    drops: number(message, 'drops'),
    queued: number(message, 'queued'),
    offload: number(message, 'offload') === 1,
    ...(fields.has('pid') && { pid: number(message, 'pid') }),
    ...(fields.has('uid') && { uid: number(message, 'uid') }),
    ...(description !== undefined && { description }),
  }
}

/** Undefined for an event that a later switch may have. */
function switchEvent(message: ControlMessage): SwitchEvent | undefined {
  const { fields } = message
  switch (message.word) {
    case 'event port-added':
      return {
        event: 'port-added',
        port: number(message, 'n'),
        kind: fields.get('kind') ?? '',
        label: fields.get('label') ?? '',
        name: fields.get('name') ?? '',
      }
    case 'event port-removed':
      return { event: 'port-removed', port: number(message, 'n'), reason: fields.get('reason') ?? '' }
    default:
      return undefined
  }
}

function number(message: ControlMessage, key: string): number {
  const value = text(message, key)
  if (/^\d{1,20}$/.test(value)) return Number(value)
  throw unexpected(`${key}=${value.slice(0, 40)} on its control socket, which is no number`)
}

function text({ word, fields }: ControlMessage, key: string): string {
  const value = fields.get(key)
  if (value !== undefined) return value
  throw unexpected(`${word.slice(0, 40)} without ${key} on its control socket`)
}
