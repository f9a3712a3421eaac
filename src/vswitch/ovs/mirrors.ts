import { EcdockError } from '../../errors.js'
import type { Kernel } from '../../kernel/kernel.js'
import type { Step } from '../../kernel/plan.js'
import type { OvsdbClient } from '../../ovsdb/client.js'
import type { Uuid } from '../../ovsdb/value.js'
import type { Surroundings } from '../backend.js'
import type { Mirror } from '../vswitch.js'
import { withoutIpv6 } from './host-end.js'
import { internalRows } from './internal-rows.js'
import {
  mirrorDeletion,
  mirrorInsertion,
  ownMirror,
  ownMirrors,
  slotAddition,
  slotRemoval,
} from './mirror-rows.js'
import type { OpenVswitch } from './open-vswitch.js'
import { type BridgeRow, ownPort, requireBridge } from './own-rows.js'
import { portError } from './verdict.js'

/**
 * Lets a copy of all that a slot sends and gets come out of the interface `to` (Mirror in vswitch.xml): an interface
 * of the host that is there, or else an internal port that is made for it. Several slots can be mirrored to one.
 * Throws SLOT_EMPTY, IFNAME_TAKEN, UNSUPPORTED (32 are there) and what OVSDB gives; nothing is left behind then.
 */
export async function mirrorSlot(
  ovs: OpenVswitch,
  name: string,
  slot: number,
  to: string,
  { kernel, hasIpv6 }: Surroundings,
): Promise<void> {
  const { client, commits } = ovs
  requirePort(client, requireBridge(client, name), slot)
  const [device] = await kernel.linksByName('', [to])
  const type = device === undefined ? 'internal' : ''
  let isNew = false
  await commits.commit((label) => {
    const bridge = requireBridge(client, name)
    const port = requirePort(client, bridge, slot)
    const present = ownMirror(client, bridge, to)
    isNew = present === undefined
    return present === undefined
      ? mirrorInsertion(client, bridge, { slot, port }, { to, type, label })
      : [slotAddition(present, slot, port)]
  })
  if (!isNew) return
  try {
    checkTakenIn(client, to)
    if (device === undefined) await setUp(kernel, to, hasIpv6)
  } catch (error) {
    await removeMirror(ovs, name, to)
    throw error
  }
}

/** Stops mirroring a slot; mirrors that have no other go, with the ports that were made for them. Tells to where it was. */
export async function unmirrorSlot(ovs: OpenVswitch, name: string, slot: number): Promise<string[]> {
  const { client, commits } = ovs
  const stopped: string[] = []
  await commits.commit(() => {
    stopped.length = 0
    const bridge = requireBridge(client, name)
    return ownMirrors(client, bridge).flatMap((mirror) => {
      if (!mirror.slots.includes(slot)) return []
      stopped.push(mirror.to)
      return mirror.slots.length === 1
        ? mirrorDeletion(client, bridge, mirror)
        : slotRemoval(mirror, slot, slotPort(client, bridge, slot))
    })
  })
  return stopped.sort()
}

/** Takes a mirror away, whatever it mirrors. */
export async function removeMirror(
  { client, commits }: OpenVswitch,
  name: string,
  to: string,
): Promise<void> {
  await commits.commit(() => {
    const bridge = requireBridge(client, name)
    const mirror = ownMirror(client, bridge, to)
    return mirror === undefined ? [] : [mirrorDeletion(client, bridge, mirror)]
  })
}

/** The mirrors of a bridge that are ours, with those of their slots that have a port. */
export function mirrors(client: OvsdbClient, bridge: BridgeRow): Mirror[] {
  return ownMirrors(client, bridge)
    .map(({ to, slots }) => ({
      to,
      slots: slots.filter((slot) => slotPort(client, bridge, slot) !== undefined).sort((a, b) => a - b),
    }))
    .sort((a, b) => a.to.localeCompare(b.to))
}

/** The Port row that the frames of this slot go through. */
function slotPort(client: OvsdbClient, bridge: BridgeRow, slot: number): Uuid | undefined {
  const internal = internalRows(client, bridge.name, slot)
  return (ownPort(client, bridge, slot) ?? internal?.first ?? internal?.second)?.uuid
}

function checkTakenIn(client: OvsdbClient, to: string): void {
  const row = client.replica.byName('Interface', to)
  const error = portError('mirror', { hostIfname: to, slot: row?.ofport ?? 0 }, row)
  if (error !== undefined) throw error
}

/** The copies are for whoever reads them: the host itself has no business with IPv6 there. */
async function setUp(kernel: Kernel, name: string, hasIpv6: boolean): Promise<void> {
  const steps: Step[] = [{ op: 'link', netns: '', name, up: true }]
  if (hasIpv6) steps.unshift(withoutIpv6(name))
  const [outcome] = await kernel.execute([{ steps }])
  if (outcome?.ok !== false) return
  const { op, errno, kernelMessage, message } = outcome
  throw new EcdockError('KERNEL', op, `setting ${name} up failed: ${message}`, { errno, kernelMessage })
}

function requirePort(client: OvsdbClient, bridge: BridgeRow, slot: number): Uuid {
  const port = slotPort(client, bridge, slot)
  if (port !== undefined) return port
  const message = `slot ${slot} of ${bridge.name} has no port that could be mirrored`
  throw new EcdockError('SLOT_EMPTY', 'mirror', message, { hint: 'Plug something into it first.' })
}
