import { createHash } from 'node:crypto'
import { parseInterfaceAddress } from './address-block.js'

/**
 * The MAC of an endpoint for which none is asked: always the same for the same address, so that a container that is
 * started again is the same one to its neighbours. For IPv4 it is a slot's, 52:00 and the four bytes of the address;
 * else 52:06 and four bytes of the SHA-256 of the IPv6 address, or of the endpoint's id when it has no address at all.
 * `address` and `addressIpv6` have their prefix length behind them. Throws SUBNET_INVALID.
 */
export function endpointMac(endpoint: { id: string; address?: string; addressIpv6?: string }): string {
  if (endpoint.address !== undefined) {
    const digits = parseInterfaceAddress(endpoint.address).address.number.toString(16).padStart(8, '0')
    return withColons(`5200${digits}`)
  }
  const text =
    endpoint.addressIpv6 === undefined
      ? endpoint.id
      : parseInterfaceAddress(endpoint.addressIpv6).address.number.toString(16)
  return withColons(`5206${createHash('sha256').update(text).digest('hex').slice(0, 8)}`)
}

function withColons(digits: string): string {
  return (digits.match(/../g) ?? []).join(':')
}
