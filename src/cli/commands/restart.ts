import { Option } from 'commander'
import { EcdockError } from '../../errors.js'
import { quoted } from '../../quoted.js'
import type { CommandSpec } from '../command.js'
import type { Invocation } from '../invocation.js'
import { containerText } from '../render/container.js'
import { parseWhole } from '../values.js'
import { type StartFlags, startFlags, startRequest, vswitchOfEth0 } from './start.js'

export interface RestartFlags extends StartFlags {
  time?: number
}

const OF_A_NEW_ONE = [
  'name',
  'hostname',
  'privileged',
  'env',
  'volume',
  'tty',
  'mtu',
  'internal',
  'dualNic',
  'vlan',
  'trunks',
  'ingressRate',
  'ingressBurst',
  'route',
  'sysctl',
  'announce',
  'eth1',
  'eth2',
  'eth3',
] as const

export const restart: CommandSpec<RestartFlags> = {
  name: 'restart',
  summary: 'restart the container in a slot, or put another one there',
  description: [
    'With IMAGE, a new container takes the place of the one in the slot, with its name unless --name gives another;',
    'without, the one that is there keeps what it was started with. Options go before SLOT: everything behind it',
    'belongs to the container. With --slot, SLOT is left out.',
  ].join(' '),
  usage: 'SLOT [IMAGE [ARGS...]]',
  options: () => [
    new Option('-t, --time <SECONDS>', 'to wait before the old one is killed (default: 10)').argParser(
      (text) => parseWhole(text, 'time', 0, 3600),
    ),
    ...startFlags(),
  ],
  passThrough: true,
  takes: ['vswitch', 'slot'],
  examples: ['ecdock-fast restart 1', 'ecdock-fast restart 1 alpine sh'],
  run: async (invocation, args, { time = invocation.defaults.stop?.time, ...flags }) => {
    const { slot, container } = slotAndContainer(invocation, args)
    const [image] = container
    if (image?.startsWith('-') === true) {
      throw new EcdockError('USAGE', 'restart', `${quoted(image)} is no image; options go before the slot`, {
        hint: `Write "ecdock-fast restart ${image} ${slot}".`,
      })
    }
    const { signal } = invocation
    const another =
      image === undefined ? unchanged(flags) : startRequest(container, flags, invocation.defaults)
    const options = { ...another, ...(time !== undefined && { timeoutSeconds: time }), signal }
    return invocation.withWorld(async (world) => {
      const vswitch = await vswitchOfEth0(invocation, world, flags)
      const started = await world.containers.restart(vswitch, slot, options)
      return { document: started, text: () => containerText(started, invocation.colors) }
    })
  },
}

/** With a slot from the configuration, the first argument may be a slot or an image; only one of them is a number. */
function slotAndContainer(invocation: Invocation, args: string[]): { slot: number; container: string[] } {
  const [first, ...rest] = args
  const hasSlot = invocation.options.slot !== undefined
  const hasDefault = invocation.defaults.slot !== undefined
  if (hasSlot || (hasDefault && !/^\d+$/.test(first ?? ''))) {
    return { slot: invocation.slot(undefined), container: args }
  }
  return { slot: invocation.slot(first), container: rest }
}

/** Without an image there is no new container to say anything about. */
function unchanged(flags: StartFlags): object {
  const flag = OF_A_NEW_ONE.find((name) => flags[name] !== undefined)
  if (flag === undefined) return {}
  const long = flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  throw new EcdockError('USAGE', 'restart', `--${long} needs an IMAGE`, {
    hint: 'Without one, the container keeps what it was started with.',
  })
}
