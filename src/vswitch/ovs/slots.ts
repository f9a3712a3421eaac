import { slotAddress } from '../../addressing/slot.js'
import { asEcdockError, EcdockError } from '../../errors.js'
import { mutate, type Operation, rowIs } from '../../ovsdb/operations.js'
import type { Surroundings } from '../backend.js'
import { hostIfname, standingNames } from '../names.js'
import type { Wiring } from '../wiring.js'
import { databaseMark, PORT_KEYS } from './marks.js'
import { directPort, ownPort, requireBridge, standingPort } from './own-rows.js'
import { hasSlotFlow, type SlotConfiguration, standingRows } from './port-rows.js'
import { makeStanding, removeStanding, standingNetns } from './standing-ports.js'
import type { OvsSwitch } from './switch.js'
import { portError } from './verdict.js'

/**
 * Before something is plugged into slots. One whose port was an end of a target's pair, and has lost it, gets a standing
 * port: whoever uses a slot twice will use it again. A standing port forwards from the moment on at which something is
 * connected to it, so what it is to be, such as its VLAN, is written first. Undefined when nothing is to be done.
 */
export function prepare(
  sw: OvsSwitch,
  wirings: readonly Wiring[],
  around: Surroundings,
): Promise<void> | undefined {
  const { client } = sw.ovs
  const bridge = requireBridge(client, sw.name)
  const used = wirings.flatMap(({ slot }) => (directPort(client, bridge, slot) === undefined ? [] : slot))
  const other = wirings.filter(
    (wiring) =>
      used.includes(wiring.slot) ||
      (standingPort(client, bridge, wiring.slot) !== undefined &&
        standingRows(client, bridge, wiring, '').length > 0),
  )
  return other.length === 0 ? undefined : makeReady(sw, used, other, around)
}

async function makeReady(
  sw: OvsSwitch,
  used: readonly number[],
  other: readonly Wiring[],
  around: Surroundings,
): Promise<void> {
  if (used.length > 0) await standInstead(sw, used, around)
  const names = other.map(({ hostIfname }) => hostIfname)
  const links = await around.kernel.linksByName(standingNetns(sw.name), names).catch(() => [])
  // What is there is not to be changed: it makes the plug fail, which says by whom the slot is taken.
  const free = other.filter((_, at) => links[at] === undefined)
  // What goes wrong with one of them is told when it is connected, which tries the same again.
  await Promise.allSettled(free.map((wiring) => configure(sw, wiring)))
}

async function configure(sw: OvsSwitch, wiring: Wiring): Promise<void> {
  const { client, commits } = sw.ovs
  let wasConfined = false
  await commits.commit((label) => {
    const bridge = requireBridge(client, sw.name)
    const port = standingPort(client, bridge, wiring.slot)
    wasConfined = port?.vlan_mode !== undefined
    return port === undefined ? [] : standingRows(client, bridge, wiring, label)
  })
  const flows = sw.ovs.flows(sw.name)
  if (!hasSlotFlow(wiring)) await flows.confine([wiring])
  else if (wasConfined) await flows.setFree([wiring.slot])
}

async function standInstead(sw: OvsSwitch, slots: readonly number[], around: Surroundings): Promise<void> {
  const links = await around.kernel.linksByName(
    '',
    slots.map((slot) => hostIfname(sw.name, slot)),
  )
  // Those that are there make the plug fail, which says by whom the slot is taken.
  await reserve(
    sw,
    slots.filter((_, at) => links[at] === undefined),
    around,
  )
}

