import type { SysctlStep } from '../../kernel/plan.js'

/**
 * The host has no business with IPv6 at its end of a port, which is the switch's. With it the kernel would give that end a
 * link-local address and routes, of which ovs-vswitchd reads all whenever one changes; it would ask the target for routers;
 * and it would take the target for one, if that says it is. A port works all the same, so it is left where /proc/sys cannot be
 * written to, as in a container.
 */
export function withoutIpv6(name: string): SysctlStep {
  return { op: 'sysctl', netns: '', key: `ipv6/conf/${name}/disable_ipv6`, value: '1', optional: true }
}
