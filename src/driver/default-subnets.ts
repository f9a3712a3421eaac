import { formatAddress, parseBlock } from './address-block.js'

/** What networks for which no subnet is given get theirs from. */
export interface DefaultSubnets {
  block: string
  /** Prefix length of each. */
  prefix: number
}

/** Not where Docker's own subnets are (172.17.0.0/12 and 192.168.0.0/16), and seldom where a company's are. */
export const DEFAULT_SUBNETS: DefaultSubnets = { block: '10.222.0.0/16', prefix: 24 }

/** A block of unique local addresses (RFC 4193); its 40 bits were drawn at random, once. */
export const DEFAULT_SUBNETS_IPV6: DefaultSubnets = { block: 'fd5e:82b1:c46d::/56', prefix: 64 }

/** In ascending order, each such as `10.222.7.0/24`. */
export function* subnetsOf({ block, prefix }: DefaultSubnets): Generator<string> {
  const { family, first, last } = parseBlock(block)
  const size = 1n << BigInt((family === 4 ? 32 : 128) - prefix)
  for (let number = first; number <= last; number += size) {
    yield `${formatAddress({ family, number })}/${prefix}`
  }
}
