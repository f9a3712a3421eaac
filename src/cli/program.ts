import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { addCommand, type CommandSpec } from './command.js'
import { attach } from './commands/attach.js'
import { batch } from './commands/batch.js'
import { cleanup } from './commands/cleanup.js'
import { createVswitch } from './commands/create-vswitch.js'
import { daemon } from './commands/daemon.js'
import { deleteVswitch } from './commands/delete-vswitch.js'
import { demo } from './commands/demo.js'
import { doctor } from './commands/doctor.js'
import { inspect } from './commands/inspect.js'
import { ls } from './commands/ls.js'
import { mirror } from './commands/mirror.js'
import { plug } from './commands/plug.js'
import { qemuArgs } from './commands/qemu-args.js'
import { restart } from './commands/restart.js'
import { start } from './commands/start.js'
import { stop } from './commands/stop.js'
import { unplug } from './commands/unplug.js'
import { type GlobalOptions, globalOptions } from './global-options.js'
import type { Io } from './io.js'

export type Perform = <Flags extends object>(
  spec: CommandSpec<Flags>,
  options: GlobalOptions,
  args: string[],
  flags: Flags,
) => Promise<void>

const EPILOGUE = `
Examples:
  $ ecdock-fast create-vswitch 10.0.0.254/24        a Linux bridge br0, itself 10.0.0.254
  $ ecdock-fast --slot=1 start alpine sh            a container in slot 1: 10.0.0.1
  $ ecdock-fast plug netns:blue pid:4711            what runs already, in the next free slots
  $ ecdock-fast ls
  $ ecdock-fast help plug                           more about one command

Exit status: 0 done, 1 the operation failed, 2 the command line was wrong,
3 something it needs is missing (ecdock-fast doctor says what). attach gives
the exit status of a container that has ended.`

/** The command line as data: every command with its options and help. `perform` is called for the one asked for. */
export function buildProgram(io: Pick<Io, 'stdout'>, perform: Perform): Command {
  const program = new Command('ecdock-fast')
    .description('Plugs containers, processes and network namespaces into virtual switches.')
    .usage('[options] COMMAND')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [COMMAND]', 'print the help of a command')
    .enablePositionalOptions()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: () => {},
      getOutHelpWidth: () => io.stdout.columns ?? 100,
    })
    .exitOverride()
    .addHelpText('after', EPILOGUE)
  for (const option of globalOptions()) program.addOption(option)
  program.commandsGroup('Vswitches:')
  addCommand(program, createVswitch, perform)
  addCommand(program, deleteVswitch, perform)
  addCommand(program, ls, perform)
  program.commandsGroup('Ports:')
  addCommand(program, plug, perform)
  addCommand(program, unplug, perform)
  addCommand(program, inspect, perform)
  addCommand(program, mirror, perform)
  addCommand(program, qemuArgs, perform)
  addCommand(program, batch, perform)
  program.commandsGroup('Containers:')
  addCommand(program, start, perform)
  addCommand(program, attach, perform)
  addCommand(program, stop, perform)
  addCommand(program, restart, perform)
  program.commandsGroup('The host:')
  addCommand(program, daemon, perform)
  addCommand(program, cleanup, perform)
  addCommand(program, doctor, perform)
  addCommand(program, demo, perform)
  return program
}

function version(): string {
  const manifest: unknown = JSON.parse(
    readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
  )
  const found = typeof manifest === 'object' && manifest !== null && 'version' in manifest && manifest.version
  return typeof found === 'string' ? found : 'unknown'
}
