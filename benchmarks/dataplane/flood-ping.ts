import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The last line of ping -q -f of iputils, in ms. */
const SUMMARY = /^rtt min\/avg\/max\/mdev = [\d.]+\/([\d.]+)\/.* ipg\/ewma ([\d.]+)\//m

export interface FloodPing {
  /**
   * The mean that ping tells: from the request until the kernel has the answer, which it notes for ping (SO_TIMESTAMP).
   */
  roundTripUs: number
  /** The mean from one request to the next, which is sent as soon as ping has been woken with the answer. */
  intervalUs: number
}

/** `ping -f` from a named network namespace, until so many requests are answered. Throws when one is lost. */
export async function floodPing(netns: string, address: string, count: number): Promise<FloodPing> {
  const ping = ['ping', '-q', '-f', '-c', String(count), address]
  const { stdout } = await run('ip', ['netns', 'exec', netns, ...ping])
  const [, roundTrip, interval] = SUMMARY.exec(stdout) ?? []
  if (roundTrip === undefined || interval === undefined || !stdout.includes(' 0% packet loss')) {
    throw new Error(`ping -f ${address}: ${stdout}`)
  }
  return { roundTripUs: Number(roundTrip) * 1000, intervalUs: Number(interval) * 1000 }
}
