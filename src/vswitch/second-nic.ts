import { slotAddress } from '../addressing/slot.js'
import type { Subnet } from '../addressing/subnet.js'
import { EcdockError } from '../errors.js'
import { noBoolean } from './options.js'
import type { PlugRequest, VswitchKind } from './vswitch.js'

/** Interfaces of a target with two of them, which ecDock called so. */
export const FIRST_NIC = 'eth0'
export const SECOND_NIC = 'eth1'
/** The bridge of the target that both belong to, and that has its addresses. */
export const NIC_BRIDGE = 'br0'

/** ecDock's rule for the OpenFlow port of the second interface. */
const SECOND_OFPORT = 30_000

/** The highest slot that can have a second interface: its number would be that of a slot otherwise. */
const HIGHEST_SLOT = SECOND_OFPORT - 1

/** Host side of the second interface, such as `ovs0-o1`: frames are to go out by it. */
export function secondIfname(vswitch: string, slot: number): string {
  return `${vswitch}-o${slot}`
}

export function secondOfport(slot: number): number {
  return SECOND_OFPORT + slot
}

/** 52:80 and the four bytes of the slot's IPv4 address. */
export function secondMac(subnet: Subnet, slot: number): string {
  return slotAddress(subnet, slot, '2001:db8').mac.replace(/^52:00/, '52:80')
}

/** Checks what can be checked of `internal` and `dualNic` without looking at anything. Throws USAGE. */
export function checkNics({ internal, dualNic, ifname }: PlugRequest): void {
  for (const [name, value] of Object.entries({ internal, dualNic })) {
    if (value !== undefined && typeof value !== 'boolean') throw noBoolean('plug', name, value)
  }
  if (dualNic !== true || ifname === undefined || ifname === FIRST_NIC) return
  const message = `with two interfaces they are ${FIRST_NIC} and ${SECOND_NIC}, and not ${ifname}`
  throw new EcdockError('USAGE', 'plug', message, {
    hint: 'Leave out either the name or the second interface.',
  })
}

/** Throws UNSUPPORTED for a vswitch that cannot have such ports, and SLOT_OUT_OF_RANGE. */
export function nics(
  kind: VswitchKind,
  { internal = false, dualNic = false }: PlugRequest,
  slot: number,
): { internal: boolean; dualNic: boolean } {
  if (kind !== 'ovs' && (internal || dualNic)) {
    const option = internal ? 'internal' : 'dualNic'
    throw new EcdockError('UNSUPPORTED', 'plug', `a port of kind ${kind} cannot have ${option}`, {
      hint: 'Use a vswitch of kind ovs for that.',
    })
  }
  if (dualNic && slot > HIGHEST_SLOT) {
    const message = `slot ${slot} cannot have a second interface; slots up to ${HIGHEST_SLOT} can`
    throw new EcdockError('SLOT_OUT_OF_RANGE', 'plug', message)
  }
  return { internal, dualNic }
}
