/**
 * What Docker says to a network driver, and is answered (moby: libnetwork/drivers/remote/api). Field names are those
 * of Go. Fields that no driver of ours has a use for are not read.
 */
import { z } from 'zod'
import { id, optional, options, text } from './fields.js'

/** One subnet of a network. Gateway and pool have a prefix length behind them. */
export const ipamDataSchema = z.object({ Pool: text, Gateway: text })
export type IpamData = z.output<typeof ipamDataSchema>

const MOST_SUBNETS = 256

const ipamList = optional(z.array(ipamDataSchema).max(MOST_SUBNETS))

export const createNetworkSchema = z.object({
  NetworkID: id,
  Options: options,
  IPv4Data: ipamList,
  IPv6Data: ipamList,
})
export type CreateNetworkRequest = z.output<typeof createNetworkSchema>

export const networkSchema = z.object({ NetworkID: id })
export type NetworkRequest = z.output<typeof networkSchema>

export const endpointSchema = z.object({ NetworkID: id, EndpointID: id })
export type EndpointRequest = z.output<typeof endpointSchema>

export const createEndpointSchema = endpointSchema.extend({
  /** What Docker has decided already; the driver fills in the rest. */
  Interface: optional(z.object({ Address: text, AddressIPv6: text, MacAddress: text })),
  Options: options,
})
export type CreateEndpointRequest = z.output<typeof createEndpointSchema>

export const joinSchema = endpointSchema.extend({
  /** Path of the container's network namespace. */
  SandboxKey: z.string().min(1).max(4096).regex(/^\//, 'is not an absolute path'),
})
export type JoinRequest = z.output<typeof joinSchema>

export interface CapabilitiesResponse {
  Scope: 'local'
  ConnectivityScope: 'local'
}

export interface CreateEndpointResponse {
  /** Only what was not given: Docker takes it for an error when it gets back what it has said. */
  Interface: { MacAddress?: string }
}

export interface EndpointInfoResponse {
  Value: Record<string, string>
}

export interface JoinResponse {
  InterfaceName: { SrcName: string; DstPrefix: string }
  Gateway?: string
  GatewayIPv6?: string
  /** Without it Docker adds an interface on docker_gwbridge to a container that has no gateway. */
  DisableGatewayService: true
}
