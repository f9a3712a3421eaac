import ipaddr from 'ipaddr.js'
import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'

/** The prefix of a vswitch for which none is given; reserved for documentation, and ecDock's (RFC 3849). */
export const DEFAULT_IPV6_PREFIX = '2001:db8'

const HINT = 'Give 1 to 4 groups of the address, such as 2001:db8 or fd00:1:2:3.'

/**
 * Reads the first 16 to 64 bits that all IPv6 addresses of a vswitch begin with: ecDock's form `2001:db8`,
 * or the same written `2001:db8::` or `2001:db8::/64`. Gives ecDock's form, in lower case, without leading
 * zeros and without trailing groups of zero. Throws ADDRESS_INVALID.
 */
export function parseIpv6Prefix(text: string): string {
  if (typeof text !== 'string' || text.length > 64) throw invalid(text, 'is not one')
  const bare = text.endsWith('/64') ? text.slice(0, -'/64'.length) : text
  if (bare.includes('/')) throw invalid(text, 'has another prefix length than 64')
  if (bare !== text && !bare.includes('::')) throw invalid(text, 'has a prefix length but does not end in ::')
  if (bare === '') throw invalid(text, 'is empty')
  const whole = bare.includes('::') ? bare : `${bare}::`
  if (!/^([0-9a-f]{1,4})?(::?[0-9a-f]{1,4})*(::)?$/i.test(whole) || !ipaddr.IPv6.isValid(whole)) {
    throw invalid(text, 'is not made of groups of 1 to 4 hexadecimal digits')
  }
  const groups = ipaddr.IPv6.parse(whole).parts
  if (groups.slice(4).some((group) => group !== 0)) {
    throw invalid(text, 'has more than 64 bits, and the rest of an address is its slot')
  }
  const first = groups[0] ?? 0
  if (first === 0)
    throw invalid(text, 'lies in ::/16, which holds no addresses of hosts (RFC 4291 section 2.4)')
  if (first >= 0xff00) throw invalid(text, 'lies in ff00::/8, which is for multicast (RFC 4291 section 2.7)')
  const last = groups.findLastIndex((group) => group !== 0)
  return groups
    .slice(0, last + 1)
    .map((group) => group.toString(16))
    .join(':')
}

function invalid(text: unknown, why: string): EcdockError {
  return new EcdockError('ADDRESS_INVALID', 'parse IPv6 prefix', `IPv6 prefix ${quoted(text)} ${why}`, {
    hint: HINT,
  })
}
