import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'
import type { VswitchKind, VswitchOptions } from './vswitch.js'

const KINDS: readonly string[] = ['bridge', 'ovs'] satisfies VswitchKind[]
/** Options that are planned. */
const TO_COME: ReadonlySet<string> = new Set(['vlan'])

/**
 * Passes options that come from JavaScript, where nothing else keeps a misspelt one from being ignored. Throws USAGE,
 * and UNSUPPORTED for what is still to come.
 */
export function checkOptions(op: string, options: object, known: ReadonlySet<string>): void {
  if (typeof options !== 'object' || options === null) {
    throw new EcdockError('USAGE', op, `options are expected, not ${quoted(options)}`)
  }
  for (const name of Object.keys(options)) {
    if (known.has(name) || options[name as keyof typeof options] === undefined) continue
    if (TO_COME.has(name)) {
      throw new EcdockError('UNSUPPORTED', op, `${name} is not supported yet`, {
        hint: 'It comes with a later version; leave it out.',
      })
    }
    throw new EcdockError('USAGE', op, `there is no option ${quoted(name)}`, {
      hint: `The options are ${[...known].join(', ')}.`,
    })
  }
}

export function noBoolean(op: string, name: string, value: unknown): EcdockError {
  return new EcdockError('USAGE', op, `${name} is ${quoted(value)}, which is neither true nor false`, {
    hint: 'Give true or false, not a text or a number.',
  })
}

const VSWITCH_OPTIONS: ReadonlySet<string> = new Set<keyof VswitchOptions>([
  'name',
  'kind',
  'subnet',
  'ipv6Prefix',
  'usermode',
  'device',
])

/** Throws USAGE and UNSUPPORTED. Whether the texts among them are right is for those to say who read them. */
export function checkVswitchOptions(options: VswitchOptions): void {
  const op = 'create-vswitch'
  checkOptions(op, options, VSWITCH_OPTIONS)
  const { kind = 'bridge', usermode = false, device } = options
  if (!KINDS.includes(kind)) {
    throw new EcdockError('UNSUPPORTED', op, `there is no kind of vswitch ${quoted(kind)}`, {
      hint: `The kinds are ${KINDS.join(' and ')}.`,
    })
  }
  if (typeof usermode !== 'boolean') {
    throw noBoolean(op, 'usermode', usermode)
  }
  if (kind !== 'bridge' || (!usermode && device === undefined)) return
  const refused = usermode ? 'a userspace datapath' : 'an uplink'
  throw new EcdockError('UNSUPPORTED', op, `a vswitch of kind bridge cannot have ${refused}`, {
    hint: 'Use kind ovs for that.',
  })
}
