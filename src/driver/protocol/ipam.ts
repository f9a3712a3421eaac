/** What Docker says to an IPAM driver, and is answered (moby: libnetwork/ipams/remote/api). */
import { z } from 'zod'
import { optional, options, text } from './fields.js'

/** Of {@link RequestAddressRequest}'s options: what kind of address it is. */
export const ADDRESS_TYPE = 'RequestAddressType'
export const GATEWAY_ADDRESS = 'com.docker.network.gateway'

const poolId = z.string().regex(/^[A-Za-z0-9]{1,128}$/, 'is not the id of a pool')

export const requestPoolSchema = z.object({
  AddressSpace: text,
  /** `--subnet` */
  Pool: text,
  /** `--ip-range` */
  SubPool: text,
  Options: options,
  V6: optional(z.boolean()),
})
export type RequestPoolRequest = z.output<typeof requestPoolSchema>

export const poolSchema = z.object({ PoolID: poolId })
export type PoolRequest = z.output<typeof poolSchema>

export const requestAddressSchema = z.object({ PoolID: poolId, Address: text, Options: options })
export type RequestAddressRequest = z.output<typeof requestAddressSchema>

export const releaseAddressSchema = z.object({ PoolID: poolId, Address: z.string().max(64) })
export type ReleaseAddressRequest = z.output<typeof releaseAddressSchema>

export interface IpamCapabilitiesResponse {
  RequiresMACAddress: boolean
  RequiresRequestReplay: boolean
}

export interface AddressSpacesResponse {
  LocalDefaultAddressSpace: string
  GlobalDefaultAddressSpace: string
}

export interface RequestPoolResponse {
  PoolID: string
  /** With its prefix length, such as `10.0.0.0/24`. */
  Pool: string
  Data: Record<string, string>
}

export interface RequestAddressResponse {
  /** With the subnet's prefix length, such as `10.0.0.1/24`. */
  Address: string
  Data: Record<string, string>
}
