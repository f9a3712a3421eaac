import { endianness } from 'node:os'
import { EcdockError } from '../../errors.js'

/** An IPv4 network: its first address as a number, and its prefix length. */
export interface Network {
  first: number
  prefix: number
}

/**
 * A /24 for the demo, as the switch's own address in it, that shares no address with any of `used`: the first
 * free one of 10.213.0.254/24, 10.214.0.254/24, …
 */
export function freeSubnet(used: readonly Network[]): string {
  for (let second = 213; second <= 254; second++) {
    for (let third = 0; third <= 255; third++) {
      const candidate = { first: ((10 << 24) | (second << 16) | (third << 8)) >>> 0, prefix: 24 }
      if (!used.some((network) => overlaps(network, candidate))) return `10.${second}.${third}.254/24`
    }
  }
  throw new EcdockError('ADDRESS_TAKEN', 'demo', 'this host uses all of 10.213.0.0 to 10.254.255.255', {
    hint: 'Run the demo in a namespace of its own: "unshare --net ecdock-fast demo".',
  })
}

/** The networks that an IPv4 routing table leads to, from the text of /proc/net/route; the default route is none. */
export function routedNetworks(table: string): Network[] {
  const networks: Network[] = []
  for (const line of table.split('\n').slice(1)) {
    const columns = line.split('\t')
    const [, destination = ''] = columns
    const mask = columns[7] ?? ''
    if (!/^[0-9A-F]{8}$/.test(destination) || !/^[0-9A-F]{8}$/.test(mask)) continue
    const prefix = ones(hostOrder(mask))
    if (prefix > 0) networks.push({ first: hostOrder(destination), prefix })
  }
  return networks
}

/** `10.0.0.254`, `10.0.0.254/24` as a network; undefined for what is no IPv4 address. */
export function networkOf(address: string, prefix: number): Network | undefined {
  const bytes = address.split('.').map(Number)
  if (bytes.length !== 4 || bytes.some((byte) => !(byte >= 0 && byte <= 255))) return undefined
  return { first: bytes.reduce((number, byte) => number * 256 + byte, 0), prefix }
}

function overlaps(a: Network, b: Network): boolean {
  const size = 2 ** (32 - Math.min(a.prefix, b.prefix))
  return Math.floor(a.first / size) === Math.floor(b.first / size)
}

/** The kernel prints addresses as they lie in memory, which is the other way round on little-endian machines. */
function hostOrder(hexadecimal: string): number {
  const bytes = Buffer.from(hexadecimal, 'hex')
  return endianness() === 'LE' ? bytes.readUInt32LE() : bytes.readUInt32BE()
}

function ones(mask: number): number {
  let count = 0
  for (let bits = mask; bits !== 0; bits = (bits << 1) >>> 0) count++
  return count
}
