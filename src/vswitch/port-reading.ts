import { slotAddress } from '../addressing/slot.js'
import type { Link } from '../kernel/kernel.js'
import type { Backend, KeptSlot, Surroundings } from './backend.js'
import { hostSide, hostSideLinks } from './host-side.js'
import { hostIfname, slotOfHostIfname } from './names.js'
import { type PortRecord, parsePortAlias } from './record.js'
import type { Port } from './vswitch.js'

/** The vswitch's ports by slot, read from the kernel and from what the switch itself remembers. */
export async function readPorts(backend: Backend, around: Surroundings): Promise<Port[]> {
  const links = await hostSideLinks(backend, around)
  const ports = merge(backend, around, links, backend.kept?.())
  const internal = await backend.internal?.ports(around)
  return internal === undefined || internal.length === 0 ? ports : [...ports, ...internal].sort(bySlot)
}

function bySlot(a: Port, b: Port): number {
  return a.slot - b.slot
}

/**
 * Slots that a plug cannot have: whoever has an interface of the slot's name, or the slot's number on the switch.
 * What remembers a port without a device is not in the way.
 */
export async function takenSlots(backend: Backend, around: Surroundings): Promise<Set<number>> {
  const links = await hostSideLinks(backend, around)
  const taken = new Set(backend.foreign?.().slots())
  for (const link of links) {
    const slot = slotOfHostIfname(backend.name, link.name)
    if (slot !== undefined) taken.add(slot)
  }
  // Their targets are gone: a plug takes the slot from them.
  for (const { slot, state } of (await backend.internal?.ports(around)) ?? []) {
    if (state === 'ghost') taken.delete(slot)
  }
  return taken
}

/** The port in this slot, found by its name: the cost does not grow with the number of ports. */
export async function readPort(
  backend: Backend,
  around: Surroundings,
  slot: number,
): Promise<Port | undefined> {
  if (backend.internal?.has(slot)) {
    const [internal] = await backend.internal.ports(around, [slot])
    if (internal !== undefined) return internal
  }
  const link = await hostSide(backend, around, slot)
  if (link === undefined) return undefined
  return merge(backend, around, [link], backend.kept?.()).find((port) => port.slot === slot)
}

/** Slots of which the switch keeps something, and which hold nothing. */
export async function reservedSlots(backend: Backend, around: Surroundings): Promise<number[]> {
  const kept = backend.kept?.()
  if (kept === undefined || kept.size === 0) return []
  const full = new Set<number | undefined>(
    (await hostSideLinks(backend, around)).map((link) => slotOfHostIfname(backend.name, link.name)),
  )
  return [...kept.keys()].filter((slot) => !full.has(slot)).sort((a, b) => a - b)
}

function merge(
  backend: Backend,
  around: Surroundings,
  links: readonly Link[],
  kept: ReadonlyMap<number, KeptSlot> | undefined,
): Port[] {
  const ports = new Map<number, Port>()
  for (const link of links) {
    const record = ownRecord(backend, link)
    if (record === undefined) continue
    const known = kept?.get(record.slot)
    const connected = kept === undefined || known !== undefined
    const state = !connected ? 'stray' : link.up && link.carrier ? 'up' : 'down'
    ports.set(record.slot, {
      ...portOf(backend, around, record, link.mtu),
      state,
      stats: link.stats,
      ...known,
    })
  }
  return [...ports.values()].sort(bySlot)
}

/** The record of a link that is a port of this vswitch, undefined for every other. */
function ownRecord(backend: Backend, link: Link): PortRecord | undefined {
  const record = parsePortAlias(link.alias)
  if (record?.vswitch !== backend.name || link.name !== hostIfname(backend.name, record.slot))
    return undefined
  return record.slot >= 1 && record.slot <= backend.subnet.lastSlot ? record : undefined
}

export function portOf(
  backend: Backend,
  around: Surroundings,
  record: PortRecord,
  mtu: number,
  address = slotAddress(backend.subnet, record.slot, backend.ipv6Prefix),
): Port {
  return {
    vswitch: backend.name,
    kind: backend.kind,
    slot: record.slot,
    hostIfname: hostIfname(backend.name, record.slot),
    ifname: record.ifname,
    mac: record.mac,
    ipv4: `${address.ipv4}/${address.prefix}`,
    ipv6: around.hasIpv6 ? `${address.ipv6}/${address.ipv6Prefix}` : '',
    gateway: backend.subnet.address,
    mtu,
    target: record.target,
    netnsId: record.netnsId,
    state: 'up',
  }
}
