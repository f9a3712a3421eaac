import { EcdockError } from '../errors.js'

/** Where an OVSDB server listens, in the form that `net.connect` takes; `tls` where it speaks TLS. */
export type Endpoint = { path: string } | { host: string; port: number; tls?: true }

/** Where Open vSwitch's own server listens. */
export const DEFAULT_OVSDB = 'unix:/run/openvswitch/db.sock'

/** The port that IANA gave to OVSDB (RFC 7047 section 6). */
const OVSDB_PORT = 6640

/** Longest path of a unix socket in bytes: sun_path of unix(7) without its closing NUL. */
const MAX_UNIX_PATH = 107

/** More servers than any cluster has. */
const MAX_REMOTES = 64

/** The texts of endpoints with commas between them; a comma may be part of a unix socket's path, too. */
export function splitEndpoints(text: string): string[] {
  return text.split(/,(?=(?:unix|tcp|ssl):)/)
}

/** The endpoints that `text` names, with commas between them, as the servers of a cluster (ovsdb(7)). Throws USAGE. */
export function parseEndpoints(text: string): Endpoint[] {
  const endpoints = splitEndpoints(text).map(parseEndpoint)
  if (endpoints.length > MAX_REMOTES) throw refuse(text, `there are more than ${MAX_REMOTES}`)
  return endpoints
}

/**
 * The endpoint that `text` names: `unix:/path`, `tcp:host`, `tcp:host:port` or `tcp:[::1]:6640`, and `ssl:` as
 * `tcp:`, as in ovsdb(7). Throws USAGE.
 */
export function parseEndpoint(text: string): Endpoint {
  const separator = text.indexOf(':')
  const scheme = text.slice(0, separator)
  const rest = text.slice(separator + 1)
  if (scheme === 'unix') return unixEndpoint(text, rest)
  if (scheme === 'tcp') return tcpEndpoint(text, rest)
  if (scheme === 'ssl') return { ...tcpEndpoint(text, rest), tls: true }
  throw refuse(text, 'it must begin with unix:, tcp: or ssl:')
}

function unixEndpoint(text: string, path: string): Endpoint {
  if (!path.startsWith('/')) throw refuse(text, 'the path of a unix socket must be absolute')
  if (path.includes('\0')) throw refuse(text, 'the path holds a NUL')
  if (Buffer.byteLength(path) > MAX_UNIX_PATH) {
    throw refuse(text, `the path of a unix socket holds at most ${MAX_UNIX_PATH} bytes`)
  }
  return { path }
}

function tcpEndpoint(text: string, rest: string): { host: string; port: number } {
  const match = /^(?:\[([0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|([\w.-]+))(?::(\d{1,5}))?$/.exec(rest)
  const host = match?.[1] ?? match?.[2]
  if (host === undefined) throw refuse(text, 'expected HOST:PORT or [IPV6]:PORT')
  const port = match?.[3] === undefined ? OVSDB_PORT : Number(match[3])
  if (port < 1 || port > 65535) throw refuse(text, 'a port is a number from 1 to 65535')
  return { host, port }
}

function refuse(text: string, why: string): EcdockError {
  const shown = JSON.stringify(text.length > 200 ? `${text.slice(0, 199)}…` : text)
  return new EcdockError('USAGE', 'ovsdb connect', `${shown} is no OVSDB endpoint: ${why}.`, {
    hint: 'Examples: unix:/run/openvswitch/db.sock, tcp:127.0.0.1:6640, ssl:ovs.example:6640.',
  })
}
