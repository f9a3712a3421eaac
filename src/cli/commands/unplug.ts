import { Option } from 'commander'
import { EcdockError } from '../../errors.js'
import type { Answer, CommandSpec } from '../command.js'
import type { Invocation } from '../invocation.js'
import { parseSlots } from '../values.js'

export interface UnplugFlags {
  all?: boolean
}

export const unplug: CommandSpec<UnplugFlags> = {
  name: 'unplug',
  summary: 'take what is plugged in out of its slots',
  description:
    'Many slots at once cost hardly more than one. A container or process goes on running without the interface.',
  arguments: [['[SLOT...]', 'slots and ranges of slots, such as 3 5-8; or --slot']],
  options: () => [new Option('--all', 'every slot of the vswitch that is in use')],
  takes: ['vswitch', 'slot'],
  examples: ['ecdock-fast unplug 1-8'],
  run: runUnplug,
}

async function runUnplug(invocation: Invocation, args: string[], flags: UnplugFlags): Promise<Answer> {
  const asked = flags.all === true ? undefined : slotsOf(invocation, args)
  if (flags.all === true && (args.length > 0 || invocation.options.slot !== undefined)) {
    throw new EcdockError('USAGE', 'unplug', '--all is every slot, and there are slots given as well')
  }
  return invocation.withWorld(async (world) => {
    const vswitch = await invocation.vswitch(world)
    const slots = asked ?? (await vswitch.ports()).map((port) => port.slot)
    const outcomes = slots.length === 0 ? [] : await vswitch.unplugAll(slots, { signal: invocation.signal })
    const done = outcomes.filter((outcome) => outcome.ok).map((outcome) => outcome.slot)
    return {
      document: { results: outcomes },
      text: () => (done.length === 0 ? '' : `${vswitch.name}: ${slotsText(done)} free`),
      errors: outcomes.flatMap((outcome) => (outcome.ok ? [] : [outcome.error])),
    }
  })
}

function slotsOf(invocation: Invocation, args: string[]): number[] {
  if (args.length > 1 || args[0]?.includes('-') === true) {
    if (invocation.options.slot === undefined) return parseSlots(args)
    throw new EcdockError('USAGE', 'unplug', 'slots are given twice, as arguments and by --slot')
  }
  return [invocation.slot(args[0])]
}

function slotsText(slots: number[]): string {
  if (slots.length === 1) return `slot ${slots[0]} is`
  if (slots.length <= 8) return `slots ${slots.join(', ')} are`
  return `${slots.length} slots are`
}
