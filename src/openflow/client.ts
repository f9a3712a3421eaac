import { asEcdockError, EcdockError } from '../errors.js'
import type { Talk, TalkLimits } from './connection.js'
import { encodeFlowMod, type FlowMod } from './flow-mod.js'
import { decodeFlows, encodeFlowStatsRequest, type Flow } from './flow-stats.js'
import { checkSocketPath } from './management-socket.js'
import type { FlowMatch } from './match.js'
import { bare, encodeMessage, type Message, type Request, TYPE } from './message.js'
import {
  decodeFeatures,
  decodePorts,
  encodePortMod,
  type Features,
  type OpenFlowPort,
  type PortMod,
} from './port.js'
import { unexpected } from './protocol-error.js'
import { RenewedConnection } from './renewed-connection.js'
import { decodeStatsReply, encodeStatsRequest, STATS } from './stats.js'

export interface OpenFlowOptions {
  /** How long to wait for the switch to let us in, in ms. Default 5 s. */
  connectTimeoutMs?: number | undefined
  /** How long a call may take unless it says otherwise, in ms. Default 30 s. */
  timeoutMs?: number | undefined
  /** Cancels the first connecting. */
  signal?: AbortSignal | undefined
  /** The most that the switch may say in answer to one question, in bytes. Default 64 MiB. */
  maxAnswerBytes?: number | undefined
  /**
   * Called when the connection is lost, as when ovs-vswitchd ends. The next call makes it again; a new
   * vswitchd has none of the flows that were set before.
   */
  onLost?: ((error: EcdockError) => void) | undefined
}

export interface CallOptions {
  /** In ms; connecting, if that is needed, has its own limit. */
  timeoutMs?: number | undefined
  signal?: AbortSignal | undefined
}

/** A change that the switch does not answer unless it refuses it. */
export type Modification = FlowMod | PortMod

const CONNECT_TIMEOUT_MS = 5000
const TIMEOUT_MS = 30_000
const MAX_ANSWER_BYTES = 64 * 1024 * 1024
/** The longest that setTimeout can wait. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1

/**
 * Speaks OpenFlow 1.0 with one bridge. Calls may overlap: they are carried out in order.
 *
 * Calls throw OPENFLOW_REFUSED when the switch answers with an error, OPENFLOW_LOST when the connection ends
 * meanwhile, OPENFLOW_UNREACHABLE when it cannot be made again, OPENFLOW_PROTOCOL, TIMEOUT, CANCELLED and
 * USAGE.
 *
 * ```ts
 * const client = await OpenFlowClient.connect(managementSocket('ovs0'))
 * const match = { dlDst: '52:00:0a:00:00:01' }
 * const [error] = await client.apply([{ command: 'add', match, actions: [{ output: 1 }] }])
 * await client.close()
 * ```
 */
export class OpenFlowClient {
  /** The path of the bridge's management socket. */
  readonly path: string
  readonly #options: OpenFlowOptions
  readonly #connection: RenewedConnection

  /**
   * To `RUNDIR/BRIDGE.mgmt`; see managementSocket. Throws OPENFLOW_UNREACHABLE, UNSUPPORTED, CANCELLED and
   * USAGE.
   */
  static async connect(path: string, options: OpenFlowOptions = {}): Promise<OpenFlowClient> {
    checkSocketPath(path)
    const client = new OpenFlowClient(path, options)
    try {
      await client.#connection.opened('openflow connect', client.#limits(options))
      return client
    } catch (error) {
      await client.close()
      throw error
    }
  }

