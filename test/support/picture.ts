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
