import type { Plan, Step } from '../kernel/plan.js'
import type { Wiring } from './wiring.js'

/**
 * The plan of one plug. `connect` are the steps of the vswitch's kind that make the interfaces; the rest is
 * the same for all kinds. The target's interface is set up last, so that a program in the target can wait for it;
 * only the routes come after it, because the kernel takes none through a link that is down. Sysctls come first, because
 * some of them decide what happens when an address is added or the interface is set up.
 *
 * A host's end that is made down is set up when those of the others of its call are: whoever looks at all interfaces of the
 * host when one of them changes, as ovs-vswitchd does, finds many of the changes made when it looks.
 */
export function plugPlan(wiring: Wiring, connect: readonly Step[], finish: readonly Step[] = []): Plan {
  const { target, ifname, address } = wiring
  const netns = target.netns
  const late = connect.flatMap((step) => (step.op === 'veth' && step.up === false ? step : []))
  const steps: Step[] = [
    { op: 'vacant', netns, name: ifname, mac: wiring.mac, addresses: addresses(wiring) },
    ...connect.map(unmarked),
    ...(late.length > 0 ? [MEET] : []),
    ...wiring.sysctls.map((sysctl): Step => ({ op: 'sysctl', netns, ...sysctl })),
    { op: 'address', netns, name: ifname, address: address.ipv4, prefix: address.prefix },
  ]
  if (wiring.ipv6) {
    steps.push({ op: 'address', netns, name: ifname, address: address.ipv6, prefix: address.ipv6Prefix })
  }
  steps.push(
    ...finish,
    { op: 'link', netns, name: 'lo', up: true },
    { op: 'link', netns, name: ifname, up: true },
  )
  if (wiring.gateway !== undefined) {
    steps.push({
      op: 'route',
      netns,
      name: ifname,
      destination: 'default',
      gateway: wiring.gateway,
      keepExisting: true,
    })
  }
  for (const { destination, gateway } of wiring.routes) {
    steps.push({ op: 'route', netns, name: ifname, destination, gateway })
  }
  if (late.length > 0) steps.push(MEET)
  for (const end of late) steps.push({ op: 'link', netns: end.netns, name: end.name, up: true })
  if (late.length > 0) steps.push(MEET)
  // Frames pass when both ends are in service. The end that was set up first got its carrier from the other.
  for (const made of connect) {
    if (made.op === 'veth') steps.push({ op: 'ready', netns: made.netns, name: made.name })
    if (made.op === 'adopt') steps.push({ op: 'ready', netns: made.to, name: made.as })
  }
  steps.push({ op: 'ready', netns, name: ifname })
  if (wiring.announce === 'made') steps.push({ op: 'announce', netns, name: ifname })
  steps.push({ op: 'alive', netns })
  // The mark comes last: what a crash leaves half done is known by having none, and cleanup removes it. A tap has its own
  // from the beginning: the switch process knows of it, so that it is a port that can be unplugged, whatever it lacks.
  for (const made of connect) {
    if (made.op === 'veth' && made.alias !== undefined) {
      steps.push({ op: 'link', netns: made.netns, name: made.name, alias: made.alias })
    }
    if (made.op === 'adopt' && made.alias !== undefined) {
      steps.push({ op: 'link', netns: made.to, name: made.as, alias: made.alias })
    }
  }
  return { steps }
}

const MEET: Step = { op: 'meet' }

function unmarked(step: Step): Step {
  if (step.op !== 'veth' && step.op !== 'adopt') return step
  const { alias: _, ...rest } = step
  return rest
}

function addresses(wiring: Wiring): string[] {
  return wiring.ipv6 ? [wiring.address.ipv4, wiring.address.ipv6] : [wiring.address.ipv4]
}
