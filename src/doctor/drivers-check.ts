import { request } from 'node:http'
import type { Check } from './report.js'

const ABOUT = { name: 'Docker drivers', neededFor: 'Docker networks of the driver vde', optional: true }

/** Whether the service's network driver answers at its socket within `timeoutMs`. Changes nothing. */
export async function driversCheck(socketPath: string, timeoutMs: number): Promise<Check> {
  try {
    const status = await activate(socketPath, timeoutMs)
    if (status === 200) return { ...ABOUT, status: 'ok', detail: `served at ${socketPath}` }
    throw new Error(`${socketPath} answers with HTTP status ${status}`)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const detail = code === 'ENOENT' || code === 'ECONNREFUSED' ? `nobody listens on ${socketPath}` : message
    const hint = 'Start "ecdock-fast daemon"; examples/ecdock-fast.service does it at boot.'
    return { ...ABOUT, status: 'missing', detail, hint }
  }
}

/** What Docker says first to a plugin; it may be said at any time. */
function activate(socketPath: string, timeoutMs: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs)
    const asked = request(
      { socketPath, method: 'POST', path: '/Plugin.Activate', agent: false, signal },
      (answer) => {
        answer.on('error', () => {}).destroy()
        resolve(answer.statusCode ?? 0)
      },
    )
    asked.on('error', (error) => {
      reject(signal.aborted ? new Error(`${socketPath} does not answer within ${timeoutMs} ms`) : error)
    })
    asked.end()
  })
}
