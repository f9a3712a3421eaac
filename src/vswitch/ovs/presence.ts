import { EcdockError } from '../../errors.js'
import type { OvsdbClient } from '../../ovsdb/client.js'
import type { MadePort } from '../backend.js'
import { slotTaken } from '../plug-failure.js'
import { portError } from './verdict.js'

/** How long vswitchd may take to notice that a device is gone, in ms: it may not be running at all. */
const NOTICE_MS = 5000

/**
 * What vswitchd knows of a slot's device it writes into Interface.ifindex: the index of the device that it has taken in,
 * and 0 or nothing when it has let go of it. (Interface.ofport and .error stay as they are on the userspace datapath.)
 */
function knownIfindex(client: OvsdbClient, hostIfname: string): number {
  return client.replica.byName('Interface', hostIfname)?.ifindex ?? 0
}

/** Whether vswitchd still takes a device of this name for present. */
export function isPresent(client: OvsdbClient, hostIfname: string): boolean {
  return knownIfindex(client, hostIfname) > 0
}

/** Waits until vswitchd has let go of these devices. False when it takes too long; then it does not run, or hangs. */
export async function noticedGone(client: OvsdbClient, hostIfnames: readonly string[]): Promise<boolean> {
  const left = new Set(hostIfnames)
  try {
    await client.replica.until(
      () => {
        for (const name of left) if (!isPresent(client, name)) left.delete(name)
        return left.size === 0
      },
      { timeoutMs: Math.min(NOTICE_MS, client.requestTimeoutMs) },
    )
    return true
  } catch (error) {
    if (error instanceof EcdockError && error.code === 'TIMEOUT') return false
    throw error
  }
}

/**
 * Waits until vswitchd has taken in the devices of these ports, whose rows were there before. One answer for each: what
 * went wrong with it, or undefined.
 */
export async function takenIn(
  client: OvsdbClient,
  bridge: string,
  made: readonly MadePort[],
  signal: AbortSignal | undefined,
): Promise<Map<MadePort, EcdockError | undefined>> {
  const verdicts = new Map<MadePort, EcdockError | undefined>()
  if (made.length === 0) return verdicts
  const left = new Set(made)
  const look = () => {
    for (const port of left) {
      const { hostIfname, slot } = port.wiring
      const row = client.replica.byName('Interface', hostIfname)
      if (row === undefined) verdicts.set(port, portError(bridge, port.wiring, row))
      else if (row.ifindex !== port.ifindex || row.ofport === undefined || row.ofport < 0) continue
      else if (row.ofport !== slot) verdicts.set(port, slotTaken(bridge, slot, `port number ${row.ofport}`))
      else {
        verdicts.set(port, undefined)
        port.port.ofport = row.ofport
      }
      left.delete(port)
    }
    return left.size === 0
  }
  try {
    await client.replica.until(look, { timeoutMs: client.requestTimeoutMs, signal })
  } catch (error) {
    if (!(error instanceof EcdockError)) throw error
    for (const port of left)
      verdicts.set(port, error.code === 'TIMEOUT' ? ignored(client, bridge, port) : error)
  }
  return verdicts
}

function ignored(client: OvsdbClient, bridge: string, { wiring }: MadePort): EcdockError {
  const row = client.replica.byName('Interface', wiring.hostIfname)
  const known = portError(bridge, wiring, row)
  if (known !== undefined) return known
  const message = `Open vSwitch has not taken in ${wiring.hostIfname} within ${client.requestTimeoutMs} ms`
  return new EcdockError('TIMEOUT', 'plug', message, {
    hint: 'Is ovs-vswitchd running? On Debian and Ubuntu: systemctl status ovs-vswitchd',
  })
}
