import type { SwitchPort } from '../../vde/control.js'
import { type PortRecord, parsePortAlias } from '../record.js'
import type { Wiring } from '../wiring.js'

/** What the switch process remembers of a port: its record, and what is needed to find its tap. */
export interface PortLabel extends PortRecord {
  mtu: number
  /** Path of the target's namespace. */
  netns: string
}

/** The record of the tap's alias with two words more; the addon fills in what the plan finds out. */
export function portLabel({ alias, mtu, target }: Wiring): string {
  return `${alias} mtu=${mtu} at=${encodeURIComponent(target.netns)}`
}

/** Undefined for whatever else is plugged in. */
export function parsePortLabel({ label }: Pick<SwitchPort, 'label'>): PortLabel | undefined {
  const record = parsePortAlias(label)
  const [, mtu, at] = / mtu=(\d+) at=(\S*)$/.exec(label) ?? []
  if (record === undefined || at === undefined) return undefined
  try {
    return { ...record, mtu: Number(mtu), netns: decodeURIComponent(at) }
  } catch {
    return undefined
  }
}
