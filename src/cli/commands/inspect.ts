import { EcdockError } from '../../errors.js'
import type { Port } from '../../vswitch/vswitch.js'
import type { CommandSpec } from '../command.js'
import { portText } from '../render/port.js'

export const inspect: CommandSpec<object> = {
  name: 'inspect',
  summary: 'show everything about the port in a slot',
  arguments: [['[SLOT]', 'the slot; or --slot']],
  takes: ['vswitch', 'slot'],
  examples: ['ecdock-fast inspect 1'],
  run: async (invocation, [argument]) => {
    const slot = invocation.slot(argument)
    return invocation.withWorld(async (world) => {
      const vswitch = await invocation.vswitch(world)
      const isHere = (each: Port) => each.slot === slot
      const port = (await vswitch.port(slot)) ?? (await vswitch.ports({ stranded: true })).find(isHere)
      if (port === undefined) {
        throw new EcdockError('SLOT_EMPTY', 'inspect', `slot ${slot} of ${vswitch.name} is empty`, {
          hint: '"ecdock-fast ls" shows what is plugged in.',
        })
      }
      return { document: port, text: () => portText(port, invocation.colors) }
    })
  },
}
