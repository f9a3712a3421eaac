import { Option } from 'commander'
import type { Settings } from '../../config/settings.js'
import type { StartOptions } from '../../containers/slot-container.js'
import { EcdockError } from '../../errors.js'
import type { Vswitch } from '../../vswitch/vswitch.js'
import type { Answer, CommandSpec } from '../command.js'
import type { Invocation } from '../invocation.js'
import { type NicFlags, nicFlags, nicOptions, type PortFlags, portFlags, portOptions } from '../port-flags.js'
import { containerText } from '../render/container.js'
import { parseWhole } from '../values.js'
import type { World } from '../world.js'

export interface StartFlags extends NicFlags, PortFlags {
  name?: string
  hostname?: string
  privileged?: boolean
  env?: string[]
  volume?: string[]
  tty?: boolean
  mtu?: number
  eth0?: string
  eth1?: string
  eth2?: string
  eth3?: string
}

export const start: CommandSpec<StartFlags> = {
  name: 'start',
  summary: 'start a Docker container in a slot',
  description: [
    'The container gets no network from Docker, but the address, MAC and default route of its slot. It runs in the',
    'background, with a terminal that `attach` reaches. Everything behind IMAGE belongs to the container.',
  ].join(' '),
  arguments: [
    ['<IMAGE>', 'a Docker image on this host'],
    ['[ARGS...]', "the command to run, instead of the image's own"],
  ],
  options: startFlags,
  passThrough: true,
  takes: ['vswitch', 'slot'],
  examples: [
    'ecdock-fast --slot=1 start alpine sh',
    'ecdock-fast start -e ROLE=server alpine httpd -f -p 80',
    'ecdock-fast --slot=1 --eth0=ovs0 --eth1=ovs1 start alpine sh',
  ],
  run: runStart,
}

/** The options that say what a new container is like. */
export function startFlags(): Option[] {
  return [
    new Option('--name <NAME>', "of the container (default: made of the vswitch's name and the slot)"),
    new Option('--hostname <NAME>', "in the container (default: the container's name)"),
    new Option('--privileged', 'all capabilities, as `docker run --privileged`'),
    new Option('--no-privileged', 'not all capabilities, if the configuration says otherwise'),
    new Option('-e, --env <NAME=VALUE>', 'an environment variable; can be repeated').argParser(collect),
    new Option('-v, --volume <HOST:CONTAINER>', 'a bind mount; can be repeated').argParser(collect),
    new Option('--tty', 'a terminal for the container, if the configuration says otherwise'),
    new Option('--no-tty', 'no terminal for the container'),
    new Option('--mtu <BYTES>', 'of the interface (default: 1500)').argParser((text) =>
      parseWhole(text, 'MTU', 68, 65_535),
    ),
    ...nicFlags(),
    ...portFlags(),
    new Option('--eth0 <VSWITCH>', 'the vswitch that eth0 is on, as --vswitch says it'),
    ...['eth1', 'eth2', 'eth3'].map(
      (ifname) => new Option(`--${ifname} <VSWITCH>`, `one more interface, in the same slot of that vswitch`),
    ),
  ]
}

/** What a new container is to be, as the flags say it or else the configuration; `args` are IMAGE and what follows. */
export function startRequest(
  args: readonly string[],
  flags: StartFlags,
  defaults: Settings,
): Omit<StartOptions, 'slot'> {
  const [image = '', ...rest] = args
  const port = portOptions(flags)
  const { privileged = defaults.start?.privileged, tty = defaults.start?.tty, mtu = defaults.mtu } = flags
  const env = withDefaults(defaults.start?.env ?? [], flags.env ?? [])
  const volumes = [...(defaults.start?.volumes ?? []), ...(flags.volume ?? [])]
  return {
    image,
    args: rest,
    tty: tty ?? true,
    ...(flags.name !== undefined && { name: flags.name }),
    ...(flags.hostname !== undefined && { hostname: flags.hostname }),
    ...(privileged === true && { privileged }),
    ...(env.length > 0 && { env }),
    ...(volumes.length > 0 && { volumes }),
    ...(mtu !== undefined && { mtu }),
    ...nicOptions(flags),
    ...(Object.keys(port).length > 0 && { port }),
    ...furtherNics(flags),
  }
}

function furtherNics({ eth1, eth2, eth3 }: StartFlags): Pick<StartOptions, 'nics'> {
  const nics = Object.entries({ eth1, eth2, eth3 }).flatMap(([ifname, vswitch]) =>
    vswitch === undefined ? [] : [[ifname, vswitch] as const],
  )
  return nics.length === 0 ? {} : { nics: Object.fromEntries(nics) }
}

/** The vswitch of a container's first interface: that of `--eth0`, else the one that every command would take. */
export function vswitchOfEth0(invocation: Invocation, world: World, { eth0 }: StartFlags): Promise<Vswitch> {
  const { vswitch } = invocation.options
  if (eth0 === undefined) return invocation.vswitch(world)
  if (vswitch === undefined || vswitch === eth0) return world.vswitch(eth0)
  const message = `eth0 cannot be on ${eth0} and on ${vswitch}`
  throw new EcdockError('USAGE', invocation.command, message, {
    hint: 'Give --eth0 or --vswitch, or both the same.',
  })
}

async function runStart(invocation: Invocation, args: string[], flags: StartFlags): Promise<Answer> {
  const { defaults, options, signal } = invocation
  const slot = options.slot ?? defaults.slot
  const request = { ...startRequest(args, flags, defaults), ...(slot !== undefined && { slot }) }
  return invocation.withWorld(async (world) => {
    const vswitch = await vswitchOfEth0(invocation, world, flags)
    const started = await world.containers.start(vswitch, { ...request, signal })
    return { document: started, text: () => containerText(started, invocation.colors) }
  })
}

/** A variable that is given replaces the default of that name: of two, programs take one or the other. */
function withDefaults(defaults: readonly string[], given: readonly string[]): string[] {
  const name = (variable: string): string | undefined => variable.split('=', 1)[0]
  const names = new Set(given.map(name))
  return [...defaults.filter((variable) => !names.has(name(variable))), ...given]
}

function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value]
}
