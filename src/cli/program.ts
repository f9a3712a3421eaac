import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import type { Perform } from './command.js'
import { COMMANDS } from './commands.js'
import { globalOptions } from './global-options.js'
import type { Io } from './io.js'

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

/**
 * The command line as data: commands with their options and help, all of them or those that are `wanted`. `perform` is
 * called for the one asked for.
 */
export async function buildProgram(
  io: Pick<Io, 'stdout'>,
  perform: Perform,
  wanted?: ReadonlySet<string>,
): Promise<Command> {
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
  for (const { title, commands } of COMMANDS) {
    program.commandsGroup(title)
    const chosen = Object.entries(commands).filter(([name]) => wanted?.has(name) !== false)
    for (const add of await Promise.all(chosen.map(([, load]) => load()))) add(program, perform)
  }
  return program
}

function version(): string {
  const manifest: unknown = JSON.parse(
    readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
  )
  const found = typeof manifest === 'object' && manifest !== null && 'version' in manifest && manifest.version
  return typeof found === 'string' ? found : 'unknown'
}
