import type { Command } from 'commander'
import { addCommand, type CommandSpec, type Perform } from './command.js'

/** Makes a command one of a program's. */
type Add = (program: Command, perform: Perform) => void

export interface CommandGroup {
  /** As the help has it. */
  title: string
  /** By name, and loaded when they are asked for: a plug has no use for what the others need. */
  commands: Readonly<Record<string, () => Promise<Add>>>
}

/** All commands, in the order of the help. */
export const COMMANDS: readonly CommandGroup[] = [
  {
    title: 'Vswitches:',
    commands: {
      'create-vswitch': async () => adding((await import('./commands/create-vswitch.js')).createVswitch),
      'delete-vswitch': async () => adding((await import('./commands/delete-vswitch.js')).deleteVswitch),
      ls: async () => adding((await import('./commands/ls.js')).ls),
    },
  },
  {
    title: 'Ports:',
    commands: {
      plug: async () => adding((await import('./commands/plug.js')).plug),
      unplug: async () => adding((await import('./commands/unplug.js')).unplug),
      inspect: async () => adding((await import('./commands/inspect.js')).inspect),
      mirror: async () => adding((await import('./commands/mirror.js')).mirror),
      'qemu-args': async () => adding((await import('./commands/qemu-args.js')).qemuArgs),
      batch: async () => adding((await import('./commands/batch.js')).batch),
    },
  },
  {
    title: 'Containers:',
    commands: {
      start: async () => adding((await import('./commands/start.js')).start),
      attach: async () => adding((await import('./commands/attach.js')).attach),
      stop: async () => adding((await import('./commands/stop.js')).stop),
      restart: async () => adding((await import('./commands/restart.js')).restart),
    },
  },
  {
    title: 'The host:',
    commands: {
      daemon: async () => adding((await import('./commands/daemon.js')).daemon),
      cleanup: async () => adding((await import('./commands/cleanup.js')).cleanup),
      doctor: async () => adding((await import('./commands/doctor.js')).doctor),
      demo: async () => adding((await import('./commands/demo.js')).demo),
    },
  },
]

export const COMMAND_NAMES: ReadonlySet<string> = new Set(
  COMMANDS.flatMap(({ commands }) => Object.keys(commands)),
)

/**
 * Names of the commands that have to be known to understand a command line: those that it has among its words, whichever of
 * them are meant as such. Undefined is all: somebody asks for help, or names none that there is.
 */
export function commandsNeeded(argv: readonly string[]): ReadonlySet<string> | undefined {
  if (argv.some((word) => word === 'help' || word === '--help' || /^-[a-zA-Z]*h/.test(word))) return undefined
  const named = new Set(argv.filter((word) => COMMAND_NAMES.has(word)))
  return named.size === 0 ? undefined : named
}

function adding<Flags extends object>(spec: CommandSpec<Flags>): Add {
  return (program, perform) => addCommand(program, spec, perform)
}
