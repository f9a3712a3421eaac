import type { Subnet } from '../../addressing/subnet.js'

/** The highest number that a port of a switch can have. */
export const MAX_PORT = 65535

/** The port of the vswitch itself: that of its own slot, as far as ports have such numbers. */
export function ownPort({ ownSlot }: Subnet): number {
  return Math.min(ownSlot, MAX_PORT)
}
