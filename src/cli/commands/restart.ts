import { EcdockError } from '../../errors.js'
import { quoted } from '../../quoted.js'
import type { CommandSpec } from '../command.js'
import { containerText } from '../render/container.js'

export const restart: CommandSpec<object> = {
  name: 'restart',
  summary: 'restart the container in a slot, or put another one there',
  description: [
    'With IMAGE, a new container takes the place of the one in the slot. Options go before SLOT: everything behind it',
    'belongs to the container. With --slot, SLOT is left out.',
  ].join(' '),
  usage: 'SLOT [IMAGE [ARGS...]]',
  passThrough: true,
  takes: ['vswitch', 'slot'],
  examples: ['ecdock-fast restart 1', 'ecdock-fast restart 1 alpine sh'],
  run: async (invocation, args) => {
    const slotFirst = invocation.options.slot === undefined
    const slot = invocation.slot(slotFirst ? args[0] : undefined)
    const [image, ...rest] = slotFirst ? args.slice(1) : args
    if (image?.startsWith('-') === true) {
      throw new EcdockError('USAGE', 'restart', `${quoted(image)} is no image; options go before the slot`, {
        hint: `Write "ecdock-fast restart ${image} ${slot}".`,
      })
    }
    return invocation.withWorld(async (world) => {
      const vswitch = await invocation.vswitch(world)
      const another = image === undefined ? {} : { image, args: rest }
      const { signal } = invocation
      const started = await world.containers.restart(vswitch, slot, { ...another, signal })
      return { document: started, text: () => containerText(started, invocation.colors) }
    })
  },
}
