import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'
import { checkSocketDir } from '../vde/socket-dir.js'
import type { VswitchKind, VswitchOptions } from './vswitch.js'

const KINDS: readonly string[] = ['bridge', 'ovs', 'vde'] satisfies VswitchKind[]

/** Passes options that come from JavaScript, where nothing else keeps a misspelt one from being ignored. Throws USAGE. */
export function checkOptions(op: string, options: object, known: ReadonlySet<string>): void {
  if (typeof options !== 'object' || options === null) {
    throw new EcdockError('USAGE', op, `options are expected, not ${quoted(options)}`)
  }
  for (const name of Object.keys(options)) {
    if (known.has(name) || options[name as keyof typeof options] === undefined) continue
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
  'neighSuppress',
  'device',
  'socketDir',
  'slots',
])

/** Throws USAGE and UNSUPPORTED. Whether the texts among them are right is for those to say who read them. */
export function checkVswitchOptions(options: VswitchOptions): void {
  const op = 'create-vswitch'
  checkOptions(op, options, VSWITCH_OPTIONS)
  const { kind = 'bridge', usermode = false, neighSuppress = false, device, slots = 0 } = options
  if (!KINDS.includes(kind)) {
    throw new EcdockError('UNSUPPORTED', op, `there is no kind of vswitch ${quoted(kind)}`, {
      hint: `The kinds are ${KINDS.join(', ')}.`,
    })
  }
  if (typeof usermode !== 'boolean') {
    throw noBoolean(op, 'usermode', usermode)
  }
  if (typeof neighSuppress !== 'boolean') {
    throw noBoolean(op, 'neighSuppress', neighSuppress)
  }
  if (!Number.isSafeInteger(slots) || slots < 0) {
    throw new EcdockError('USAGE', op, `slots is ${quoted(slots)}, which is not a whole number`, {
      hint: 'Say how many slots to make ready beforehand.',
    })
  }
  if (options.socketDir !== undefined) {
    if (kind !== 'vde') throw refused(kind, 'the sockets of a VDE switch', 'vde')
    checkSocketDir(options.socketDir)
  }
  if (kind === 'ovs') return
  if (usermode) throw refused(kind, 'a userspace datapath', 'ovs')
  if (device !== undefined) throw refused(kind, 'an uplink', 'ovs')
  if (slots > 0) throw refused(kind, 'slots made ready', 'ovs')
  if (neighSuppress) throw refused(kind, 'neighbour suppression', 'ovs')
}

function refused(kind: VswitchKind, what: string, other: VswitchKind): EcdockError {
  return new EcdockError('UNSUPPORTED', 'create-vswitch', `a vswitch of kind ${kind} cannot have ${what}`, {
    hint: `Use kind ${other} for that.`,
  })
}
