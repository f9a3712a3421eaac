import net from 'node:net'
import tls from 'node:tls'
import { EcdockError } from '../errors.js'
import { Pending } from '../pending.js'
import type { Endpoint } from './endpoint.js'
import { unreachable } from './unreachable.js'

/** What `ssl:` endpoints need. Each is PEM text, as the files are that ovs-vsctl(8) takes for set-ssl. */
export interface TlsOptions {
  /** Certificates of those who may have signed the server's. Nobody else is trusted. */
  ca: string | Buffer
  /** Our own key and certificate; a server of Open vSwitch asks for them. */
  key?: string | Buffer | undefined
  cert?: string | Buffer | undefined
  /**
   * The name that the server's certificate has to be for. Without it any certificate that `ca` has signed
   * will do, as with the programs of Open vSwitch, whose certificates name no host.
   */
  serverName?: string | undefined
}

export interface DialOptions {
  /** In ms. */
  connectTimeoutMs: number
  signal?: AbortSignal | undefined
  tls?: TlsOptions | undefined
}

/**
 * A socket that is connected, and with TLS has seen the server's certificate. Throws USAGE (no or unusable `tls`
 * options), OVSDB_UNREACHABLE (with a hint) or CANCELLED.
 */
export async function dial(endpoint: Endpoint, options: DialOptions): Promise<net.Socket> {
  const opened = new Pending<void>({
    op: 'ovsdb connect',
    timeoutMs: options.connectTimeoutMs,
    signal: options.signal,
    expired: () => unreachable(endpoint, `no connection within ${options.connectTimeoutMs} ms`),
  })
  let socket: net.Socket | undefined
  try {
    const encrypted = 'tls' in endpoint
    socket = encrypted ? dialTls(endpoint, options.tls) : net.connect(endpoint)
    socket.once(encrypted ? 'secureConnect' : 'connect', () => opened.resolve())
    // It stays for good: an error without a listener would end the process.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      opened.reject(unreachable(endpoint, error.message, error.code, error))
    })
    socket.once('close', () => opened.reject(unreachable(endpoint, 'the server hung up')))
  } catch (error) {
    opened.reject(error)
  }
  try {
    await opened.promise
  } catch (error) {
    socket?.destroy()
    throw error
  }
  if (socket === undefined) throw unreachable(endpoint, 'no socket')
  return socket
}

function dialTls(
  { host, port }: { host: string; port: number },
  options: TlsOptions | undefined,
): net.Socket {
  if (options === undefined) throw unusable('an ssl: endpoint needs the option `tls`, with at least its `ca`')
  const { ca, key, cert, serverName } = options
  try {
    return tls.connect({
      host,
      port,
      ca,
      key,
      cert,
      ...(serverName === undefined
        ? { checkServerIdentity: () => undefined }
        : {
            servername: serverName,
            checkServerIdentity: (_host, peer) => tls.checkServerIdentity(serverName, peer),
          }),
    })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw unusable(`the key or a certificate cannot be used: ${why}`, cause)
  }
}

function unusable(why: string, cause?: unknown): EcdockError {
  return new EcdockError('USAGE', 'ovsdb connect', `No TLS is possible: ${why}.`, { cause })
}
