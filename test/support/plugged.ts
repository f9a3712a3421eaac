import * as assert from 'uvu/assert'
import type { PlugOutcome, Port, UnplugOutcome } from '../../src/vswitch/vswitch.js'
import { inside } from './netns.js'
import { megabyteEachWay } from './traffic.js'

/** The ports of outcomes that all must be good. */
export function portsOf(outcomes: readonly PlugOutcome[]): Port[] {
  return outcomes.map((outcome) => {
    if (!outcome.ok) throw outcome.error
    return outcome.port
  })
}

/** Throws unless all slots were unplugged. */
export function assertUnplugged(outcomes: readonly UnplugOutcome[]): void {
  for (const outcome of outcomes) if (!outcome.ok) throw outcome.error
}

/** What an EcdockError of this outcome is called, or the slot that it got. */
export function codeOrSlot(outcome: PlugOutcome | UnplugOutcome): string | number {
  if (!outcome.ok) return outcome.error.code
  return 'port' in outcome ? outcome.port.slot : outcome.slot
}

/** A megabyte of TCP each way between each target and the next, over IPv4 and IPv6 by turns. */
export async function trafficAround(paths: readonly string[], ports: readonly Port[]): Promise<void> {
  for (const [at, path] of paths.entries()) {
    const next = (at + 1) % paths.length
    const port = ports[next]
    const address = at % 2 === 0 ? port?.ipv4 : port?.ipv6
    await megabyteEachWay(path, paths[next] ?? '', withoutPrefix(address ?? ''))
  }
}

/** A megabyte of TCP each way between a target and the vswitch's own address, over IPv4 and IPv6. */
export async function trafficWithHost(
  path: string,
  port: Port,
  own: { ipv4: string; ipv6: string },
): Promise<void> {
  await megabyteEachWay('', path, withoutPrefix(port.ipv4))
  await megabyteEachWay(path, '', own.ipv4)
  await megabyteEachWay(path, '', own.ipv6)
}

/** Throws unless the target side of this port is as the port says, as `ip` shows it. */
export async function assertAsIpShows(path: string, port: Port): Promise<void> {
  const [link] = JSON.parse(await inside(path, 'ip', ['-json', 'address', 'show', port.ifname])) as {
    address: string
    mtu: number
    flags: string[]
    addr_info: { local: string; prefixlen: number; scope: string; tentative?: boolean }[]
  }[]
  assert.is(link?.address, port.mac)
  assert.is(link?.mtu, port.mtu)
  assert.ok(link?.flags.includes('UP'))
  const addresses = (link?.addr_info ?? []).filter(({ scope }) => scope === 'global')
  assert.equal(
    addresses.map(({ local, prefixlen }) => `${local}/${prefixlen}`),
    [port.ipv4, port.ipv6].filter((address) => address !== ''),
  )
  assert.ok(addresses.every(({ tentative }) => tentative !== true))
}

export function withoutPrefix(address: string): string {
  return address.replace(/\/\d+$/, '')
}
