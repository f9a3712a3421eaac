import { EcdockError } from '../../errors.js'
import { quoted } from '../../quoted.js'
import type { SwitchPort } from '../../vde/control.js'
import { type PortRecord, parsePortAlias } from '../record.js'
import type { Wiring } from '../wiring.js'

/** What the switch process remembers of a port: its record, and what is needed to find its tap. */
export interface PortLabel extends PortRecord {
  mtu: number
  /** Path of the target's namespace. */
  netns: string
}

/** The longest label that ecdock-switch takes (native/switch/control_session.cpp). */
const LABEL_BYTES = 512
/** What the addon adds when it fills in the interface's name and the namespace's number. */
const FILLED_BYTES = 15 - '{ifname}'.length + 20 - '{netns}'.length

/** What a label has behind the tap's alias. */
const LABEL_END = / mtu=(\d+) at=(\S*)$/

/** The label of a port that is to be made; the addon fills in what the plan finds out. */
export function portLabel({ alias, mtu, target }: Wiring): string {
  return labelled(alias, mtu, target.netns)
}

/** Refuses a target whose path makes the label longer than a switch keeps one. Throws TARGET_INVALID. */
export function checkLabel(wiring: Wiring): void {
  const { netns, label } = wiring.target
  const room = LABEL_BYTES - labelled(wiring.alias, wiring.mtu, '').length - FILLED_BYTES
  const bytes = encodeURIComponent(netns).length
  if (bytes <= room) return
  const message = `the path of ${quoted(label)} is too long for a vswitch of kind vde: ${bytes} bytes as its switch keeps it, and there is room for ${room}`
  throw new EcdockError('TARGET_INVALID', 'plug', message, {
    hint: 'Give its namespace a short name, ip netns attach NAME PID, or plug in a process that is in it: pid:PID.',
  })
}

/** The alias of a tap with two words more. */
export function labelled(alias: string, mtu: number, netns: string): string {
  return `${alias} mtu=${mtu} at=${encodeURIComponent(netns)}`
}

/** The alias that a label was made from. */
export function aliasOf({ label }: Pick<SwitchPort, 'label'>): string {
  return label.replace(LABEL_END, '')
}

/** Undefined for whatever else is plugged in. */
export function parsePortLabel({ label }: Pick<SwitchPort, 'label'>): PortLabel | undefined {
  const record = parsePortAlias(label)
  const [, mtu, at] = LABEL_END.exec(label) ?? []
  if (record === undefined || at === undefined) return undefined
  try {
    return { ...record, mtu: Number(mtu), netns: decodeURIComponent(at) }
  } catch {
    return undefined
  }
}
