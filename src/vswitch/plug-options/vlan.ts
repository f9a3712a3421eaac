import { EcdockError } from '../../errors.js'
import { quoted } from '../../quoted.js'
import type { PlugOptions } from '../vswitch.js'

/** The VLANs of a port, in the words of Port in vswitch.xml. */
export interface PortVlan {
  mode: 'access' | 'trunk' | 'native-untagged'
  tag?: number
  /** In ascending order, each once. */
  trunks: readonly number[]
}

/** 0 means "no VLAN" and 4095 is reserved (IEEE 802.1Q section 9.6). */
const LOWEST = 1
const HIGHEST = 4094

/** What `vlan` and `trunks` ask for, undefined when they ask for nothing. Throws USAGE. */
export function portVlan({ vlan, trunks }: Pick<PlugOptions, 'vlan' | 'trunks'>): PortVlan | undefined {
  if (vlan !== undefined) checkVlan('vlan', vlan)
  if (trunks === undefined) return vlan === undefined ? undefined : { mode: 'access', tag: vlan, trunks: [] }
  if (!Array.isArray(trunks)) {
    throw usage(`trunks is ${quoted(trunks)}, which is no list of VLANs`, 'Give a list such as [10, 20].')
  }
  if (trunks.length === 0 || trunks.length > HIGHEST) {
    const why = trunks.length === 0 ? 'names no VLAN' : `names ${trunks.length} VLANs, more than there are`
    throw usage(`trunks ${why}`, 'Leave it out for a port that carries every VLAN.')
  }
  for (const each of trunks) checkVlan('trunks', each)
  const sorted = [...new Set(trunks)].sort((a, b) => a - b)
  return vlan === undefined
    ? { mode: 'trunk', trunks: sorted }
    : { mode: 'native-untagged', tag: vlan, trunks: sorted }
}

function checkVlan(option: string, vlan: number): void {
  if (Number.isInteger(vlan) && vlan >= LOWEST && vlan <= HIGHEST) return
  throw usage(
    `${option}: ${quoted(vlan)} is no VLAN`,
    `A VLAN is a whole number from ${LOWEST} to ${HIGHEST}.`,
  )
}

function usage(message: string, hint: string): EcdockError {
  return new EcdockError('USAGE', 'plug', message, { hint })
}
