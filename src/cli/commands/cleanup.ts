import { Option } from 'commander'
import type { CommandSpec } from '../command.js'
import { cleanupText } from '../render/cleanup.js'

export interface CleanupFlags {
  dryRun?: boolean
  emptySlots?: boolean
}

export const cleanup: CommandSpec<CleanupFlags> = {
  name: 'cleanup',
  summary: 'remove ghosts and what exited containers have left',
  description: [
    'Only what carries the mark of ecdock-fast is touched, on every vswitch. A switch process of kind vde that has ended is',
    'started again, and taps that are not plugged into theirs are plugged in.',
  ].join(' '),
  options: () => [
    new Option('-n, --dry-run', 'only say what would be removed'),
    new Option(
      '--empty-slots',
      'the rows of empty slots of Open vSwitch, too, which otherwise stay for the next plug',
    ),
  ],
  takes: [],
  examples: ['ecdock-fast cleanup --dry-run'],
  run: (invocation, _args, flags) =>
    invocation.withWorld(async (world) => {
      const report = await world.cleanup({ dryRun: flags.dryRun === true, slots: flags.emptySlots === true })
      const errors = report.failed.map(({ error }) => error)
      return { document: report, text: () => cleanupText(report), errors }
    }),
}
