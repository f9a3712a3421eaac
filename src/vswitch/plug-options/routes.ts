import ipaddr from 'ipaddr.js'
import { EcdockError } from '../../errors.js'
import { quoted } from '../../quoted.js'
import type { PlugOptions } from '../vswitch.js'

/** A route as a plan takes it. */
export interface PortRoute {
  family: 'ipv4' | 'ipv6'
  /** `default` or `ADDRESS/PREFIX`, in canonical form. */
  destination: string
  gateway: string
}

/** Each costs the kernel a call while the plug waits. */
const MOST_ROUTES = 1024
const LONGEST = 'ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128'.length

/** What `routes` asks for. Throws USAGE, and ADDRESS_INVALID for what is no address. */
export function portRoutes({ routes = [] }: Pick<PlugOptions, 'routes'>): PortRoute[] {
  if (!Array.isArray(routes)) {
    throw usage(
      `routes is ${quoted(routes)}, which is no list`,
      "Give a list of { to: '10.9.0.0/16', via: '10.0.0.9' }.",
    )
  }
  if (routes.length > MOST_ROUTES) {
    throw usage(`there are ${routes.length} routes; there may be ${MOST_ROUTES}`, 'Route larger networks.')
  }
  const known = new Set<string>()
  return routes.map((each: unknown) => {
    const route = portRoute(each)
    const key = `${route.family} ${route.destination}`
    if (known.has(key)) {
      throw usage(`there are two routes to ${route.destination}`, 'Give each destination one next hop.')
    }
    known.add(key)
    return route
  })
}

function portRoute(route: unknown): PortRoute {
  const { to, via } = fields(route)
  const gateway = parseAddress(via, 'next hop')
  const family = gateway.kind()
  if (to === 'default') return { family, destination: 'default', gateway: textOf(gateway) }
  const { network, prefix } = parseNetwork(to)
  if (network.kind() !== family) {
    throw usage(
      `the route to ${quoted(to)} goes via ${quoted(via)}, which is of another address family`,
      'Give an IPv4 next hop to an IPv4 network, and an IPv6 one to an IPv6 network.',
    )
  }
  return { family, destination: `${textOf(network)}/${prefix}`, gateway: textOf(gateway) }
}

function fields(route: unknown): { to: string; via: string } {
  if (typeof route === 'object' && route !== null && 'to' in route && 'via' in route) {
    const { to, via, ...others } = route
    if (typeof to === 'string' && typeof via === 'string' && Object.keys(others).length === 0)
      return { to, via }
  }
  throw usage(
    'a route is not as it should be',
    "Give { to: 'default' or a network, via: an address }, and no more.",
  )
}

function parseNetwork(text: string): { network: ipaddr.IPv4 | ipaddr.IPv6; prefix: number } {
  const [address = '', length = '', ...rest] = text.length > LONGEST ? [] : text.split('/')
  const network = parseAddress(address, 'destination', text)
  const bits = network.kind() === 'ipv4' ? 32 : 128
  if (rest.length > 0 || !/^(0|[1-9]\d{0,2})$/.test(length) || Number(length) > bits) {
    throw invalid(`destination ${quoted(text)} has no prefix length from 0 to ${bits}`)
  }
  const prefix = Number(length)
  const bytes = network.toByteArray()
  const outside = bytes.some((byte, at) => {
    const kept = Math.min(8, Math.max(0, prefix - 8 * at))
    return (byte & (0xff >>> kept)) !== 0
  })
  // The kernel refuses it too (fib_valid_key_len in net/ipv4/fib_trie.c), with fewer words.
  if (outside) throw invalid(`destination ${quoted(text)} has bits set behind its prefix length`)
  return { network, prefix }
}

function parseAddress(text: string, what: string, whole = text): ipaddr.IPv4 | ipaddr.IPv6 {
  if (text.length <= LONGEST && ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text)
  if (text.length <= LONGEST && text.includes(':') && !text.includes('%') && ipaddr.IPv6.isValid(text)) {
    return ipaddr.IPv6.parse(text)
  }
  throw invalid(`${what} ${quoted(whole)} is neither IPv4 nor IPv6`)
}

function textOf(address: ipaddr.IPv4 | ipaddr.IPv6): string {
  return address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString()
}

function usage(message: string, hint: string): EcdockError {
  return new EcdockError('USAGE', 'plug', message, { hint })
}

function invalid(message: string): EcdockError {
  return new EcdockError('ADDRESS_INVALID', 'check route', message, {
    hint: 'Give a route such as 10.9.0.0/16 via 10.0.0.9, fd00:9::/64 via 2001:db8::a00:9, or default via 10.0.0.9.',
  })
}
