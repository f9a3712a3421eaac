/** Keys of external_ids that mark a Bridge row as a vswitch of ours. */
export const BRIDGE_KEYS = {
  subnet: 'ecdock-fast-subnet',
  ipv6Prefix: 'ecdock-fast-ipv6-prefix',
} as const

/** Keys of external_ids that mark a Port row as a port of ours. */
export const PORT_KEYS = {
  slot: 'ecdock-fast-slot',
  target: 'ecdock-fast-target',
  ifname: 'ecdock-fast-ifname',
  netns: 'ecdock-fast-netns',
} as const
