import { posix } from 'node:path'
import { EcdockError } from '../errors.js'
import { parseEndpoints } from '../ovsdb/endpoint.js'
import { quoted } from '../quoted.js'

/** Where ovs-vswitchd keeps its sockets when nobody says otherwise. */
const DEFAULT_RUNDIR = '/var/run/openvswitch'

/** Longest path of a unix socket in bytes: sun_path of unix(7) without its closing NUL. */
const MAX_UNIX_PATH = 107

export interface ManagementSocketOptions {
  /** The directory of vswitchd's sockets, as OVS_RUNDIR says it. */
  runDir?: string | undefined
  /** Else: where OVSDB listens, such as `unix:/run/openvswitch/db.sock`. vswitchd's sockets are beside it. */
  ovsdb?: string | undefined
}

/**
 * The path of a bridge's management socket, `RUNDIR/BRIDGE.mgmt` (ovs-vswitchd(8), ovs-ofctl(8)). Without a
 * run directory and with OVSDB on TCP it is taken to be in /var/run/openvswitch. Throws NAME_INVALID, and
 * USAGE when the path is not absolute or longer than a unix socket's can be.
 */
export function managementSocket(bridge: string, options: ManagementSocketOptions = {}): string {
  // With a slash it would lead elsewhere; Open vSwitch makes no such bridge either.
  if (typeof bridge !== 'string' || bridge === '' || /[/\0]/.test(bridge)) {
    throw new EcdockError('NAME_INVALID', 'openflow connect', `${quoted(bridge)} is no name of a bridge`)
  }
  const directory = options.runDir ?? directoryBeside(options.ovsdb) ?? DEFAULT_RUNDIR
  const path = `${directory.replace(/\/+$/, '')}/${bridge}.mgmt`
  checkSocketPath(path)
  return path
}

/** Throws USAGE for a path that no unix socket can have. */
export function checkSocketPath(path: string): void {
  const refuse = (why: string) => {
    const hint = 'Say where the sockets of ovs-vswitchd are, such as /var/run/openvswitch.'
    return new EcdockError('USAGE', 'openflow connect', `${quoted(path)} is no path of a socket: ${why}`, {
      hint,
    })
  }
  if (typeof path !== 'string' || !path.startsWith('/')) throw refuse('it must be absolute')
  if (path.includes('\0')) throw refuse('it holds a NUL')
  const bytes = Buffer.byteLength(path)
  if (bytes > MAX_UNIX_PATH) throw refuse(`it has ${bytes} bytes, and at most ${MAX_UNIX_PATH} are possible`)
}

function directoryBeside(ovsdb: string | undefined): string | undefined {
  if (ovsdb === undefined) return undefined
  const local = parseEndpoints(ovsdb).find((endpoint) => 'path' in endpoint)
  return local !== undefined && 'path' in local ? posix.dirname(local.path) : undefined
}
