import { asEcdockError, EcdockError } from '../../errors.js'
import type { SlotFlow } from '../../openflow/slot-flows.js'
import { mutate, rowIs } from '../../ovsdb/operations.js'
import type { Surroundings } from '../backend.js'
import { hostIfname } from '../names.js'
import type { Wiring } from '../wiring.js'
import { PORT_KEYS } from './marks.js'
import { flowOf } from './neighbours.js'
import { directPort, ownPort, requireBridge, standingPort } from './own-rows.js'
import { hasSlotFlow, standingRows } from './port-rows.js'
import { makeReady } from './reservation.js'
import { isWhole, removeStanding, standingNetns } from './standing-ports.js'
import type { OvsSwitch } from './switch.js'

/**
 * Before something is plugged into slots. One whose port was an end of a target's pair, and has lost it, gets a standing
 * port: whoever uses a slot twice will use it again. A standing port forwards from the moment on at which something is
 * connected to it, so what it is to be, such as its VLAN, is written first. Undefined when nothing is to be done; else what went wrong, by slot.
 */
export function prepare(
  sw: OvsSwitch,
  wirings: readonly Wiring[],
  around: Surroundings,
): Promise<ReadonlyMap<number, EcdockError>> | undefined {
  const { client } = sw.ovs
  const bridge = requireBridge(client, sw.name)
  const used = wirings.flatMap(({ slot }) => (directPort(client, bridge, slot) === undefined ? [] : slot))
  const other = wirings.filter(
    (wiring) =>
      used.includes(wiring.slot) ||
      (standingPort(client, bridge, wiring.slot) !== undefined &&
        standingRows(client, bridge, wiring, '').length > 0),
  )
  return other.length === 0 ? undefined : adapt(sw, used, other, around)
}

async function adapt(
  sw: OvsSwitch,
  used: readonly number[],
  other: readonly Wiring[],
  around: Surroundings,
): Promise<ReadonlyMap<number, EcdockError>> {
  const errors = used.length > 0 ? await standInstead(sw, used, around) : new Map<number, EcdockError>()
  const names = other.map(({ hostIfname }) => hostIfname)
  const links = await around.kernel.linksByName(standingNetns(sw.name), names).catch(() => [])
  // What is there is not to be changed: it makes the plug fail, which says by whom the slot is taken.
  const free = other.filter(({ slot }, at) => links[at] === undefined && !errors.has(slot))
  await Promise.all(
    free.map(async (wiring) => {
      const error = await configure(sw, wiring).catch((cause: unknown) => asEcdockError(cause, 'plug'))
      if (error !== undefined) errors.set(wiring.slot, error)
    }),
  )
  return errors
}

/** What went wrong, or undefined. */
async function configure(sw: OvsSwitch, wiring: Wiring): Promise<EcdockError | undefined> {
  const { client, commits } = sw.ovs
  let wasConfined = false
  let mac: string | undefined
  await commits.commit((label) => {
    const bridge = requireBridge(client, sw.name)
    const port = standingPort(client, bridge, wiring.slot)
    wasConfined = port?.vlan_mode !== undefined
    mac = port && client.replica.byName('Interface', port.name)?.external_ids.get('attached-mac')
    return port === undefined ? [] : standingRows(client, bridge, wiring, label)
  })
  const flows = sw.ovs.flows(sw.name)
  const { slot } = wiring
  if (mac !== undefined && mac !== wiring.mac) await flows.remove([flowOf(client, sw.name, { slot, mac })])
  if (!hasSlotFlow(wiring)) return (await flows.confine([flowOf(client, sw.name, wiring)]))[0]
  return wasConfined ? await flows.setFree([slot]) : undefined
}

async function standInstead(
  sw: OvsSwitch,
  slots: readonly number[],
  around: Surroundings,
): Promise<Map<number, EcdockError>> {
  const links = await around.kernel.linksByName(
    '',
    slots.map((slot) => hostIfname(sw.name, slot)),
  )
  // Those that are there make the plug fail, which says by whom the slot is taken.
  return await makeReady(
    sw,
    slots.filter((_, at) => links[at] === undefined),
    around,
  )
}

/** As {@link makeReady}. Throws the first error; those slots that had none are ready. */
export async function reserve(sw: OvsSwitch, slots: readonly number[], around: Surroundings): Promise<void> {
  const [wrong] = (await makeReady(sw, slots, around)).values()
  if (wrong !== undefined) throw wrong
}

/**
 * A standing port whose interfaces are gone, as after the machine was started anew: OVSDB keeps its rows on disk. They are
 * deleted, so that the slot can be used again; true when it was so.
 */
export async function mend(sw: OvsSwitch, slot: number, around: Surroundings): Promise<boolean> {
  const { client } = sw.ovs
  const bridge = client.replica.byName('Bridge', sw.name)
  if (bridge === undefined || standingPort(client, bridge, slot) === undefined) return false
  if (await isWhole(around.kernel, sw.name, slot)) return false
  await release(sw, [slot], around)
  return true
}

/**
 * Deletes what Open vSwitch keeps of these slots, as far as it is ours. Port and Interface rows are not root rows (RFC
 * 7047 section 5.1): the server deletes what nobody refers to.
 */
export async function release(sw: OvsSwitch, slots: readonly number[], around: Surroundings): Promise<void> {
  const { client, commits } = sw.ovs
  const flows: SlotFlow[] = []
  const confined: number[] = []
  await commits.commit(() => {
    const bridge = requireBridge(client, sw.name)
    const rows = slots.flatMap((slot) => ownPort(client, bridge, slot) ?? [])
    for (const { name, vlan_mode, external_ids } of rows) {
      const slot = Number(external_ids.get(PORT_KEYS.slot))
      if (vlan_mode !== undefined) confined.push(slot)
      const mac = client.replica.byName('Interface', name)?.external_ids.get('attached-mac')
      if (mac !== undefined) flows.push(flowOf(client, sw.name, { slot, mac }))
    }
    if (rows.length === 0) return []
    return [mutate('Bridge', rowIs(bridge.uuid), { ports: { delete: rows.map((row) => row.uuid) } })]
  })
  await removeStanding(around, sw.name, slots)
  try {
    if (flows.length > 0) await sw.ovs.flows(sw.name).remove(flows)
    await sw.ovs.flows(sw.name).setFree(confined)
  } catch (error) {
    // They lead to ports that are no more; the bridge takes them with it.
    if (!(error instanceof EcdockError)) throw error
  }
}
