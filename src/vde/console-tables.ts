import { unexpected } from './failure.js'

/** What the tables of a management console say, as vde-2's port.c, hash.c and consmgmt.c print them. */

export interface SwitchInfo {
  /** Such as `2.3.2`. */
  version: string
  pid: number
  mac: string
  uptimeSeconds: number
  /** Path of the console's socket. */
  mgmt?: string
}

export interface PortCounters {
  packets: number
  bytes: number
}

export interface ConsolePort {
  port: number
  untaggedVlan: number
  /** Something is plugged in. */
  active: boolean
  /** Given to clients that ask for no port by number. */
  allocatable: boolean
  /** Whoever plugged in, `NONE` when nobody has. */
  currentUser: string
  /** Who alone may plug in; `NONE`: anybody. */
  allowedUser: string
  allowedGroup: string
  /** What came from the port; absent when the switch does not count. */
  in?: PortCounters
  /** What went to it. */
  out?: PortCounters
  endpoints: Endpoint[]
}

/** One client of a port. */
export interface Endpoint {
  id: number
  /** The switch's own word for what kind it is, such as `unix prog`. */
  module: string
  description: string
}

export interface HashEntry {
  mac: string
  vlan: number
  port: number
  ageSeconds: number
}

export interface PortSettings {
  maxPorts: number
  hub: boolean
}

/** Throws VDE_PROTOCOL, as all here do, when a line that must be there is not. */
export function readSwitchInfo(lines: readonly string[]): SwitchInfo {
  const text = lines.join('\n')
  const [, version] = /^\S.*\bV\.(\S+)/m.exec(text) ?? []
  const [, pid, mac, uptime] = /^pid (\d+) MAC ([0-9a-f:]{17}) uptime (\d+)/m.exec(text) ?? []
  const [, mgmt] = /^mgmt (.+) perm 0?\d+$/m.exec(text) ?? []
  if (version === undefined || pid === undefined || mac === undefined)
    throw unexpected('no showinfo that can be read')
  return {
    version,
    pid: Number(pid),
    mac,
    uptimeSeconds: Number(uptime),
    ...(mgmt !== undefined && { mgmt }),
  }
}

const PORT = /^Port (\d+) untagged_vlan=(\d+) (IN)?ACTIVE - (NOT )?Unnamed Allocatable/
const USERS = /^ Current User: (\S+) Access Control: \(User: (\S+) - Group: (\S+)\)/
const COUNTERS = /^ (IN|OUT): +pkts +(\d+) +bytes +(\d+)/
const ENDPOINT = /^ {2}-- endpoint ID (\d+) module (.{12,}?) *: (.*)$/

/** Lines that say something else are passed over: other makes and plug-ins add their own. */
export function readPorts(lines: readonly string[]): ConsolePort[] {
  const ports: ConsolePort[] = []
  for (const line of lines) {
    const begun = PORT.exec(line)
    if (begun !== null) {
      ports.push({
        port: Number(begun[1]),
        untaggedVlan: Number(begun[2]),
        active: begun[3] === undefined,
        allocatable: begun[4] === undefined,
        currentUser: 'NONE',
        allowedUser: 'NONE',
        allowedGroup: 'NONE',
        endpoints: [],
      })
      continue
    }
    const port = ports.at(-1)
    if (port !== undefined) readDetail(port, line)
  }
  return ports
}

function readDetail(port: ConsolePort, line: string): void {
  const [, current, user, group] = USERS.exec(line) ?? []
  if (current !== undefined) {
    port.currentUser = current
    port.allowedUser = user ?? 'NONE'
    port.allowedGroup = group ?? 'NONE'
    return
  }
  const [, direction, packets, bytes] = COUNTERS.exec(line) ?? []
  if (direction !== undefined) {
    port[direction === 'IN' ? 'in' : 'out'] = { packets: Number(packets), bytes: Number(bytes) }
    return
  }
  const [, id, module = '', description = ''] = ENDPOINT.exec(line) ?? []
  if (id !== undefined) port.endpoints.push({ id: Number(id), module: module.trimEnd(), description })
}

const HASH = /^Hash: +\d+ +Addr: ([0-9a-f:]{17}) +VLAN (\d+) to port: (\d+) +age (-?\d+) secs/

export function readHash(lines: readonly string[]): HashEntry[] {
  return lines.flatMap((line) => {
    const [, mac, vlan, port, age] = HASH.exec(line) ?? []
    if (mac === undefined) return []
    return [{ mac, vlan: Number(vlan), port: Number(port), ageSeconds: Number(age) }]
  })
}

export function readPortSettings(lines: readonly string[]): PortSettings {
  const text = lines.join('\n')
  const [, max] = /^Numports=(\d+)/m.exec(text) ?? []
  if (max === undefined) throw unexpected('no port/showinfo that can be read')
  return { maxPorts: Number(max), hub: /^HUB=true/m.test(text) }
}

/** What happens on a switch, after `debug/add port`. */
export type ConsoleEvent =
  | { type: 'port-added'; port: number }
  | { type: 'port-removed'; port: number }
  | { type: 'endpoint-added'; port: number; id: number }
  | { type: 'endpoint-removed'; port: number; id: number }
  | { type: 'described'; port: number; id: number; description: string }
  /** Whatever else the switch tells, such as of its forwarding table. */
  | { type: 'other'; code: number; text: string }

/** The codes are made of what and how (vde_switch's switch.h): 020 a port, 030 an endpoint; 1 more, 2 less, 3 described. */
export function readEvent(code: number, text: string): ConsoleEvent {
  const words = text.slice(text.indexOf(' ') + 1)
  const [, only] = /^(\d+)$/.exec(words) ?? []
  const [, port, id, description] = /^Port (\d+) FD +(\d+)(?: -> "(.*)")?$/.exec(words) ?? []
  if (code === 3021 && only !== undefined) return { type: 'port-added', port: Number(only) }
  if (code === 3022 && only !== undefined) return { type: 'port-removed', port: Number(only) }
  if (port !== undefined) {
    const place = { port: Number(port), id: Number(id) }
    if (code === 3031) return { type: 'endpoint-added', ...place }
    if (code === 3032) return { type: 'endpoint-removed', ...place }
    if (code === 3023 && description !== undefined) return { type: 'described', ...place, description }
  }
  return { type: 'other', code, text }
}
