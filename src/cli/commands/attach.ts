import { Option } from 'commander'
import { EcdockError } from '../../errors.js'
import type { CommandSpec } from '../command.js'

export interface AttachFlags {
  detachKeys?: string
}

export const attach: CommandSpec<AttachFlags> = {
  name: 'attach',
  summary: "attach to a container's console",
  description: [
    'Connects this terminal with the container in the slot; a shell may want a key pressed before it shows its prompt.',
    'The detach keys bring you back and leave the container running. When it ends, its exit status is that of attach.',
  ].join(' '),
  arguments: [['[SLOT]', 'the slot; or --slot']],
  options: () => [
    new Option('--detach-keys <KEYS>', 'as `docker attach` takes them (default: ctrl-p,ctrl-q)'),
  ],
  takes: ['vswitch', 'slot'],
  examples: ['ecdock-fast attach 1'],
  run: async (invocation, [argument], flags) => {
    if (invocation.options.json === true) {
      throw new EcdockError('USAGE', 'attach', "attach has no --json: stdout is the container's console")
    }
    const slot = invocation.slot(argument)
    const { stdin, stdout, stderr } = invocation.io
    const detachKeys = flags.detachKeys ?? invocation.defaults.attach?.detachKeys
    return invocation.withWorld(async (world) => {
      const vswitch = await invocation.vswitch(world)
      const end = await world.containers.attach(vswitch, slot, {
        stdin,
        stdout,
        stderr,
        signal: invocation.signal,
        ...(detachKeys !== undefined && { detachKeys }),
      })
      if (invocation.talkative) stderr.write(`${farewell(slot, end)}\n`)
      return end.exitCode === undefined ? {} : { status: end.exitCode }
    })
  },
}

function farewell(slot: number, end: { exitCode?: number; detached: boolean }): string {
  if (end.detached) return `detached; the container in slot ${slot} is still running`
  if (end.exitCode === undefined) return `the console of slot ${slot} has closed`
  return `the container in slot ${slot} has ended with exit status ${end.exitCode}`
}
