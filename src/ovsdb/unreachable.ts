import { EcdockError } from '../errors.js'
import type { Endpoint } from './endpoint.js'

/** OVSDB_UNREACHABLE, with what to do about it. `errno` is the connection's, such as `ECONNREFUSED`. */
export function unreachable(endpoint: Endpoint, why: string, errno?: string, cause?: unknown): EcdockError {
  const place = 'path' in endpoint ? endpoint.path : `${endpoint.host} port ${endpoint.port}`
  const message = `No OVSDB server can be reached at ${place}: ${why}.`
  return new EcdockError('OVSDB_UNREACHABLE', 'ovsdb connect', message, {
    errno,
    hint: connectHint(endpoint, errno),
    cause,
  })
}

function connectHint(endpoint: Endpoint, errno: string | undefined): string {
  if (errno === 'EACCES') return 'Run as root: the socket of OVSDB is open to root only.'
  if (errno !== undefined && !/^E[A-Z]+$/.test(errno)) {
    return 'The certificate of the server has to be signed by one of those in `ca`, and ours by one that it knows.'
  }
  if ('path' in endpoint) {
    return 'Start Open vSwitch (systemctl start openvswitch-switch), or say where its socket is.'
  }
  return `Let the server listen there: ovs-vsctl set-manager ${endpoint.tls ? 'pssl' : 'ptcp'}:${endpoint.port}`
}
