import type { Kernel } from '../../kernel/kernel.js'
import { findSwitch } from '../../vde/switch-process.js'
import { aliasOf } from './labels.js'
import { portsAt } from './switch-ports.js'
import { type MarkedTap, markedTaps, type TapOwner } from './taps.js'

/**
 * Taps of a vswitch that its switch, with this control socket, does not have, by slot; none when it has ended: no namespace
 * is looked into then. What is being plugged in has its tap first, and what is being taken out loses it first: so the taps
 * are looked at before the switch, and where some seem stranded, both once more. What was on its way out is gone then, and
 * what was on its way in has all but surely arrived.
 */
export async function strandedTaps(kernel: Kernel, control: string, owner: TapOwner): Promise<MarkedTap[]> {
  if ((await findSwitch(control)) === undefined) return []
  const seeming = await notPlugged(control, await markedTaps(kernel, owner))
  if (seeming.length === 0) return []
  const aliases = new Set(seeming.map(({ link }) => link.alias))
  const within = new Map(seeming.map(({ netnsId, netns }) => [netnsId, netns]))
  const again = await markedTaps(kernel, owner, within)
  return await notPlugged(
    control,
    again.filter(({ link }) => aliases.has(link.alias)),
  )
}

/** Those of these taps that the switch does not have: the label of a port begins with the mark. None when it has ended. */
async function notPlugged(control: string, taps: readonly MarkedTap[]): Promise<MarkedTap[]> {
  const ports = await portsAt(control)
  if (ports === undefined) return []
  const plugged = new Set(ports.map(aliasOf))
  return taps.filter(({ link }) => !plugged.has(link.alias))
}
