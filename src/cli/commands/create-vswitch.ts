import { resolve } from 'node:path'
import { Option } from 'commander'
import type { Settings } from '../../config/settings.js'
import { EcdockError } from '../../errors.js'
import type { VswitchKind, VswitchOptions } from '../../vswitch/vswitch.js'
import type { Answer, CommandSpec } from '../command.js'
import { cancelled, type Invocation } from '../invocation.js'
import { kindText, vswitchDocument } from '../render/vswitch.js'
import { parseWhole } from '../values.js'

/** The port numbers that Open vSwitch gives (vswitch.xml). */
const MAX_SLOTS = 65279

const DEFAULT_NAMES: Record<VswitchKind, string> = { ovs: 'ovs0', bridge: 'br0', vde: 'vde0' }

export interface CreateVswitchFlags {
  kind?: VswitchKind
  usermode?: boolean
  neighSuppress?: boolean
  ipv6Prefix?: string
  slots?: number
  socketDir?: string
}

export const createVswitch: CommandSpec<CreateVswitchFlags> = {
  name: 'create-vswitch',
  summary: 'make a vswitch',
  description: [
    "CIDR is the switch's own address with its prefix length: slot 1 of 10.0.0.254/24 is 10.0.0.1, with MAC",
    '52:00:0a:00:00:01 and IPv6 address PREFIX::10.0.0.1/64. DEVICE is an interface of the host that becomes the',
    "switch's uplink. Without --kind it is a Linux bridge, which needs nothing installed; --usermode and DEVICE",
    'ask for Open vSwitch, --socket-dir for VDE. Without NAME it is br0, ovs0 or vde0, by its kind.',
  ].join(' '),
  usage: '[NAME] CIDR [DEVICE]',
  options: () => [
    new Option(
      '--kind <KIND>',
      'bridge: a Linux bridge; ovs: an Open vSwitch bridge; vde: a VDE switch, for QEMU, too',
    ).choices(['bridge', 'ovs', 'vde']),
    new Option('--socket-dir <DIR>', 'plug into the VDE switch whose sockets are there, of any make'),
    new Option('--usermode', "Open vSwitch's userspace datapath, which needs no kernel module"),
    new Option('--no-usermode', 'its kernel datapath, if the configuration says otherwise'),
    new Option('--neigh-suppress', 'Open vSwitch: ask only those concerned for a MAC, by ARP and IPv6'),
    new Option('--ipv6-prefix <PREFIX>', "of the slots' IPv6 addresses (default: 2001:db8)"),
    new Option('--slots <N>', "make Open vSwitch's rows and flows of the N lowest slots now").argParser(
      (text) => parseWhole(text, '--slots', 1, MAX_SLOTS),
    ),
  ],
  takes: ['vswitch'],
  examples: [
    'ecdock-fast create-vswitch 10.0.0.254/24',
    'ecdock-fast create-vswitch ovs0 10.0.0.254/24 --kind ovs --usermode',
    'ecdock-fast create-vswitch lab0 10.0.0.254/24 --kind vde --socket-dir /run/vde/lab',
  ],
  run: runCreateVswitch,
}

/** What the arguments and flags ask for, or else the configuration. Names and numbers are checked by the host. */
export function vswitchOptions(
  args: readonly string[],
  flags: CreateVswitchFlags,
  defaultName?: string,
  defaults: Settings = {},
): VswitchOptions {
  // A vswitch's name starts with a letter and holds no '/', so the first argument tells which one it is.
  const named = args[0] !== undefined && !/^[0-9]|\//.test(args[0])
  const [cidr, device, ...rest] = named ? args.slice(1) : args
  const subnet = cidr ?? defaults.subnet
  if (subnet === undefined) {
    throw usage('the CIDR is missing', 'Write "ecdock-fast create-vswitch 10.0.0.254/24".')
  }
  if (rest.length > 0) throw usage('there are too many arguments', 'It takes [NAME] CIDR [DEVICE].')
  const needsOvs = flags.usermode === true || device !== undefined
  if (flags.kind !== undefined && flags.kind !== 'ovs' && needsOvs) {
    const what = flags.usermode === true ? '--usermode' : 'DEVICE'
    throw usage(`${what} is for Open vSwitch, and --kind says ${flags.kind}`, 'Leave out one of the two.')
  }
  const { socketDir } = flags
  if (socketDir !== undefined && (needsOvs || (flags.kind ?? 'vde') !== 'vde')) {
    const other =
      flags.kind !== undefined
        ? `--kind ${flags.kind}`
        : flags.usermode === true
          ? '--usermode'
          : `DEVICE ${device}`
    throw usage(
      `--socket-dir names a VDE switch to plug into, and ${other} asks for another kind of vswitch`,
      `Leave out --socket-dir, or write --kind vde --socket-dir ${socketDir} without ${other}.`,
    )
  }
  const usermode = flags.usermode ?? defaults.usermode === true
  const kind =
    flags.kind ??
    (needsOvs ? 'ovs' : socketDir !== undefined ? 'vde' : (defaults.kind ?? (usermode ? 'ovs' : 'bridge')))
  const ipv6Prefix = flags.ipv6Prefix ?? defaults.ipv6Prefix
  const name = (named ? args[0] : defaultName) ?? DEFAULT_NAMES[kind]
  return {
    name,
    kind,
    subnet,
    ...(ipv6Prefix !== undefined && { ipv6Prefix }),
    ...(kind === 'ovs' && usermode && { usermode: true }),
    ...(flags.neighSuppress === true && { neighSuppress: true }),
    ...(device !== undefined && { device }),
    ...(flags.slots !== undefined && { slots: flags.slots }),
    ...(socketDir !== undefined && { socketDir: resolve(socketDir) }),
  }
}

async function runCreateVswitch(
  invocation: Invocation,
  args: string[],
  flags: CreateVswitchFlags,
): Promise<Answer> {
  const options = vswitchOptions(args, flags, invocation.vswitchName, invocation.defaults)
  return invocation.withWorld(async (world) => {
    const vswitch = await world.createVswitch(options)
    if (invocation.signal.aborted) {
      await world.deleteVswitch(vswitch.name)
      throw cancelled(invocation.command, invocation.signal)
    }
    return {
      document: vswitchDocument(vswitch),
      text: () => `${vswitch.name} is there: ${kindText(vswitch.kind)}, ${vswitch.subnet}`,
    }
  })
}

function usage(message: string, hint: string): EcdockError {
  return new EcdockError('USAGE', 'create-vswitch', message, { hint })
}
