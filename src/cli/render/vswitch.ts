import type { Port, Vswitch, VswitchKind } from '../../vswitch/vswitch.js'

/** A vswitch as `--json` prints it. */
export interface VswitchDocument {
  name: string
  kind: VswitchKind
  subnet: string
  ipv6Prefix: string
  /** Absent: false. */
  neighSuppress?: true
}

export interface ListedVswitch extends VswitchDocument {
  ports: Port[]
}

export function vswitchDocument(vswitch: Vswitch): VswitchDocument {
  const { name, kind, subnet, ipv6Prefix, neighSuppress } = vswitch
  return { name, kind, subnet, ipv6Prefix, ...(neighSuppress && { neighSuppress }) }
}

/** A kind in words, with its article. */
export function kindText(kind: VswitchKind): string {
  switch (kind) {
    case 'ovs':
      return 'an Open vSwitch bridge'
    case 'bridge':
      return 'a Linux bridge'
    case 'vde':
      return 'a VDE switch'
  }
}
