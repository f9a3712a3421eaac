import { isAbsolute, normalize } from 'node:path'
import { z } from 'zod'
import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'

/** What `docker network create -o` says about a network: docker-vde-plugin's options, and `mtu`. */
export interface NetworkOptions {
  /** Directory of the switch's sockets. Default: one of the network's own. */
  socketDir: string | undefined
  /** Start a switch at `socketDir`, in place of using one that is there. */
  createSockets: boolean
  managementSocket: string | undefined
  socketGroup: string | undefined
  /** How many ports a switch of ours has at most. */
  ports: number
  /** In bytes. */
  mtu: number | undefined
}

/** Docker's own key for everything that `-o` says. */
const GENERIC = 'com.docker.network.generic'
/** Docker's own option of its bridge driver, which people know. */
const DOCKER_MTU = 'com.docker.network.driver.mtu'

export const DEFAULT_PORTS = 32
const MOST_PORTS = 4096

/** Frames have 9216 bytes at most; 14 of them are the header, and 4 a VLAN tag. */
const MOST_MTU = 9198

/** A socket's path has 107 bytes at most (unix(7)), and behind the directory come `/` and up to 16 bytes. */
const LONGEST_DIR = 90
const LONGEST_SOCKET = 107

const OP = 'create network'
const YES = ['true', '1', 'yes', 'on']
const NO = ['false', '0', 'no', 'off', '']

const schema = z.record(z.string().max(4096), z.unknown())

type Reader = (value: string, option: string) => void

/** Reads the options of CreateNetwork. Throws USAGE, and says which option is wrong and what it may be. */
export function readNetworkOptions(all: Record<string, unknown> | undefined): NetworkOptions {
  const options: NetworkOptions = {
    socketDir: undefined,
    createSockets: false,
    managementSocket: undefined,
    socketGroup: undefined,
    ports: DEFAULT_PORTS,
    mtu: undefined,
  }
  const mtu: Reader = (value, option) => {
    options.mtu = whole(value, option, 68, MOST_MTU)
  }
  const readers: Record<string, Reader> = {
    socket_dir: (value, option) => {
      options.socketDir = path(value, option, LONGEST_DIR)
    },
    create_sockets: (value, option) => {
      options.createSockets = yesOrNo(value, option)
    },
    management_socket: (value, option) => {
      options.managementSocket = path(value, option, LONGEST_SOCKET)
    },
    socket_group: (value, option) => {
      options.socketGroup = group(value, option)
    },
    num_switchports: (value, option) => {
      options.ports = whole(value, option, 1, MOST_PORTS)
    },
    mtu,
    [DOCKER_MTU]: mtu,
  }
  for (const [option, value] of Object.entries(generic(all))) {
    const reader = Object.hasOwn(readers, option) ? readers[option] : undefined
    if (reader !== undefined) reader(textOf(value, option), option)
    // Names with a dot are labels in Docker's style, and others' business.
    else if (!option.includes('.')) throw unknown(option, Object.keys(readers))
  }
  checkTogether(options)
  return options
}

function generic(all: Record<string, unknown> | undefined): Record<string, unknown> {
  const said = all?.[GENERIC]
  if (said === undefined || said === null) return {}
  const result = schema.safeParse(said)
  if (result.success) return result.data
  throw new EcdockError('USAGE', OP, `${GENERIC} does not hold options`)
}

function checkTogether({ socketDir, createSockets, socketGroup, managementSocket }: NetworkOptions): void {
  if (socketDir === undefined) {
    if (managementSocket !== undefined) {
      throw refused('management_socket', 'is given without socket_dir', 'Give both, or neither.')
    }
    return
  }
  if (managementSocket?.startsWith(`${socketDir}/`)) {
    throw refused(
      'management_socket',
      'lies in socket_dir, where the switch has its ports',
      'Put it beside it.',
    )
  }
  if (!createSockets && socketGroup !== undefined) {
    const hint = 'Whoever has started the switch has said whose it is; or start one with create_sockets=true.'
    throw refused('socket_group', 'is of no use with an existing switch', hint)
  }
}

function path(value: string, option: string, longest: number): string {
  if (!isAbsolute(value)) {
    throw refused(option, `is ${quoted(value)}, which is no absolute path`, 'Begin it with /.')
  }
  if (/\p{Cc}/u.test(value))
    throw refused(option, `has control characters: ${quoted(value)}`, 'Choose another.')
  const clean = normalize(value).replace(/\/+$/, '')
  if (clean === '') throw refused(option, 'is the root directory', 'Choose a directory of its own.')
  const bytes = Buffer.byteLength(clean)
  if (bytes <= longest) return clean
  throw refused(
    option,
    `has ${bytes} bytes, and the path of a socket has room for ${longest} of them: ${quoted(clean)}`,
    'Choose a shorter one.',
  )
}

function group(value: string, option: string): string {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}\$?$/.test(value)) return value
  throw refused(
    option,
    `is ${quoted(value)}, which is no group's name`,
    'Give a name of /etc/group, or a number.',
  )
}

function whole(value: string, option: string, low: number, high: number): number {
  const number = /^[1-9]\d{0,8}$/.test(value) ? Number(value) : Number.NaN
  if (number >= low && number <= high) return number
  throw refused(option, `is ${quoted(value)}`, `Give a whole number from ${low} to ${high}.`)
}

function yesOrNo(value: string, option: string): boolean {
  const lower = value.toLowerCase()
  if (YES.includes(lower)) return true
  if (NO.includes(lower)) return false
  throw refused(option, `is ${quoted(value)}`, 'Give true or false.')
}

/** The API takes only texts, but a compose file's numbers and booleans come through some of its clients. */
function textOf(value: unknown, option: string): string {
  if (typeof value === 'string' && value.length <= 4096) return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  throw refused(option, 'is no text', 'Write it as -o NAME=VALUE.')
}

function unknown(option: string, known: readonly string[]): EcdockError {
  const message = `there is no option ${quoted(option)} of networks of the driver vde`
  return new EcdockError('USAGE', OP, message, { hint: `There are ${known.join(', ')}.` })
}

function refused(option: string, why: string, hint: string): EcdockError {
  return new EcdockError('USAGE', OP, `the option ${option} ${why}`, { hint })
}
