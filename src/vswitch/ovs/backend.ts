import { existsSync } from 'node:fs'
import { parseSubnet } from '../../addressing/subnet.js'
import type { HostSidedBackend } from '../backend.js'
import { hostSidePlaces } from '../host-side-places.js'
import type { OvsBridge } from './bridge.js'
import { connectsAtATime, OvsConnection } from './connection.js'
import { explainPlug } from './explaining.js'
import { foreignPorts } from './foreign-ports.js'
import { OvsInternalPorts } from './internal-ports.js'
import { databaseMark } from './marks.js'
import { mirrorSlot, mirrors, removeMirror, unmirrorSlot } from './mirrors.js'
import type { OpenVswitch } from './open-vswitch.js'
import { keptSlots, requireBridge, standingPort } from './own-rows.js'
import { finishSteps, pairSteps } from './plug-steps.js'
import { mend, prepare, release, reserve } from './slots.js'
import { standingNetns } from './standing-ports.js'

/** OFPP_MAX of OpenFlow 1.0 is 0xff00; Open vSwitch takes 1 to 65279 as ofport_request (vswitch.xml). */
const MAX_OFPORT = 65279

/**
 * A vswitch of kind `ovs`: a bridge of Open vSwitch. A slot's number is its OpenFlow port number. What is plugged into a
 * slot for the first time is an end of the target's own pair; a slot that is used again, or was reserved, has a standing
 * port (standing-ports.ts).
 */
export function ovsBackend(record: OvsBridge, ovs: OpenVswitch, hasIpv6: boolean): HostSidedBackend {
  const { name, usermode, neighSuppress } = record
  const { client } = ovs
  const sw = { ovs, name, subnet: parseSubnet(record.subnet), usermode, hasIpv6 }
  const isStanding = (slot: number) => {
    const bridge = client.replica.byName('Bridge', name)
    return bridge !== undefined && standingPort(client, bridge, slot) !== undefined
  }
  const hostNetns = (slot: number) => (isStanding(slot) ? standingNetns(name) : '')
  const backend: HostSidedBackend = {
    kind: 'ovs',
    // It does so by the kernel's ingress queue, which frames pass only after the userspace datapath has read them.
    polices: !usermode,
    name,
    subnet: sw.subnet,
    ipv6Prefix: record.ipv6Prefix,
    neighSuppress,
    maxSlot: MAX_OFPORT,
    places: hostSidePlaces(() => backend),
    hostNetns,
    // What is plugged in outlives the row of its standing port, when somebody deletes that.
    hostNetnses: () => (existsSync(standingNetns(name)) ? ['', standingNetns(name)] : ['']),
    ovsdb: databaseMark(client),
    interfaces: (wiring) => pairSteps(sw, wiring, isStanding(wiring.slot)),
    finish: (wiring) => finishSteps(sw, wiring, isStanding(wiring.slot)),
    connection: () => new OvsConnection(ovs, name),
    connectsAtATime: (count) => connectsAtATime(count, client.replica.count('Port')),
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
    explain: (wiring, around) => explainPlug(sw, wiring, around),
  }
  return backend
}
