import { EcdockError } from '../errors.js'

/** Where Docker listens: a unix socket, or a TCP port of this machine. */
export type DockerAddress = { socketPath: string } | { host: string; port: number }

export const DEFAULT_DOCKER = 'unix:///var/run/docker.sock'
/** sun_path (unix(7)) without its closing NUL, in bytes. */
const LONGEST_SOCKET_PATH = 107
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]'])

/**
 * Reads `unix:///run/docker.sock`, `/run/docker.sock` or `tcp://127.0.0.1:2375`; without a text, DOCKER_HOST
 * and then Docker's usual socket. Throws USAGE when it cannot be read, and UNSUPPORTED for a Docker that
 * runs on another machine or behind TLS: the process ids that it tells would mean nothing here.
 */
export function parseDockerAddress(text?: string, environment = process.env.DOCKER_HOST): DockerAddress {
  const address = text || environment || DEFAULT_DOCKER
  const path = address.startsWith('unix://') ? address.slice('unix://'.length) : address
  if (path.startsWith('/')) {
    if (path.includes('\0') || Buffer.byteLength(path) > LONGEST_SOCKET_PATH) {
      throw unreadable(address, `the path of a socket has at most ${LONGEST_SOCKET_PATH} bytes`)
    }
    return { socketPath: path }
  }
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url === undefined || url.hostname === '' || (url.protocol !== 'tcp:' && url.protocol !== 'http:')) {
    if (/^(ssh|https|npipe|fd):/.test(address)) throw unsupported(address)
    throw unreadable(address, 'it has the form unix:///path/of/socket or tcp://127.0.0.1:2375')
  }
  if (!LOOPBACK.has(url.hostname)) throw unsupported(address)
  const port = url.port === '' ? 2375 : Number(url.port)
  return { host: url.hostname, port }
}

/** As people write it: `unix:///run/docker.sock` or `tcp://127.0.0.1:2375`. */
export function formatDockerAddress(address: DockerAddress): string {
  return 'socketPath' in address ? `unix://${address.socketPath}` : `tcp://${address.host}:${address.port}`
}

function unreadable(address: string, why: string): EcdockError {
  const shown = JSON.stringify(address.slice(0, 200))
  return new EcdockError('USAGE', 'docker', `${shown} is not an address of Docker: ${why}`)
}

function unsupported(address: string): EcdockError {
  const shown = JSON.stringify(address.slice(0, 200))
  return new EcdockError(
    'UNSUPPORTED',
    'docker',
    `Docker at ${shown} is not on this machine, or behind TLS`,
    {
      hint: 'Containers can be plugged only where they run: use the unix socket of a Docker on this machine.',
    },
  )
}
