import { mutate, rowIs } from '../../ovsdb/operations.js'
import type { HostSidedBackend, Surroundings } from '../backend.js'
import { deleteHostSides } from '../host-side.js'
import { portMark } from '../record.js'
import { NIC_BRIDGE } from '../second-nic.js'
import { isGone, macOf } from './internal-devices.js'
import { nicBridgeMark } from './internal-plan.js'
import { type InternalRows, internalRows } from './internal-rows.js'
import { flowOf } from './neighbours.js'
import { release } from './slots.js'
import type { OvsSwitch } from './switch.js'

/** Takes out what is plugged into these slots, as far as it is there, with the bridge of two interfaces. */
export async function removeInternal(
  sw: OvsSwitch,
  backend: HostSidedBackend,
  around: Surroundings,
  slots: readonly number[],
): Promise<void> {
  const found = rowsOf(sw, slots)
  await Promise.all(found.map((rows) => removeInTarget(sw, rows, around)))
  await removePairs(sw, backend, found, around)
  await removeRows(sw, slots)
  await removeOrphans(sw, found, around)
}

/** Deletes the rows of internal ports; vswitchd deletes their devices then, wherever they are. */
export async function removeRows(sw: OvsSwitch, slots: readonly number[]): Promise<void> {
  const { name, ovs } = sw
  const { client, commits } = ovs
  const found = rowsOf(sw, slots)
  const bridge = client.replica.byName('Bridge', name)
  if (found.length === 0 || bridge === undefined) return
  const rows = found.flatMap(({ first, second }) => [first, second].flatMap((row) => row?.uuid ?? []))
  const flows = found.flatMap(({ slot, first }) => {
    const mac = macOf(client, first)
    return mac === undefined ? [] : flowOf(client, name, { slot, mac })
  })
  const confined = found.flatMap(({ slot, first }) => (first?.vlan_mode === undefined ? [] : slot))
  await commits.commit(() => [mutate('Bridge', rowIs(bridge.uuid), { ports: { delete: rows } })])
  if (flows.length > 0) await ovs.flows(name).remove(flows)
  await ovs.flows(name).setFree(confined)
}

/** A tap outlives the ovs-vswitchd that made it, and the next one knows nothing of it (TUNSETPERSIST in tun(4)). */
async function removeOrphans(
  { name }: OvsSwitch,
  found: readonly InternalRows[],
  { kernel }: Surroundings,
): Promise<void> {
  for (const netns of new Set(found.map((rows) => rows.netns))) {
    const marks = found.flatMap((rows) => (rows.netns === netns ? marksOf(name, rows.slot) : []))
    try {
      const links = await kernel.links(netns)
      // A device of the kernel datapath is Open vSwitch's alone to delete.
      const taps = links.filter(({ kind }) => kind === 'tun')
      const orphans = taps.filter(({ alias }) => marks.some((mark) => alias.startsWith(mark)))
      if (orphans.length > 0)
        await kernel.deleteLinks(
          netns,
          orphans.map(({ ifindex }) => ifindex),
        )
    } catch (error) {
      if (!isGone(error)) throw error
    }
  }
}

function marksOf(name: string, slot: number): string[] {
  return [portMark(name, slot), nicBridgeMark(name, slot)]
}

function rowsOf({ name, ovs }: OvsSwitch, slots: readonly number[]): InternalRows[] {
  return slots.flatMap((slot) => internalRows(ovs.client, name, slot) ?? [])
}

async function removeInTarget(
  { name }: OvsSwitch,
  { slot, second, netns }: InternalRows,
  { kernel }: Surroundings,
): Promise<void> {
  if (second === undefined) return
  try {
    await kernel.deleteMarkedLinks(netns, [{ name: NIC_BRIDGE, mark: nicBridgeMark(name, slot) }])
  } catch (error) {
    // The bridge goes with its namespace.
    if (!isGone(error)) throw error
  }
}

/** The first of two interfaces need not be internal. */
async function removePairs(
  sw: OvsSwitch,
  backend: HostSidedBackend,
  found: readonly InternalRows[],
  around: Surroundings,
): Promise<void> {
  const slots = found.filter(({ first }) => first === undefined).map(({ slot }) => slot)
  if (slots.length === 0) return
  const sides = slots.map((slot) => ({ slot, mark: portMark(sw.name, slot) }))
  await deleteHostSides(backend, around, sides)
  // Its rows would stay, and the port would be flooded to no more.
  await release(sw, slots, around)
}
