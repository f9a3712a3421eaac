import type { Kernel } from '../../kernel/kernel.js'
import type { SwitchPort } from '../../vde/control.js'
import { aliasOf } from './labels.js'
import { portsAt } from './switch-ports.js'
import { type MarkedTap, markedTaps, type TapOwner } from './taps.js'

/** Taps of a vswitch that its switch, with this control socket, does not have, by slot; none when it has ended. */
export async function strandedTaps(kernel: Kernel, control: string, owner: TapOwner): Promise<MarkedTap[]> {
  // Before the switch is asked, so that what is being plugged in is hardly taken for what is not.
  const taps = await markedTaps(kernel, owner)
  const ports = await portsAt(control)
  return ports === undefined ? [] : notAmong(ports, taps)
}

/** Those of these taps that are not among these ports: the label of a port begins with the mark. */
function notAmong(ports: readonly SwitchPort[], taps: readonly MarkedTap[]): MarkedTap[] {
  const plugged = new Set(ports.map(aliasOf))
  return taps.filter(({ link }) => !plugged.has(link.alias))
}