/** Gives slots their standing ports, rows and flows, those that have none yet. */
export async function reserve(sw: OvsSwitch, slots: readonly number[], around: Surroundings): Promise<void> {
  const { name, ovs, usermode } = sw
  const { client } = ovs
  const bridge = requireBridge(client, name)
  const missing = slots.filter((slot) => standingPort(client, bridge, slot) === undefined)
  if (missing.length === 0) return
  const options = { usermode, ovsdb: databaseMark(client) }
  const made = await makeStanding(around, name, missing, options)
  const flows = ovs.flows(name).set(missing.map((slot) => configuration(sw, slot)))
  const errors = await Promise.all(
    missing.map(
      async (slot, at) =>
        made[at] ?? (await write(sw, slot).catch((e: unknown) => asEcdockError(e, 'reserve'))),
    ),
  )
  const failed = missing.filter((_, at) => errors[at] !== undefined && made[at] === undefined)
  if (failed.length > 0) await removeStanding(around, name, failed)
  const wrong =
    errors.find((error) => error !== undefined) ?? (await flows).find((error) => error !== undefined)
  if (wrong !== undefined) throw wrong
}

/** The rows of a standing port in place of those that the slot may have. What went wrong, or undefined. */
async function write(sw: OvsSwitch, slot: number): Promise<EcdockError | undefined> {
  const { client, commits } = sw.ovs
  let wasConfined = false
  await commits.commit((label) => {
    const bridge = requireBridge(client, sw.name)
    const old = directPort(client, bridge, slot)
    wasConfined = old?.vlan_mode !== undefined
    const removal: Operation[] =
      old === undefined ? [] : [mutate('Bridge', rowIs(bridge.uuid), { ports: { delete: [old.uuid] } })]
    return [...removal, ...standingRows(client, bridge, configuration(sw, slot), label)]
  })
  if (wasConfined) await sw.ovs.flows(sw.name).setFree([slot])
  const names = { slot, hostIfname: standingNames(sw.name, slot).port }
  return portError(sw.name, names, client.replica.byName('Interface', names.hostIfname))
}

/**
 * A standing port whose interfaces are gone, as after the machine was started anew: OVSDB keeps its rows on disk. They are
 * deleted, so that the slot can be used again; true when it was so.
 */
export async function mend(sw: OvsSwitch, slot: number, around: Surroundings): Promise<boolean> {
  const { client } = sw.ovs
  const bridge = client.replica.byName('Bridge', sw.name)
  if (bridge === undefined || standingPort(client, bridge, slot) === undefined) return false
  const { bridge: own, inner } = standingNames(sw.name, slot)
  const links = await around.kernel.linksByName(standingNetns(sw.name), [own, inner]).catch(() => [])
  if (links.length === 2 && links.every((link) => link !== undefined)) return false
  await release(sw, [slot], around)
  return true
}

function configuration({ name, subnet }: OvsSwitch, slot: number): SlotConfiguration {
  const { mac } = slotAddress(subnet, slot, '2001:db8')
  return { slot, mac, hostIfname: hostIfname(name, slot) }
}

/**
 * Deletes what Open vSwitch keeps of these slots, as far as it is ours. Port and Interface rows are not root rows (RFC
 * 7047 section 5.1): the server deletes what nobody refers to.
 */
export async function release(sw: OvsSwitch, slots: readonly number[], around: Surroundings): Promise<void> {
  const { client, commits } = sw.ovs
  const macs: string[] = []
  const confined: number[] = []
  await commits.commit(() => {
    const bridge = requireBridge(client, sw.name)
    const rows = slots.flatMap((slot) => ownPort(client, bridge, slot) ?? [])
    for (const { name, vlan_mode, external_ids } of rows) {
      if (vlan_mode !== undefined) confined.push(Number(external_ids.get(PORT_KEYS.slot)))
      const mac = client.replica.byName('Interface', name)?.external_ids.get('attached-mac')
      if (mac !== undefined) macs.push(mac)
    }
    if (rows.length === 0) return []
    return [mutate('Bridge', rowIs(bridge.uuid), { ports: { delete: rows.map((row) => row.uuid) } })]
  })
  await removeStanding(around, sw.name, slots)
  try {
    if (macs.length > 0) await sw.ovs.flows(sw.name).remove(macs)
    await sw.ovs.flows(sw.name).setFree(confined)
  } catch (error) {
    // They lead to ports that are no more; the bridge takes them with it.
    if (!(error instanceof EcdockError)) throw error
  }
}
