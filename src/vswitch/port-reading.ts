import { slotAddress } from '../addressing/slot.js'
import type { Backend, Surroundings } from './backend.js'
import type { PortRecord } from './record.js'
import type { Port, PortsOptions } from './vswitch.js'

/** The vswitch's ports by slot, read from where they are and from what the switch itself remembers. */
export async function readPorts(
  backend: Backend,
  around: Surroundings,
  options: PortsOptions = {},
): Promise<Port[]> {
  const ports = await backend.places.ports(around)
  const internal = (await backend.internal?.ports(around)) ?? []
  const stranded = options.stranded === true ? await backend.places.stranded?.(around) : undefined
  const others = [...internal, ...(stranded ?? [])]
  return others.length === 0 ? ports : [...ports, ...others].sort(bySlot)
}

export function bySlot(a: Port, b: Port): number {
  return a.slot - b.slot
}

/**
 * Slots that a plug cannot have: whoever is in the slot, or has the slot's number on the switch. What remembers a port
 * without a device is not in the way.
 */
export async function takenSlots(backend: Backend, around: Surroundings): Promise<Set<number>> {
  const taken = await backend.places.full(around)
  for (const slot of backend.foreign?.().slots() ?? []) taken.add(slot)
  // Their targets are gone: a plug takes the slot from them.
  for (const { slot, state } of (await backend.internal?.ports(around)) ?? []) {
    if (state === 'ghost') taken.delete(slot)
  }
  return taken
}

/** The port in this slot: the cost does not grow with the number of ports. */
export async function readPort(
  backend: Backend,
  around: Surroundings,
  slot: number,
): Promise<Port | undefined> {
  if (backend.internal?.has(slot)) {
    const [internal] = await backend.internal.ports(around, [slot])
    if (internal !== undefined) return internal
  }
  const [port] = await backend.places.ports(around, slot)
  return port
}

/** Slots of which the switch keeps something, and which hold nothing. */
export async function reservedSlots(backend: Backend, around: Surroundings): Promise<number[]> {
  const kept = backend.kept?.()
  if (kept === undefined || kept.size === 0) return []
  const full = await backend.places.full(around)
  return [...kept.keys()].filter((slot) => !full.has(slot)).sort((a, b) => a - b)
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
    hostIfname: backend.places.hostIfname(record.slot),
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
