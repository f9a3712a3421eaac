import net from 'node:net'
import { constants } from 'node:os'
import { asEcdockError, EcdockError } from '../errors.js'
import { Pending } from '../pending.js'
import { quoted } from '../quoted.js'
import { type ConsoleAnswer, type ConsoleItem, ConsoleReader } from './console-stream.js'
import {
  type ConsoleEvent,
  type ConsolePort,
  type HashEntry,
  type PortSettings,
  readEvent,
  readHash,
  readPortSettings,
  readPorts,
  readSwitchInfo,
  type SwitchInfo,
} from './console-tables.js'
import { EventQueue } from './event-queue.js'
import { lost, unreachable } from './failure.js'
import { MAX_PORT, MAX_SOCKET_PATH_BYTES } from './handshake.js'

export interface ConsoleOptions {
  /** How long the switch may take over each answer, in ms. Default 5000. */
  timeoutMs?: number
  /** Ends the attempt to connect, and later the connection. */
  signal?: AbortSignal
}

const DEFAULT_TIMEOUT_MS = 5000
/** vde_switch reads 128 bytes at once into memory of that size, and then writes a zero behind them. */
const MAX_COMMAND_BYTES = 126
const OP = 'vde console'

interface Command {
  text: string
  pending: Pending<ConsoleAnswer>
}

/**
 * The management console of a VDE switch, of vde_switch and of ecdock-switch alike. Commands go out one at a time:
 * vde_switch loses the second of two that it reads at once.
 *
 * ```ts
 * const console = await VdeConsole.open('/run/vde/lab.mgmt')
 * for (const { port, endpoints } of await console.ports()) …
 * await console.close()
 * ```
 *
 * Every command throws VDE_CONSOLE_FAILED (the switch refused it; `errno` says why), VDE_LOST, VDE_PROTOCOL, TIMEOUT
 * or CANCELLED. After all but the first the connection is closed.
 */
export class VdeConsole {
  readonly #path: string
  readonly #timeoutMs: number
  readonly #socket: net.Socket
  readonly #reader = new ConsoleReader()
  readonly #greeting: Pending<string[]>
  readonly #commands: Command[] = []
  readonly #queues = new Set<EventQueue<ConsoleEvent>>()
  #signal: AbortSignal | undefined
  #connected = false
  #watching = false
  #farewell = false
  #end: EcdockError | undefined
  #letGo = () => {}

