import { EcdockError } from '../../errors.js'
import type { CommandSpec } from '../command.js'

export const deleteVswitch: CommandSpec<object> = {
  name: 'delete-vswitch',
  summary: 'delete a vswitch and the ports on it',
  description:
    'What was plugged in goes on running, without its interface. NAME may also be given by --vswitch.',
  arguments: [['[NAME]', 'the vswitch']],
  takes: ['vswitch'],
  examples: ['ecdock-fast delete-vswitch br0'],
  run: async (invocation, [argument]) => {
    // Never the only one there is, nor the environment's: what is deleted is named on the command line.
    const option = invocation.options.vswitch
    if (argument !== undefined && option !== undefined && argument !== option) {
      throw new EcdockError(
        'USAGE',
        'delete-vswitch',
        'the vswitch is given twice, as an argument and by --vswitch',
      )
    }
    const name = argument ?? option
    if (name === undefined) {
      throw new EcdockError('USAGE', 'delete-vswitch', 'which vswitch?', {
        hint: 'Write "ecdock-fast delete-vswitch br0"; "ecdock-fast ls" lists them.',
      })
    }
    return invocation.withWorld(async (world) => {
      await world.deleteVswitch(name)
      return { document: { deleted: name }, text: () => `${name} is deleted` }
    })
  },
}
