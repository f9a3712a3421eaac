import type { Socket } from 'node:net'
import { asEcdockError, EcdockError } from '../errors.js'
import { dial, type TlsOptions } from '../ovsdb/dial.js'
import { parseEndpoint, splitEndpoints } from '../ovsdb/endpoint.js'
import { JsonFramer } from '../ovsdb/framing.js'
import { isRecord, parseMessage, requestText } from '../ovsdb/json-rpc.js'
import { quoted } from '../quoted.js'
import type { Check } from './report.js'

const DATABASE = 'Open_vSwitch'

/** What Open vSwitch says of itself. */
export interface OvsWorld {
  /** Such as `3.1.0`; '' when nothing has put it there, as ovs-ctl does. */
  version: string
  /** `userspace-tso-enable` of other_config. */
  userspaceTso: boolean
  /** Names of the bridges on the userspace datapath. */
  userspaceBridges: string[]
  /** ovs-vswitchd has at some time run on this database: it writes down what it can do. */
  served: boolean
  /** ovs-vswitchd has not taken in the last change that somebody waits for. */
  behind: boolean
}

const SELECT_WORLD = [
  DATABASE,
  {
    op: 'select',
    table: 'Open_vSwitch',
    where: [],
    columns: ['ovs_version', 'other_config', 'datapath_types', 'cur_cfg', 'next_cfg'],
  },
  { op: 'select', table: 'Bridge', where: [], columns: ['name', 'datapath_type'] },
]

/** Reads the result of the two `select` operations; undefined when it is anything else. */
export function parseOvsWorld(result: unknown): OvsWorld | undefined {
  if (!Array.isArray(result)) return undefined
  const [roots, bridges] = result.map(rows)
  const root = roots?.[0]
  if (root === undefined || bridges === undefined) return undefined
  return {
    version: typeof root.ovs_version === 'string' ? root.ovs_version : '',
    userspaceTso: mapEntry(root.other_config, 'userspace-tso-enable') === 'true',
    userspaceBridges: bridges.filter((row) => row.datapath_type === 'netdev').map((row) => String(row.name)),
    served: !isEmptySet(root.datapath_types),
    behind: Number(root.next_cfg) > Number(root.cur_cfg),
  }
}

function rows(operation: unknown): Record<string, unknown>[] | undefined {
  if (!isRecord(operation) || !Array.isArray(operation.rows)) return undefined
  return operation.rows.filter(isRecord)
}

/** RFC 7047 section 5.1: a map is `["map", [[key, value], …]]`. */
function mapEntry(map: unknown, key: string): unknown {
  if (!Array.isArray(map) || map[0] !== 'map' || !Array.isArray(map[1])) return undefined
  const pairs: unknown[] = map[1]
  for (const pair of pairs) if (Array.isArray(pair) && pair[0] === key) return pair[1]
  return undefined
}

/** RFC 7047 section 5.1: a set is `["set", […]]`, and one of a single element may be that element alone. */
function isEmptySet(set: unknown): boolean {
  return set === undefined || (Array.isArray(set) && Array.isArray(set[1]) && set[1].length === 0)
}

const ABOUT = { name: 'OVSDB', neededFor: 'kind ovs', optional: true }
const START = 'Install and start Open vSwitch (openvswitch-switch), or say where it is with --ovsdb.'

/**
 * Whether OVSDB answers within `timeoutMs`, and what would make it faster. Of several servers, with commas between them,
 * one has to. Changes nothing.
 */
export async function ovsdbChecks(text: string, timeoutMs: number, tls?: TlsOptions): Promise<Check[]> {
  const texts = splitEndpoints(text)
  const outcomes = await Promise.all(texts.map((one) => checksOf(one, timeoutMs, tls)))
  const faults = outcomes.map(([first]) => first).filter((check) => check?.status === 'missing')
  if (texts.length === 1 || faults.length === 0) return outcomes[0] ?? []
  const detail = faults.map((check) => check?.detail).join('; ')
  const answering = outcomes.find(([first]) => first?.status !== 'missing')
  if (answering === undefined) return [{ ...ABOUT, status: 'missing', detail, hint: START }]
  const about = { name: 'OVSDB cluster', neededFor: 'kind ovs when other servers fail', optional: true }
  const hint = 'Is it running, and is this its address?'
  return [
    ...answering,
    { ...about, status: 'warning', detail: `${faults.length} of ${texts.length}: ${detail}`, hint },
  ]
}