  private constructor(path: string, options: OpenFlowOptions) {
    this.path = path
    this.#options = options
    this.#connection = new RenewedConnection(path, {
      timeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      onLost: (error) => options.onLost?.(error),
    })
  }

  /** Whether the connection is there. The next call makes it when it is not. */
  get connected(): boolean {
    return this.#connection.open
  }

  async features(options: CallOptions = {}): Promise<Features> {
    let features: Features | undefined
    await this.#ask('openflow features', bare(TYPE.featuresRequest), options, (message) => {
      features = decodeFeatures(message)
      return true
    })
    if (features === undefined) throw unexpected('no features')
    return features
  }

  /** All ports, also when they are more than fit into the features (1,364), if the switch can tell. */
  async ports(options: CallOptions = {}): Promise<OpenFlowPort[]> {
    const { ports, portsCut } = await this.features(options)
    if (!portsCut) return ports
    const request = encodeStatsRequest(STATS.portDescription)
    return await this.#statistics('openflow ports', STATS.portDescription, request, options, decodePorts)
  }

  /** The flows of all tables whose packets `match` takes in; `{}`: all. */
  async flows(match: FlowMatch = {}, options: CallOptions = {}): Promise<Flow[]> {
    const request = encodeFlowStatsRequest(match)
    return await this.#statistics('openflow flows', STATS.flow, request, options, decodeFlows)
  }

  /**
   * Sends all and one barrier behind them, and waits until the switch has carried them out. One answer for
   * each, in order: what was wrong with it, or undefined. One that fails does not keep the others from being
   * done.
   */
  async apply(
    modifications: readonly Modification[],
    options: CallOptions = {},
  ): Promise<(EcdockError | undefined)[]> {
    const errors: (EcdockError | undefined)[] = modifications.map(() => undefined)
    if (modifications.length === 0) return errors
    const barrier = modifications.length
    await this.#hold(
      {
        op: 'openflow apply',
        opOf: (at) => opOf(modifications[at]),
        count: barrier + 1,
        encode: (at, xid) => {
          const modification = modifications[at]
          if (modification === undefined) return encodeMessage(bare(TYPE.barrierRequest), xid)
          try {
            return encodeMessage(encodeModification(modification), xid)
          } catch (error) {
            errors[at] = asEcdockError(error, opOf(modification))
            return undefined
          }
        },
        receive: (at, { type }) => at === barrier && isBarrier(type),
        refused: (at, error) => {
          if (at === barrier) return false
          errors[at] ??= error
          return true
        },
      },
      options,
    )
    return errors
  }

  /**
   * Changes the configuration of ports, whose addresses are asked from the switch. One answer for each, as in
   * {@link apply}.
   */
  async modifyPorts(
    changes: readonly Omit<PortMod, 'hwAddr'>[],
    options: CallOptions = {},
  ): Promise<(EcdockError | undefined)[]> {
    if (changes.length === 0) return []
    const addresses = new Map((await this.ports(options)).map(({ number, hwAddr }) => [number, hwAddr]))
    const known = changes.flatMap((change, at) => {
      const hwAddr = addresses.get(change.port)
      return hwAddr === undefined ? [] : [{ at, modification: { ...change, hwAddr } }]
    })
    const errors: (EcdockError | undefined)[] = changes.map(({ port }) =>
      addresses.has(port) ? undefined : noPort(port),
    )
    const outcomes = await this.apply(
      known.map(({ modification }) => modification),
      options,
    )
    for (const [index, { at }] of known.entries()) errors[at] = outcomes[index]
    return errors
  }

  /** Waits until the switch has carried out what it was sent before. */
  async barrier(options: CallOptions = {}): Promise<void> {
    const request = bare(TYPE.barrierRequest)
    await this.#ask('openflow barrier', request, options, ({ type }) => isBarrier(type))
  }

  /** Waits for a sign of life. */
  async echo(options: CallOptions = {}): Promise<void> {
    await this.#ask('openflow echo', bare(TYPE.echoRequest), options, ({ type }) => type === TYPE.echoReply)
  }

  /** Ends the connection; calls that wait throw CANCELLED. May be called again. */
  async close(): Promise<void> {
    await this.#connection.close()
  }

  async #statistics<T>(
    op: string,
    kind: number,
    request: Request,
    options: CallOptions,
    decode: (rest: Buffer) => T[],
  ): Promise<T[]> {
    const found: T[][] = []
    let bytes = 0
    const most = this.#options.maxAnswerBytes ?? MAX_ANSWER_BYTES
    await this.#ask(op, request, options, (message) => {
      const { rest, more } = decodeStatsReply(kind, message)
      // Empty messages count, too, else a switch could go on for ever.
      bytes += message.body.length
      if (bytes > most) throw unexpected(`statistics of more than ${most} bytes`)
      found.push(decode(rest))
      return !more
    })
    return found.flat()
  }

  #ask(
    op: string,
    request: Request,
    options: CallOptions,
    receive: (message: Message) => boolean,
  ): Promise<void> {
    const talk: Talk = {
      op,
      count: 1,
      encode: (_, xid) => encodeMessage(request, xid),
      receive: (_, message) => receive(message),
    }
    return this.#hold(talk, options)
  }

  async #hold(talk: Talk, options: CallOptions): Promise<void> {
    const limits = this.#limits(options)
    const connection = await this.#connection.opened(talk.op, limits)
    await connection.hold(talk, limits)
  }

  #limits({ timeoutMs = this.#options.timeoutMs ?? TIMEOUT_MS, signal }: CallOptions): TalkLimits {
    if (timeoutMs > 0 && timeoutMs <= LONGEST_TIMEOUT_MS) return { timeoutMs, signal }
    throw new EcdockError('USAGE', 'openflow', `timeoutMs is no time in ms: ${timeoutMs}`)
  }
}

function encodeModification(modification: Modification): Request {
  return 'command' in modification ? encodeFlowMod(modification) : encodePortMod(modification)
}

function opOf(modification: Modification | undefined): string {
  if (modification === undefined) return 'openflow barrier'
  return 'command' in modification ? `openflow flow ${modification.command}` : 'openflow port modify'
}

function isBarrier(type: number): boolean {
  if (type === TYPE.barrierReply) return true
  throw unexpected(`a message of type ${type} in answer to a barrier`)
}

function noPort(port: PortMod['port']): EcdockError {
  return new EcdockError('OPENFLOW_REFUSED', 'openflow modify port', `The bridge has no port ${port}.`)
}
