import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'

/**
 * Passes an MTU in bytes that a veth interface can have: 68 (the least that IPv4 allows, ETH_MIN_MTU in
 * linux/if_ether.h) to 65535 (ETH_MAX_MTU). Throws MTU_INVALID. Below 1280 an interface has no IPv6
 * (RFC 8200 section 5): see {@link IPV6_MIN_MTU}.
 */
export function checkMtu(mtu: number): void {
  if (Number.isInteger(mtu) && mtu >= 68 && mtu <= 65535) return
  throw new EcdockError(
    'MTU_INVALID',
    'check MTU',
    `MTU ${quoted(mtu)} is not a whole number from 68 to 65535`,
    {
      hint: 'Give the MTU in bytes, such as 1500, or 9000 for jumbo frames.',
    },
  )
}

/** The least MTU, in bytes, with which an interface can have IPv6 addresses (RFC 8200 section 5). */
export const IPV6_MIN_MTU = 1280
