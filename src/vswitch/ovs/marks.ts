import type { OvsdbClient } from '../../ovsdb/client.js'

/** Keys of external_ids that mark a Bridge row as a vswitch of ours. */
export const BRIDGE_KEYS = {
  subnet: 'ecdock-fast-subnet',
  ipv6Prefix: 'ecdock-fast-ipv6-prefix',
  neighSuppress: 'ecdock-fast-neigh-suppress',
} as const

/** Keys of external_ids that mark a Port row as that of a slot of ours. */
export const PORT_KEYS = {
  slot: 'ecdock-fast-slot',
} as const

/**
 * Keys of external_ids that mark a Mirror row, and the Port row of its output, as ours. With the number of a slot behind
 * it, `slot` says that the mirror is for that slot.
 */
export const MIRROR_KEYS = {
  to: 'ecdock-fast-mirror',
  slot: 'ecdock-fast-mirror-slot-',
} as const

/**
 * A name for the database that a client speaks to: the first 8 hexadecimal digits of the UUID of its root row, which
 * it keeps as long as it lives. Undefined when nobody has initialised it.
 */
export function databaseMark(client: OvsdbClient): string | undefined {
  return client.replica.root?.uuid.slice(0, 8)
}
