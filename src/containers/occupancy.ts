import { EcdockError } from '../errors.js'
import type { Port, Vswitch } from '../vswitch/vswitch.js'
import type { SlotContainer } from './slot-container.js'

/** Whether the port is the container's: somebody may have plugged something else into its slot. */
export function holds(port: Port, { name }: SlotContainer): boolean {
  const label = `container:${name}`
  // An interface's mark has room for so much only; a name that was cut ends with a tilde.
  const cut = port.target.endsWith('~') && label.startsWith(port.target.slice(0, -1))
  return port.target === label || cut || port.state === 'ghost'
}

/**
 * Unplugs what a container that has ended leaves in its slot. Its devices die with its namespace, at a time
 * that the kernel chooses, so that they may vanish while they are being unplugged.
 */
export async function takeOut(vswitch: Vswitch, slot: number): Promise<void> {
  try {
    await vswitch.unplug(slot)
  } catch (error) {
    if (isCode(error, 'SLOT_EMPTY')) return
    if ((await vswitch.port(slot)) !== undefined) throw error
  }
}

/** In bytes; undefined when there is no port, or its device is gone and its MTU with it. */
export function mtuOf(port: Port | undefined): number | undefined {
  return port === undefined || port.state === 'ghost' ? undefined : port.mtu
}

/** The error for a slot in which there is no container that was started there. */
export function nothingStarted(vswitch: Vswitch, slot: number, port: Port | undefined): EcdockError {
  const where = `slot ${slot} of ${vswitch.name}`
  if (port === undefined) {
    return new EcdockError('SLOT_EMPTY', 'slot', `${where} is empty`, { hint: 'ls shows which are not.' })
  }
  const what =
    port.state === 'ghost'
      ? `${port.target} is gone, and left its port in ${where}`
      : `${where} holds ${port.target}, which was plugged and not started here`
  return new EcdockError('CONTAINER_NOT_FOUND', 'slot', what, { hint: `To take it out: unplug ${slot}` })
}

export function slotInUse(vswitch: Vswitch, slot: number, by: string, hint: string): EcdockError {
  return new EcdockError('SLOT_TAKEN', 'start', `slot ${slot} of ${vswitch.name} ${by}`, { hint })
}

export function isCode(error: unknown, code: EcdockError['code']): boolean {
  return error instanceof EcdockError && error.code === code
}
