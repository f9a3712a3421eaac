import { Option } from 'commander'
import type { CommandSpec } from '../command.js'
import { parseWhole } from '../values.js'

export interface StopFlags {
  rm: boolean
  time?: number
}

export const stop: CommandSpec<StopFlags> = {
  name: 'stop',
  summary: 'stop and remove the container in a slot',
  description: 'The slot is free afterwards.',
  arguments: [['[SLOT]', 'the slot; or --slot']],
  options: () => [
    new Option('--no-rm', 'keep the stopped container, so that `restart` can start it again'),
    new Option('-t, --time <SECONDS>', 'to wait before it is killed (default: 10)').argParser((text) =>
      parseWhole(text, 'time', 0, 3600),
    ),
  ],
  takes: ['vswitch', 'slot'],
  examples: ['ecdock-fast stop 1', 'ecdock-fast stop 1 --no-rm'],
  run: async (invocation, [argument], flags) => {
    const slot = invocation.slot(argument)
    const time = flags.time ?? invocation.defaults.stop?.time
    return invocation.withWorld(async (world) => {
      const vswitch = await invocation.vswitch(world)
      await world.containers.stop(vswitch, slot, {
        remove: flags.rm,
        signal: invocation.signal,
        ...(time !== undefined && { timeoutSeconds: time }),
      })
      return {
        document: { vswitch: vswitch.name, slot, removed: flags.rm },
        text: () =>
          `the container in slot ${slot} of ${vswitch.name} is stopped${flags.rm ? ' and removed' : ''}`,
      }
    })
  },
}
