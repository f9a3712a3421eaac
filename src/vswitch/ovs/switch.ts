import type { Subnet } from '../../addressing/subnet.js'
import type { OpenVswitch } from './open-vswitch.js'

/** One bridge of Open vSwitch that is a vswitch of ours. */
export interface OvsSwitch {
  readonly ovs: OpenVswitch
  readonly name: string
  readonly subnet: Subnet
  /** The userspace datapath. */
  readonly usermode: boolean
  /** The kernel speaks IPv6. */
  readonly hasIpv6: boolean
}