async function checksOf(text: string, timeoutMs: number, tls: TlsOptions | undefined): Promise<Check[]> {
  try {
    const [databases, world] = await ask(text, timeoutMs, tls)
    if (!Array.isArray(databases) || !databases.includes(DATABASE)) {
      const detail = `the server at ${text} has no database ${DATABASE}`
      return [{ ...ABOUT, status: 'missing', detail, hint: START }]
    }
    return ovsChecks(text, parseOvsWorld(world))
  } catch (error) {
    const { message, hint = START } = asEcdockError(error, 'ovsdb connect')
    return [{ ...ABOUT, status: 'missing', detail: message, hint }]
  }
}

/** What there is to say about an Open vSwitch that answers. */
export function ovsChecks(endpoint: string, world: OvsWorld | undefined): Check[] {
  if (world === undefined) {
    const detail = `the database at ${endpoint} has no ${DATABASE} row yet`
    return [{ ...ABOUT, status: 'warning', detail, hint: 'Start ovs-vswitchd.' }]
  }
  const version = world.version === '' ? 'Open vSwitch' : `Open vSwitch ${world.version}`
  const fault = vswitchdFault(world)
  const answers: Check =
    fault === undefined
      ? { ...ABOUT, status: 'ok', detail: `${version} at ${endpoint}` }
      : {
          ...ABOUT,
          status: 'warning',
          detail: `${version} at ${endpoint}: ${fault}`,
          hint: 'Start ovs-vswitchd.',
        }
  return world.userspaceBridges.length === 0 ? [answers] : [answers, tsoCheck(world)]
}

function vswitchdFault({ served, behind }: OvsWorld): string | undefined {
  if (!served) return 'ovs-vswitchd has never run on it'
  if (behind) return 'ovs-vswitchd has not taken in its last changes, or does not run'
  return undefined
}

function tsoCheck({ userspaceTso, userspaceBridges }: OvsWorld): Check {
  const about = { name: 'userspace TSO', neededFor: 'fast TCP with --usermode', optional: true }
  if (userspaceTso) return { ...about, status: 'ok', detail: 'userspace-tso-enable is set' }
  return {
    ...about,
    status: 'warning',
    detail: `off: TCP over ${quoted(userspaceBridges[0])} is about nine times slower than it could be`,
    hint: 'ovs-vsctl set Open_vSwitch . other_config:userspace-tso-enable=true, and restart ovs-vswitchd.',
  }
}

/** The results of list_dbs (RFC 7047 section 4.1.1) and of the two selects, null for one that was refused. */
async function ask(
  text: string,
  timeoutMs: number,
  tls: TlsOptions | undefined,
): Promise<[unknown, unknown]> {
  const end = performance.now() + timeoutMs
  const socket = await connect(text, timeoutMs, tls)
  return new Promise((resolve, reject) => {
    const framer = new JsonFramer({ maxBytes: 1024 * 1024 })
    const results = new Map<unknown, unknown>()
    const fail = (why: string) => {
      clearTimeout(timer)
      socket.destroy()
      reject(unreachable(`${text} ${why}`))
    }
    const left = Math.max(0, end - performance.now())
    const timer = setTimeout(() => fail(`does not answer within ${timeoutMs} ms`), left)
    socket.on('error', (error) => fail(`cannot be reached: ${error.message}`))
    socket.on('close', () => fail('closed the connection before it answered'))
    socket.write(requestText(0, 'list_dbs', []) + requestText(1, 'transact', SELECT_WORLD))
    socket.on('data', (chunk) => {
      try {
        for (const value of framer.push(chunk)) {
          const message = parseMessage(value)
          if (message.kind === 'reply')
            results.set(message.id, message.error === null ? message.result : null)
        }
      } catch (error) {
        fail(`does not speak OVSDB: ${error instanceof Error ? error.message : String(error)}`)
        return
      }
      if (!results.has(0) || !results.has(1)) return
      clearTimeout(timer)
      socket.removeAllListeners('close').destroy()
      resolve([results.get(0), results.get(1)])
    })
  })
}

async function connect(text: string, timeoutMs: number, tls: TlsOptions | undefined): Promise<Socket> {
  const endpoint = parseEndpoint(text)
  try {
    return await dial(endpoint, { connectTimeoutMs: timeoutMs, tls })
  } catch (error) {
    const { code, message, hint } = asEcdockError(error, 'ovsdb connect')
    if (code !== 'OVSDB_UNREACHABLE') throw error
    throw unreachable(`${text} cannot be reached: ${message}`, hint)
  }
}

function unreachable(message: string, hint = START): EcdockError {
  return new EcdockError('OVSDB_UNREACHABLE', 'ovsdb connect', message, { hint })
}
