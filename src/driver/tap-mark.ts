import type { EndpointRecord } from './records.js'

/** What the alias of every tap of ours begins with, and no other link's. */
export const TAP_MARK = 'ecdock-fast endpoint '

/** The alias of an endpoint's tap: by it the tap is found again wherever Docker has moved it, whatever it is called. */
export function tapAlias({ id, network }: EndpointRecord): string {
  return `${TAP_MARK}id=${id} network=${network.slice(0, 12)}`
}

/** What the switch keeps with the endpoint's port. */
export function portLabel({ id }: Pick<EndpointRecord, 'id'>): string {
  return `docker endpoint=${id}`
}
