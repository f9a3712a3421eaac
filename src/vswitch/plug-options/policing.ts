import { EcdockError } from '../../errors.js'
import { quoted } from '../../quoted.js'
import type { PlugOptions } from '../vswitch.js'

/** Limits of what a target can send, in the words of Interface in vswitch.xml. */
export interface Policing {
  /** In kbit/s. */
  rate: number
  /** In kbit; 0 for Open vSwitch's default. */
  burst: number
}

/** ovs-vswitchd holds both in 32 bits (iface_configure_qos in vswitchd/bridge.c). */
const MOST = 2 ** 32 - 1

/** What `ingressRate` and `ingressBurst` ask for, undefined when they ask for nothing. Throws USAGE. */
export function policing({
  ingressRate: rate,
  ingressBurst: burst,
}: Pick<PlugOptions, 'ingressRate' | 'ingressBurst'>): Policing | undefined {
  if (rate !== undefined) check('ingressRate', rate, 'kbit/s')
  if (burst !== undefined) check('ingressBurst', burst, 'kbit')
  if (rate !== undefined) return { rate, burst: burst ?? 0 }
  if (burst === undefined) return undefined
  throw new EcdockError('USAGE', 'plug', 'ingressBurst is given without ingressRate', {
    hint: 'A burst is what may exceed a rate for a moment: give the rate, too.',
  })
}

function check(option: string, value: number, unit: string): void {
  if (Number.isInteger(value) && value >= 1 && value <= MOST) return
  throw new EcdockError('USAGE', 'plug', `${option}: ${quoted(value)} is no limit`, {
    hint: `Give whole ${unit}, 1 to ${MOST}.`,
  })
}
