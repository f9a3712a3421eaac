import { EcdockError } from '../../errors.js'
import { quoted } from '../../quoted.js'
import { checkIfname } from '../names.js'
import type { PlugOptions } from '../vswitch.js'
import { ALLOWED } from './allowed-sysctls.js'

/** A setting as a plan takes it. */
export interface PortSysctl {
  /** The path below /proc/sys/net; `{ifname}` stands for the interface that is plugged in. */
  key: string
  value: string
}

/** Docker's word for the interface of an endpoint, in its option com.docker.network.endpoint.sysctls. */
const THIS_INTERFACE = 'IFNAME'
const MOST_SYSCTLS = 128
const LONGEST_KEY = 128
const LONGEST_VALUE = 64

/** Of the namespace as a whole. */
const WHOLE = new Set(
  Object.entries(ALLOWED).flatMap(([family, { keys }]) => keys.map((key) => `${family}/${key}`)),
)
/** Of each interface, without its name. */
const EACH = new Set(
  Object.entries(ALLOWED).flatMap(([family, { rooms }]) =>
    Object.entries(rooms).flatMap(([room, keys]) => keys.map((key) => `${family}/${room}/${key}`)),
  ),
)

/** What `sysctls` asks for, in the order given. Throws USAGE, and UNSUPPORTED for what is not allowed. */
export function portSysctls({ sysctls = {} }: Pick<PlugOptions, 'sysctls'>): PortSysctl[] {
  if (typeof sysctls !== 'object' || sysctls === null || Array.isArray(sysctls)) {
    throw usage(`sysctls is ${quoted(sysctls)}, which is no object`, "Give { 'net.ipv4.ip_forward': '1' }.")
  }
  const entries = Object.entries(sysctls)
  if (entries.length > MOST_SYSCTLS) {
    throw usage(
      `there are ${entries.length} sysctls; there may be ${MOST_SYSCTLS}`,
      'Set the others by sysctl(8).',
    )
  }
  return entries.map(([name, value]) => ({ key: allowedKey(name), value: checkedValue(name, value) }))
}

/** Whether these settings leave the interface without IPv6. */
export function disablesIpv6(sysctls: readonly PortSysctl[], ifname: string): boolean {
  if (sysctls.length === 0) return false
  const places = ['all', '{ifname}', ifname].map((place) => `ipv6/conf/${place}/disable_ipv6`)
  return sysctls.some(({ key, value }) => places.includes(key) && Number(value) !== 0)
}

/** The path of a setting that may be written. sysctl(8) takes dots or slashes; a name with a dot needs slashes. */
function allowedKey(name: string): string {
  const path = name.length <= LONGEST_KEY ? pathOf(name) : undefined
  if (path === undefined) throw refused(name)
  const [family = '', room = '', ifname = '', key = ''] = path
  if (path.length === 2 && WHOLE.has(path.join('/'))) return path.join('/')
  if (path.length !== 4 || !EACH.has(`${family}/${room}/${key}`)) throw refused(name)
  if (ifname === THIS_INTERFACE) return `${family}/${room}/{ifname}/${key}`
  if (ifname !== 'all' && ifname !== 'default') checkIfname(ifname)
  return path.join('/')
}

/** `net.ipv4.conf.eth0.100.rp_filter` as well: what is between the room and the key is the interface. */
function pathOf(name: string): string[] | undefined {
  if (name.includes('/')) {
    const [net, ...path] = name.split('/')
    return net === 'net' ? path : undefined
  }
  const [net, family = '', room, ...rest] = name.split('.')
  if (net !== 'net' || room === undefined) return undefined
  if (rest.length < 2) return [family, room, ...rest]
  return [family, room, rest.slice(0, -1).join('.'), rest.at(-1) ?? '']
}

/** Numbers, or several with spaces between them. What they may be, the kernel knows. */
function checkedValue(name: string, value: unknown): string {
  const text = typeof value === 'number' ? String(value) : value
  if (typeof text === 'string' && text.length <= LONGEST_VALUE && /^-?\d+([ \t]+-?\d+)*$/.test(text))
    return text
  throw usage(
    `sysctl ${quoted(name)}: ${quoted(value)} is no value`,
    'Give a whole number, or several with spaces between.',
  )
}

function refused(name: string): EcdockError {
  return new EcdockError('UNSUPPORTED', 'plug', `sysctl ${quoted(name)} cannot be set by a plug`, {
    hint: `Those that can: ${allowedNames().join(', ')}. IFNAME is the interface that is plugged in, all, default, or another's name.`,
  })
}

/** All that can be set, those of an interface in one word: `net.ipv4.conf.IFNAME.{accept_local,…}`. */
export function allowedNames(): string[] {
  return Object.entries(ALLOWED).flatMap(([family, { keys, rooms }]) => [
    ...keys.map((key) => `net.${family}.${key}`),
    ...Object.entries(rooms).map(([room, inside]) => `net.${family}.${room}.IFNAME.{${inside.join(',')}}`),
  ])
}

function usage(message: string, hint: string): EcdockError {
  return new EcdockError('USAGE', 'plug', message, { hint })
}
