import { join } from 'node:path'
import { EcdockError } from '../errors.js'
import { contains, parseAddress, parseBlock, parseInterfaceAddress } from './address-block.js'
import { readNetworkOptions } from './network-options.js'
import type { CreateNetworkRequest, IpamData } from './protocol/network.js'
import type { NetworkRecord } from './records.js'

/** What Docker says of a network that is to have no way out (`--internal`). */
const INTERNAL = 'com.docker.network.internal'

/** As many characters of an id as Docker shows; docker-vde-plugin has called its directories by them. */
export const SHORT_ID = 12

/**
 * What is to be kept of a network that Docker creates. `socketRoot` is where its switch is put when the options do not
 * say. Throws USAGE, SUBNET_INVALID, ADDRESS_INVALID.
 */
export function networkRecord(request: CreateNetworkRequest, socketRoot: string): NetworkRecord {
  const { socketDir, createSockets, managementSocket, socketGroup, ports, mtu } = readNetworkOptions(
    request.Options,
  )
  const directory = socketDir ?? join(socketRoot, request.NetworkID.slice(0, SHORT_ID))
  const owned = socketDir === undefined || createSockets
  return {
    version: 1,
    id: request.NetworkID,
    socketDir: directory,
    owned,
    ...(owned && { managementSocket: managementSocket ?? `${directory}.mgmt.sock` }),
    ...(!owned && managementSocket !== undefined && { managementSocket }),
    ...(socketGroup !== undefined && { socketGroup }),
    ports,
    ...(mtu !== undefined && { mtu }),
    subnets: [...(request.IPv4Data ?? []), ...(request.IPv6Data ?? [])].flatMap(subnet),
    internal: request.Options?.[INTERNAL] === true || request.Options?.[INTERNAL] === 'true',
  }
}

/** Docker's null driver of IPAM gives the pool 0.0.0.0/0, which tells nothing. */
function subnet({ Pool, Gateway }: IpamData): NetworkRecord['subnets'] {
  if (Pool === undefined) return []
  const pool = parseBlock(Pool)
  if (Gateway === undefined) return [{ pool: pool.text }]
  const { address } = parseInterfaceAddress(Gateway)
  if (pool.prefix > 0 && !contains(pool, address)) {
    const message = `the gateway ${Gateway} does not lie in the subnet ${pool.text}`
    throw new EcdockError('ADDRESS_INVALID', 'create network', message, {
      hint: 'Give another --gateway, or none.',
    })
  }
  return [{ pool: pool.text, gateway: Gateway.slice(0, Gateway.indexOf('/')) }]
}

/**
 * The gateway of an endpoint whose address (with prefix length) is this; undefined when its network has none for it, or
 * when it is the gateway itself.
 */
export function gatewayFor(
  { subnets, internal }: NetworkRecord,
  text: string | undefined,
): string | undefined {
  if (internal || text === undefined) return undefined
  const { address } = parseInterfaceAddress(text)
  const gateway = subnets.find(({ pool }) => contains(parseBlock(pool), address))?.gateway
  if (gateway === undefined || parseAddress(gateway).number === address.number) return undefined
  return gateway
}
