import type { Plan, Step } from '../../kernel/plan.js'
import { plugPlan } from '../plug-plan.js'
import { LINK_GROUP } from '../record.js'
import { FIRST_NIC, NIC_BRIDGE, SECOND_NIC, secondIfname, secondMac } from '../second-nic.js'
import type { Wiring } from '../wiring.js'
import { checksumSteps, pairSteps } from './plug-steps.js'
import type { OvsSwitch } from './switch.js'

/** What the aliases of the bridge and of the second interface in a target with two begin with, and no other link's. */
export function nicBridgeMark(vswitch: string, slot: number): string {
  return `ecdock-fast bridge vswitch=${vswitch} slot=${slot} `
}

/** The plan of a plug whose devices, at least one of them, Open vSwitch has just made. */
export function planFor(sw: OvsSwitch, wiring: Wiring): Plan {
  const { internal, dualNic } = wiring
  const { ifname } = namesInTarget(sw, wiring)
  const first: Wiring = { ...wiring, ifname }
  // What was kept of the slot has given way, so it has no standing port.
  const device = internal ? [adopted(first)] : pairSteps(sw, first, false)
  // What a tap or an internal device transmits has its checksums: only a pair leaves them to hardware.
  const finish = internal ? [] : checksumSteps(sw, first, false)
  return dualNic ? twoNics(first, device, finish, sw) : plugPlan(first, device, finish)
}

/**
 * What a port of the kernel datapath is called there is the name of its device (ovs_vport_name in
 * net/openvswitch/vport.c): vswitchd would take a device that was renamed for another port, and delete it.
 */
function namesInTarget(
  { name, usermode }: OvsSwitch,
  { slot, hostIfname, ifname, internal, dualNic }: Wiring,
): { ifname: string; second: string } {
  const second = usermode ? SECOND_NIC : secondIfname(name, slot)
  if (internal && !usermode) return { ifname: hostIfname, second }
  return { ifname: dualNic ? FIRST_NIC : ifname, second }
}

function adopted({ hostIfname, target, ifname, mac, mtu, alias }: Wiring): Step {
  const settings = { mac, mtu, group: LINK_GROUP, alias }
  return { op: 'adopt', netns: '', name: hostIfname, to: target.netns, as: ifname, ...settings }
}

/** As ecDock made it: eth0 and eth1 are bridged, the bridge has the addresses and the MAC, and eth0 is set up last. */
function twoNics(wiring: Wiring, device: readonly Step[], finish: readonly Step[], sw: OvsSwitch): Plan {
  const { name: vswitch, subnet } = sw
  const { slot, mac, mtu, ifname } = wiring
  const { second } = namesInTarget(sw, wiring)
  const { netns } = wiring.target
  const name = secondIfname(vswitch, slot)
  const own = { mac: secondMac(subnet, slot), mtu, group: LINK_GROUP }
  const mark = nicBridgeMark(vswitch, slot)
  const alias = `${mark}of ${ifname} and ${second}`
  const join = (nic: string): Step => ({ op: 'link', netns, name: nic, master: NIC_BRIDGE })
  const plan = plugPlan(
    { ...wiring, ifname: NIC_BRIDGE },
    [
      ...device,
      { op: 'adopt', netns: '', name, to: netns, as: second, ...own, alias: `${mark}its ${second}` },
      { op: 'bridge', netns, name: NIC_BRIDGE, mac, mtu, group: LINK_GROUP, alias },
      join(ifname),
      join(second),
      { op: 'link', netns, name: second, up: true },
    ],
    [...finish, { op: 'link', netns, name: ifname, up: true }],
  )
  const vacant: Step[] = [
    { op: 'vacant', netns, name: ifname, addresses: [] },
    { op: 'vacant', netns, name: second, mac: own.mac, addresses: [] },
  ]
  return { steps: [...vacant, ...plan.steps] }
}
