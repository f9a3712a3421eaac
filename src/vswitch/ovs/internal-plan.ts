import type { Plan, Step } from '../../kernel/plan.js'
import type { Backend } from '../backend.js'
import { plugPlan } from '../plug-plan.js'
import { LINK_GROUP } from '../record.js'
import { FIRST_NIC, NIC_BRIDGE, SECOND_NIC, secondIfname, secondMac } from '../second-nic.js'
import type { Wiring } from '../wiring.js'
import type { OvsSwitch } from './switch.js'

/** What the aliases of the bridge and of the second interface in a target with two begin with, and no other link's. */
export function nicBridgeMark(vswitch: string, slot: number): string {
  return `ecdock-fast bridge vswitch=${vswitch} slot=${slot} `
}

/** The plan of a plug whose devices, at least one of them, Open vSwitch has just made. */
export function planFor(sw: OvsSwitch, backend: Backend, wiring: Wiring): Plan {
  const { internal, dualNic } = wiring
  const first: Wiring = dualNic ? { ...wiring, ifname: FIRST_NIC } : wiring
  const device = internal ? [adopted(first)] : backend.interfaces(first)
  // What a tap or an internal device transmits has its checksums: only a pair leaves them to hardware.
  const finish = internal ? [] : (backend.finish?.(first) ?? [])
  return dualNic ? twoNics(first, device, finish, sw) : plugPlan(first, device, finish)
}

function adopted({ hostIfname, target, ifname, mac, mtu, alias }: Wiring): Step {
  const settings = { mac, mtu, group: LINK_GROUP, alias }
  return { op: 'adopt', netns: '', name: hostIfname, to: target.netns, as: ifname, ...settings }
}

/** As ecDock made it: eth0 and eth1 are bridged, the bridge has the addresses and the MAC, and eth0 is set up last. */
function twoNics(
  wiring: Wiring,
  device: readonly Step[],
  finish: readonly Step[],
  { name: vswitch, subnet }: OvsSwitch,
): Plan {
  const { slot, mac, mtu } = wiring
  const { netns } = wiring.target
  const name = secondIfname(vswitch, slot)
  const own = { mac: secondMac(subnet, slot), mtu, group: LINK_GROUP }
  const mark = nicBridgeMark(vswitch, slot)
  const alias = `${mark}of ${FIRST_NIC} and ${SECOND_NIC}`
  const join = (nic: string): Step => ({ op: 'link', netns, name: nic, master: NIC_BRIDGE })
  const plan = plugPlan(
    { ...wiring, ifname: NIC_BRIDGE },
    [
      ...device,
      { op: 'adopt', netns: '', name, to: netns, as: SECOND_NIC, ...own, alias: `${mark}its ${SECOND_NIC}` },
      { op: 'bridge', netns, name: NIC_BRIDGE, mac, mtu, group: LINK_GROUP, alias },
      join(FIRST_NIC),
      join(SECOND_NIC),
      { op: 'link', netns, name: SECOND_NIC, up: true },
    ],
    [...finish, { op: 'link', netns, name: FIRST_NIC, up: true }],
  )
  const vacant: Step[] = [
    { op: 'vacant', netns, name: FIRST_NIC, addresses: [] },
    { op: 'vacant', netns, name: SECOND_NIC, mac: own.mac, addresses: [] },
  ]
  return { steps: [...vacant, ...plan.steps] }
}
