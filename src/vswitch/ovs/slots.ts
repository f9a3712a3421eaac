import { slotAddress } from '../../addressing/slot.js'
import type { Subnet } from '../../addressing/subnet.js'
import { EcdockError } from '../../errors.js'
import { mutate, rowIs } from '../../ovsdb/operations.js'
import type { Surroundings } from '../backend.js'
import { hostIfname, slotOfHostIfname } from '../names.js'
import type { OpenVswitch } from './open-vswitch.js'
import { ownPort, requireBridge } from './own-rows.js'
import { slotRows } from './port-rows.js'
import { isPresent, noticedGone } from './presence.js'

/**
 * Before a device appears whose slot has rows: vswitchd must have let go of the one before. Otherwise it would take the
 * new device for the old one, keep what it had opened, and no frame would pass. Undefined when nothing is to be done.
 */
export function prepare(
  ovs: OpenVswitch,
  name: string,
  slots: readonly number[],
  around: Surroundings,
): Promise<void> | undefined {
  const suspects = slots.filter((slot) => isPresent(ovs.client, hostIfname(name, slot)))
  return suspects.length === 0 ? undefined : makeVacant(ovs, name, suspects, around)
}

async function makeVacant(
  ovs: OpenVswitch,
  name: string,
  slots: readonly number[],
  { kernel }: Surroundings,
): Promise<void> {
  const names = slots.map((slot) => hostIfname(name, slot))
  const links = await kernel.linksByName('', names)
  // Those that are there make the plug fail, which says by whom the slot is taken.
  const gone = slots.filter((_, at) => links[at] === undefined)
  if (gone.length === 0) return
  if (
    await noticedGone(
      ovs.client,
      gone.map((slot) => hostIfname(name, slot)),
    )
  )
    return
  await remove(ovs, name, gone)
}

/** Waits until vswitchd knows that these slots' devices are gone, if it runs. */
export async function vanished(
  { client }: OpenVswitch,
  name: string,
  slots: readonly number[],
): Promise<void> {
  await noticedGone(
    client,
    slots.map((slot) => hostIfname(name, slot)),
  )
}

/** Writes the rows and flows of slots beforehand. */
export async function reserve(
  ovs: OpenVswitch,
  name: string,
  subnet: Subnet,
  slots: readonly number[],
): Promise<void> {
  const { client, commits } = ovs
  const configurations = slots.map((slot) => {
    const { mac } = slotAddress(subnet, slot, '2001:db8')
    return { slot, mac, hostIfname: hostIfname(name, slot) }
  })
  const flows = ovs.flows(name).set(configurations)
  await Promise.all(
    configurations.map((slot) =>
      commits.commit((label) => slotRows(client, requireBridge(client, name), slot, label)),
    ),
  )
  const wrong = (await flows).find((error) => error !== undefined)
  if (wrong !== undefined) throw wrong
}

/**
 * Deletes the rows and flows of these slots, as far as they are ours. Port and Interface rows are not root rows (RFC 7047
 * section 5.1): the server deletes what nobody refers to.
 */
export async function remove(ovs: OpenVswitch, name: string, slots: readonly number[]): Promise<void> {
  const { client, commits } = ovs
  const macs: string[] = []
  const confined: number[] = []
  await commits.commit(() => {
    const bridge = requireBridge(client, name)
    const rows = slots.flatMap((slot) => ownPort(client, bridge, slot) ?? [])
    for (const { name, vlan_mode } of rows) {
      const slot = slotOfHostIfname(bridge.name, name)
      if (vlan_mode !== undefined && slot !== undefined) confined.push(slot)
      const mac = client.replica.byName('Interface', name)?.external_ids.get('attached-mac')
      if (mac !== undefined) macs.push(mac)
    }
    if (rows.length === 0) return []
    return [mutate('Bridge', rowIs(bridge.uuid), { ports: { delete: rows.map((row) => row.uuid) } })]
  })
  try {
    if (macs.length > 0) await ovs.flows(name).remove(macs)
    await ovs.flows(name).setFree(confined)
  } catch (error) {
    // They lead to ports that are no more; the bridge takes them with it.
    if (!(error instanceof EcdockError)) throw error
  }
}