  /** Throws USAGE, VDE_UNREACHABLE, VDE_PROTOCOL, TIMEOUT or CANCELLED. */
  static async open(path: string, options: ConsoleOptions = {}): Promise<VdeConsole> {
    const { timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options
    checkPath(path)
    const greeting = new Pending<string[]>({
      op: OP,
      timeoutMs,
      signal,
      expired: () => silent(path, 'its greeting', timeoutMs),
    })
    const opened = new VdeConsole(path, greeting, timeoutMs)
    try {
      await greeting.promise
      if (signal !== undefined) opened.#endBy(signal)
      return opened
    } catch (error) {
      opened.#close(asEcdockError(error, OP))
      throw error
    }
  }

  private constructor(path: string, greeting: Pending<string[]>, timeoutMs: number) {
    this.#path = path
    this.#greeting = greeting
    this.#timeoutMs = timeoutMs
    this.#socket = net.connect({ path })
    this.#socket.once('connect', () => {
      this.#connected = true
    })
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#close(
        this.#connected ? lost(path, error.message, error) : unreachable(path, error.message, error),
      )
    })
    this.#socket.on('end', () => {
      this.#take(this.#reader.end())
      this.#close(lost(path, 'the switch hung up'))
    })
    this.#socket.on('close', () => this.#close(lost(path, 'the switch hung up')))
  }

  /** Sends any command, such as `vlan/create 7`, and gives the lines that it prints. */
  async command(text: string): Promise<string[]> {
    const { lines, code, message } = await this.#ask(text)
    if (code === 0) return lines
    throw new EcdockError('VDE_CONSOLE_FAILED', OP, `the switch refused ${quoted(text)}: ${message}`, {
      errno: errnoName(code),
      hint: 'The command "help" prints those that there are.',
    })
  }

  /** `showinfo` */
  async showInfo(): Promise<SwitchInfo> {
    return readSwitchInfo(await this.command('showinfo'))
  }

  /** `port/print`: the ports that something is plugged into. */
  async ports(): Promise<ConsolePort[]> {
    return readPorts(await this.command('port/print'))
  }

  /** `port/allprint`: all ports that have been used or configured. */
  async allPorts(): Promise<ConsolePort[]> {
    return readPorts(await this.command('port/allprint'))
  }

  /** `port/allprint N`; undefined when the port has never been used. */
  async port(port: number): Promise<ConsolePort | undefined> {
    checkNumber('port', port, 0)
    const text = `port/allprint ${port}`
    const { lines, code } = await this.#ask(text)
    if (code === constants.errno.ENXIO || code === 0) return readPorts(lines)[0]
    throw new EcdockError('VDE_CONSOLE_FAILED', OP, `the switch has no port ${port}`, {
      errno: errnoName(code),
      hint: 'setPortCount gives it more.',
    })
  }

  /** `port/showinfo` */
  async portSettings(): Promise<PortSettings> {
    return readPortSettings(await this.command('port/showinfo'))
  }

  /** `port/setnumports`: how many ports there can be; fewer than are in use are refused. */
  async setPortCount(count: number): Promise<void> {
    checkNumber('a number of ports', count, 1)
    await this.command(`port/setnumports ${count}`)
  }

  /** `port/sethub`: to send every frame to every port, or to learn where they belong. */
  async setHub(hub: boolean): Promise<void> {
    await this.command(`port/sethub ${hub ? 1 : 0}`)
  }

  /** `hash/print`: which MAC was seen at which port. */
  async hash(): Promise<HashEntry[]> {
    return readHash(await this.command('hash/print'))
  }

  /** `help` */
  async help(): Promise<string[]> {
    return await this.command('help')
  }

  /**
   * What happens at the ports from now on (`debug/add port`). Whoever reads too slowly loses the connection rather than
   * events: more than 10,000 do not wait. Throws VDE_LOST when the switch ends.
   *
   * ```ts
   * for await (const event of await console.events()) if (event.type === 'port-added') …
   * ```
   */
  async events(): Promise<AsyncIterableIterator<ConsoleEvent>> {
    const queue = new EventQueue<ConsoleEvent>(() => this.#queues.delete(queue))
    this.#queues.add(queue)
    try {
      if (!this.#watching) {
        this.#watching = true
        await this.command('debug/add port')
      } else if (this.#end !== undefined) {
        throw this.#end
      }
      return queue
    } catch (error) {
      this.#watching = false
      this.#queues.delete(queue)
      throw error
    }
  }

  /** Ends the switch, and with it the connection. */
  async shutdown(): Promise<void> {
    this.#farewell = true
    try {
      await this.#ask('shutdown')
    } catch (error) {
      if (!(error instanceof EcdockError && error.code === 'VDE_LOST')) throw error
    }
    this.#close(closed(this.#path))
  }

  /** Closes the connection; who waits for something hears VDE_LOST. */
  async close(): Promise<void> {
    const gone = this.#socket.closed || new Promise<void>((resolve) => this.#socket.once('close', resolve))
    this.#close(closed(this.#path))
    await gone
  }

  async #ask(text: string): Promise<ConsoleAnswer> {
    checkCommand(text)
    if (this.#end !== undefined) throw this.#end
    const pending = new Pending<ConsoleAnswer>({
      op: OP,
      // Others may be before it.
      timeoutMs: this.#timeoutMs * (this.#commands.length + 1),
      signal: this.#signal,
      expired: () => silent(this.#path, quoted(text), this.#timeoutMs),
    })
    this.#commands.push({ text, pending })
    if (this.#commands.length === 1) this.#send()
    try {
      return await pending.promise
    } catch (error) {
      // Its answer may still come, and must not be taken for another's.
      this.#close(asEcdockError(error, OP))
      throw error
    }
  }

  #send(): void {
    const [first] = this.#commands
    if (first !== undefined) this.#socket.write(`${first.text}\n`)
  }

  #receive(chunk: Buffer): void {
    try {
      this.#take(this.#reader.push(chunk))
    } catch (error) {
      this.#close(asEcdockError(error, OP))
    }
  }

  #take(items: readonly ConsoleItem[]): void {
    for (const item of items) {
      if (this.#end !== undefined) return
      if (item.kind === 'banner') this.#greeting.resolve(item.lines)
      else if (item.kind === 'answer') this.#answered(item.answer)
      else if (item.kind === 'event') this.#tell(readEvent(item.code, item.text))
      else this.#close(this.#farewell ? closed(this.#path) : lost(this.#path, 'the switch ended the session'))
    }
  }

  #answered(answer: ConsoleAnswer): void {
    const command = this.#commands.shift()
    if (command === undefined) {
      this.#close(lost(this.#path, 'it answered what was not asked'))
    } else {
      command.pending.resolve(answer)
      this.#send()
    }
  }

  #tell(event: ConsoleEvent): void {
    for (const queue of this.#queues) {
      if (!queue.put(event)) this.#close(lost(this.#path, 'its events were not read'))
    }
  }

  #endBy(signal: AbortSignal): void {
    this.#signal = signal
    const end = () => {
      const message = 'The console was cancelled.'
      this.#close(new EcdockError('CANCELLED', OP, message, { cause: signal.reason }))
    }
    signal.addEventListener('abort', end, { once: true })
    this.#letGo = () => signal.removeEventListener('abort', end)
  }

  #close(reason: EcdockError): void {
    if (this.#end !== undefined) return
    this.#end = reason
    this.#letGo()
    this.#socket.destroy()
    this.#greeting.reject(reason)
    for (const { pending } of this.#commands.splice(0)) pending.reject(reason)
    for (const queue of [...this.#queues]) queue.end(reason)
  }
}

function checkPath(path: string): void {
  const bytes = typeof path === 'string' ? Buffer.byteLength(path) : 0
  if (bytes > 0 && bytes <= MAX_SOCKET_PATH_BYTES && path.startsWith('/') && !path.includes('\0')) return
  throw new EcdockError('USAGE', OP, `${quoted(path)} cannot be the socket of a console`, {
    hint: `Give the absolute path that the switch was started with (-M), of at most ${MAX_SOCKET_PATH_BYTES} bytes.`,
  })
}

function checkCommand(text: string): void {
  const fine = typeof text === 'string' && /\S/.test(text) && !/^\s*#/.test(text) && !/\p{Cc}/u.test(text)
  if (fine && Buffer.byteLength(text) <= MAX_COMMAND_BYTES) return
  throw new EcdockError('USAGE', OP, `${quoted(text)} is no command`, {
    hint: `A command is one line of at most ${MAX_COMMAND_BYTES} bytes, such as "port/print 3".`,
  })
}

function checkNumber(what: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least && value <= MAX_PORT + 1) return
  throw new EcdockError('USAGE', OP, `${quoted(value)} is not ${what}`, {
    hint: `Give a whole number from ${least} to ${MAX_PORT + 1}.`,
  })
}

function errnoName(code: number): string | undefined {
  return Object.entries(constants.errno).find(([, number]) => number === code)?.[0]
}

function silent(path: string, what: string, timeoutMs: number): EcdockError {
  return new EcdockError(
    'TIMEOUT',
    OP,
    `The console at ${path} did not give ${what} within ${timeoutMs} ms.`,
    {
      hint: 'Is that really the console of a VDE switch?',
    },
  )
}

function closed(path: string): EcdockError {
  return new EcdockError('VDE_LOST', OP, `The console at ${path} was closed.`)
}
