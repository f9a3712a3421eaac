import * as assert from 'uvu/assert'
import { inside } from './netns.js'

const SYSCTLS =
  'cd /proc/sys/net && grep -rs "" ipv4/conf ipv6/conf --exclude=stable_secret --exclude-dir=all | sort'

/**
 * A network namespace as `ip` and /proc/sys show it: links with all their properties, addresses, routes and the
 * settings below net/ipv4/conf and net/ipv6/conf. Equal pictures mean that nothing of it has changed. `netns` is a
 * path.
 */
export async function picture(netns: string): Promise<string> {
  const [addresses, routes, routes6, sysctls] = await Promise.all([
    inside(netns, 'ip', ['-json', '-details', 'address', 'show']),
    inside(netns, 'ip', ['-json', 'route', 'show', 'table', 'all']),
    inside(netns, 'ip', ['-json', '-6', 'route', 'show', 'table', 'all']),
    inside(netns, 'sh', ['-c', SYSCTLS]),
  ])
  const parts = { addresses: JSON.parse(addresses), routes: JSON.parse(routes), routes6: JSON.parse(routes6) }
  return `${JSON.stringify(parts, undefined, 1)}\n${sysctls}`
}

/** Throws when two pictures differ, and shows the lines that do. */
export function assertUnchanged(now: string, before: string): void {
  const lines = [before.split('\n'), now.split('\n')] as const
  const [gone, come] = [
    lines[0].filter((line) => !lines[1].includes(line)),
    lines[1].filter((line) => !lines[0].includes(line)),
  ]
  assert.equal({ gone, come }, { gone: [], come: [] })
  assert.ok(now === before, 'the order of the lines has changed')
}
