import { get } from 'node:http'
import { formatDockerAddress, parseDockerAddress } from '../docker/address.js'
import type { Check } from './report.js'

const ABOUT = { name: 'Docker', neededFor: 'targets that are containers', optional: true }

/** What Docker's `GET /_ping` answered. */
export interface Ping {
  status: number
  /** The `Server` header, such as `Docker/20.10.24 (linux)`. */
  server: string
}

/** Whether Docker answers within `timeoutMs`. Changes nothing. */
export async function dockerCheck(docker: string, timeoutMs: number): Promise<Check> {
  try {
    const address = parseDockerAddress(docker)
    return pingCheck(formatDockerAddress(address), await ping(address, timeoutMs))
  } catch (error) {
    const hint = hintFor(error)
    const detail = error instanceof Error ? error.message || String(error) : String(error)
    return { ...ABOUT, status: 'missing', detail, hint }
  }
}

export function pingCheck(where: string, { status, server }: Ping): Check {
  if (status !== 200) {
    const detail = `${where} answers with HTTP status ${status}`
    return { ...ABOUT, status: 'missing', detail, hint: 'See whether dockerd is healthy: docker info.' }
  }
  const version = /^Docker\/([\w.+-]{1,40})/.exec(server)?.[1]
  return { ...ABOUT, status: 'ok', detail: `Docker${version === undefined ? '' : ` ${version}`} at ${where}` }
}

function hintFor(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'EACCES') return 'Run as root, or as a member of the group docker.'
  return 'Install and start Docker (docker.io), or say where it is with --docker.'
}

function ping(address: ReturnType<typeof parseDockerAddress>, timeoutMs: number): Promise<Ping> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs)
    const where = formatDockerAddress(address)
    const request = get({ ...address, path: '/_ping', agent: false, signal }, (response) => {
      response.on('error', () => {}).destroy()
      resolve({ status: response.statusCode ?? 0, server: String(response.headers.server ?? '') })
    })
    request.on('error', (error) => {
      reject(signal.aborted ? new Error(`${where} does not answer within ${timeoutMs} ms`) : error)
    })
  })
}
