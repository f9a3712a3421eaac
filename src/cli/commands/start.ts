import { Option } from 'commander'
import type { StartOptions } from '../../containers/slot-container.js'
import type { Answer, CommandSpec } from '../command.js'
import type { Invocation } from '../invocation.js'
import { containerText } from '../render/container.js'
import { parseWhole } from '../values.js'

export interface StartFlags {
  name?: string
  hostname?: string
  privileged?: boolean
  env?: string[]
  volume?: string[]
  tty: boolean
  mtu?: number
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
  options: () => [
    new Option('--name <NAME>', "of the container (default: made of the vswitch's name and the slot)"),
    new Option('--hostname <NAME>', "in the container (default: the container's name)"),
    new Option('--privileged', 'all capabilities, as `docker run --privileged`'),
    new Option('-e, --env <NAME=VALUE>', 'an environment variable; can be repeated').argParser(collect),
    new Option('-v, --volume <HOST:CONTAINER>', 'a bind mount; can be repeated').argParser(collect),
    new Option('--no-tty', 'no terminal for the container'),
    new Option('--mtu <BYTES>', 'of the interface (default: 1500)').argParser((text) =>
      parseWhole(text, 'MTU', 68, 65_535),
    ),
  ],
  passThrough: true,
  takes: ['vswitch', 'slot'],
  examples: [
    'ecdock-fast --slot=1 start alpine sh',
    'ecdock-fast start -e ROLE=server alpine httpd -f -p 80',
  ],
  run: runStart,
}

/** What the container is to be; `args` are IMAGE and what follows. */
export function startRequest(
  args: readonly string[],
  flags: StartFlags,
  slot: number | undefined,
): StartOptions {
  const [image = '', ...rest] = args
  return {
    image,
    args: rest,
    tty: flags.tty,
    ...(slot !== undefined && { slot }),
    ...(flags.name !== undefined && { name: flags.name }),
    ...(flags.hostname !== undefined && { hostname: flags.hostname }),
    ...(flags.privileged === true && { privileged: true }),
    ...(flags.env !== undefined && { env: flags.env }),
    ...(flags.volume !== undefined && { volumes: flags.volume }),
    ...(flags.mtu !== undefined && { mtu: flags.mtu }),
  }
}

async function runStart(invocation: Invocation, args: string[], flags: StartFlags): Promise<Answer> {
  const request = startRequest(args, flags, invocation.options.slot)
  return invocation.withWorld(async (world) => {
    const vswitch = await invocation.vswitch(world)
    const started = await world.containers.start(vswitch, { ...request, signal: invocation.signal })
    return { document: started, text: () => containerText(started, invocation.colors) }
  })
}

function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value]
}
