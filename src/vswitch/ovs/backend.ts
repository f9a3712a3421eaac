import { existsSync } from 'node:fs'
import { parseSubnet } from '../../addressing/subnet.js'
import type { Step } from '../../kernel/plan.js'
import type { OvsdbClient } from '../../ovsdb/client.js'
import type { Backend } from '../backend.js'
import { standingNames } from '../names.js'
import { LINK_GROUP, type VswitchRecord } from '../record.js'
import { DEFAULT_MTU, type Wiring } from '../wiring.js'
import { connect } from './connection.js'
import { foreignPorts } from './foreign-ports.js'
import { OvsInternalPorts } from './internal-ports.js'
import { databaseMark } from './marks.js'
import { mirrorSlot, mirrors, removeMirror, unmirrorSlot } from './mirrors.js'
import type { OpenVswitch } from './open-vswitch.js'
import { directPort, keptSlots, requireBridge, standingPort } from './own-rows.js'
import { explainPort, hasSlotFlow } from './port-rows.js'
import { mend, prepare, release, reserve } from './slots.js'
import { standingNetns } from './standing-ports.js'

/** OFPP_MAX of OpenFlow 1.0 is 0xff00; Open vSwitch takes 1 to 65279 as ofport_request (vswitch.xml). */
const MAX_OFPORT = 65279

/**
 * A vswitch of kind `ovs`: a bridge of Open vSwitch. A slot's number is its OpenFlow port number. What is plugged into a
 * slot for the first time is an end of the target's own pair; a slot that is used again, or was reserved, has a standing
 * port (standing-ports.ts).
 */
export function ovsBackend(record: VswitchRecord, usermode: boolean, ovs: OpenVswitch): Backend {
  const { name } = record
  const { client } = ovs
  const sw = { ovs, name, subnet: parseSubnet(record.subnet), usermode }
  const isStanding = (slot: number) => {
    const bridge = client.replica.byName('Bridge', name)
    return bridge !== undefined && standingPort(client, bridge, slot) !== undefined
  }
  const hostNetns = (slot: number) => (isStanding(slot) ? standingNetns(name) : '')
  const backend: Backend = {
    kind: 'ovs',
    // It does so by the kernel's ingress queue, which frames pass only after the userspace datapath has read them.
    polices: !usermode,
    name,
    subnet: sw.subnet,
    ipv6Prefix: record.ipv6Prefix,
    maxSlot: MAX_OFPORT,
    hostNetns,
    // What is plugged in outlives the row of its standing port, when somebody deletes that.
    hostNetnses: () => (existsSync(standingNetns(name)) ? ['', standingNetns(name)] : ['']),
    ovsdb: databaseMark(client),
    interfaces: (wiring) =>
      isStanding(wiring.slot)
        ? [
            ...widened(name, wiring),
            pair(wiring, hostNetns(wiring.slot), standingNames(name, wiring.slot).bridge),
          ]
        : [pair(wiring, '')],
    finish: (wiring) =>
      usermode && !isStanding(wiring.slot)
        ? [{ op: 'tx-checksum-off', netns: wiring.target.netns, name: wiring.ifname }]
        : [],
    connect: (made, signal) => connect(ovs, name, made, signal),
    kept: () => keptSlots(client, requireBridge(client, name)),
    foreign: () => foreignPorts(client, requireBridge(client, name)),
    prepare: (wirings, around) => prepare(sw, wirings, around),
    reserve: (slots, around) => reserve(sw, slots, around),
    release: (slots, around) => release(sw, slots, around),
    mend: (slot, around) => mend(sw, slot, around),
    internal: new OvsInternalPorts(sw, () => backend),
    mirroring: {
      mirror: (slot, to, around) => mirrorSlot(ovs, name, slot, to, around),
      unmirror: (slot) => unmirrorSlot(ovs, name, slot),
      mirrors: () => mirrors(client, requireBridge(client, name)),
      remove: (to) => removeMirror(ovs, name, to),
    },
    requirePresent: () => void requireBridge(client, name),
    explain: (wiring) => (isStanding(wiring.slot) ? [] : explained(client, name, wiring)),
  }
  return backend
}

function pair(wiring: Wiring, netns: string, master?: string): Step {
  return {
    op: 'veth',
    netns,
    name: wiring.hostIfname,
    ...(master !== undefined && { master }),
    group: LINK_GROUP,
    alias: wiring.alias,
    mtu: wiring.mtu,
    peer: { netns: wiring.target.netns, name: wiring.ifname, mac: wiring.mac, mtu: wiring.mtu },
  }
}

/** A standing port is made for frames of the usual size. */
function widened(name: string, { slot, mtu }: Wiring): Step[] {
  if (mtu <= DEFAULT_MTU) return []
  const names = standingNames(name, slot)
  const netns = standingNetns(name)
  return [
    { op: 'link', netns: '', name: names.port, mtu },
    { op: 'link', netns, name: names.inner, mtu },
    { op: 'link', netns, name: names.bridge, mtu },
  ]
}

function explained(client: OvsdbClient, name: string, wiring: Wiring): string[] {
  const used = directPort(client, requireBridge(client, name), wiring.slot)
  return [
    // vswitchd would go on reading from the device that this port had before.
    ...(used === undefined ? [] : [`ovs-vsctl del-port ${name} ${used.name}`]),
    explainPort(name, wiring),
    hasSlotFlow(wiring)
      ? `ovs-ofctl add-flow ${name} dl_dst=${wiring.mac},actions=output:${wiring.slot}`
      : `ovs-ofctl add-flow ${name} in_port=${wiring.slot},priority=32769,actions=normal`,
  ]
}
