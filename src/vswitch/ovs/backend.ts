import { parseSubnet } from '../../addressing/subnet.js'
import type { Backend } from '../backend.js'
import { LINK_GROUP, type VswitchRecord } from '../record.js'
import { connect } from './connection.js'
import { foreignPorts } from './foreign-ports.js'
import { databaseMark } from './marks.js'
import type { OpenVswitch } from './open-vswitch.js'
import { keptSlots, requireBridge } from './own-rows.js'
import { explainPort, hasSlotFlow } from './port-rows.js'
import { prepare, remove, reserve, vanished } from './slots.js'

/** OFPP_MAX of OpenFlow 1.0 is 0xff00; Open vSwitch takes 1 to 65279 as ofport_request (vswitch.xml). */
const MAX_OFPORT = 65279

/**
 * A vswitch of kind `ovs`: a bridge of Open vSwitch. A slot's number is its OpenFlow port number. A slot's rows and its
 * flow are written when it is first used, and stay: to insert and to delete a row costs vswitchd many times what
 * it costs it when a device vanishes and another one appears in its place (docs/open-vswitch.md has the figures).
 */
export function ovsBackend(record: VswitchRecord, usermode: boolean, ovs: OpenVswitch): Backend {
  const { name } = record
  const { client } = ovs
  const subnet = parseSubnet(record.subnet)
  return {
    kind: 'ovs',
    name,
    subnet,
    ipv6Prefix: record.ipv6Prefix,
    maxSlot: MAX_OFPORT,
    netns: '',
    ovsdb: databaseMark(client),
    interfaces: (wiring) => [
      {
        op: 'veth',
        netns: '',
        name: wiring.hostIfname,
        group: LINK_GROUP,
        alias: wiring.alias,
        mtu: wiring.mtu,
        peer: { netns: wiring.target.netns, name: wiring.ifname, mac: wiring.mac, mtu: wiring.mtu },
      },
    ],
    finish: (wiring) =>
      usermode ? [{ op: 'tx-checksum-off', netns: wiring.target.netns, name: wiring.ifname }] : [],
    connect: (made, signal) => connect(ovs, name, made, signal),
    vanished: (slots) => vanished(ovs, name, slots),
    kept: () => keptSlots(client, requireBridge(client, name)),
    foreign: () => foreignPorts(client, requireBridge(client, name)),
    prepare: (slots, around) => prepare(ovs, name, slots, around),
    reserve: (slots) => reserve(ovs, name, subnet, slots),
    release: (slots) => remove(ovs, name, slots),
    explain: (wiring) => [
      explainPort(name, wiring),
      hasSlotFlow(wiring)
        ? `ovs-ofctl add-flow ${name} dl_dst=${wiring.mac},actions=output:${wiring.slot}`
        : `ovs-ofctl add-flow ${name} in_port=${wiring.slot},priority=32769,actions=normal`,
    ],
  }
}
