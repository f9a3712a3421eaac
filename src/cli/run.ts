import { CommanderError } from 'commander'
import { createColors } from 'picocolors'
import { type Config, loadConfig } from '../config/load.js'
import { asEcdockError, EcdockError } from '../errors.js'
import type { Answer, CommandSpec } from './command.js'
import { COMMAND_NAMES, commandsNeeded } from './commands.js'
import { EXIT_DONE, exitStatus } from './exit-status.js'
import type { GlobalOptions } from './global-options.js'
import { cancelled, hasColors, Invocation } from './invocation.js'
import type { Io } from './io.js'
import { openLog } from './log.js'
import { optionsBehindCommand } from './option-order.js'
import { buildProgram } from './program.js'
import { errorDocument, errorText } from './render/error.js'

/** What an error's `op` says as long as no command is known. */
const NO_COMMAND = 'command line'

/**
 * Runs one command line (without the program's own name) and gives its exit status. Never throws: what goes
 * wrong is printed, on stdout as `{"error":…}` under `--json`, else on stderr.
 */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  let json = asksForJson(argv)
  let command = NO_COMMAND
  let status = EXIT_DONE

  async function perform<Flags extends object>(
    spec: CommandSpec<Flags>,
    options: GlobalOptions,
    args: string[],
    flags: Flags,
  ): Promise<void> {
    json = options.json === true
    command = spec.name
    refuseUnused(spec, options)
    const config = await loadConfig({ file: options.config, env: io.env, etc: io.etc })
    if (spec.reportsConfig !== true) refuseFaulty(config)
    const log = await openLog(options.logLevel ?? config.settings.logLevel, io.stderr)
    const invocation = new Invocation(spec.name, options, io, log, config)
    const began = performance.now()
    const answer = await spec.run(invocation, args, flags)
    if (spec.logsItself !== true) log.info({ command, ms: performance.now() - began }, 'done')
    status = await deliver(answer, invocation)
  }

  try {
    command = argv.find((argument) => COMMAND_NAMES.has(argument)) ?? NO_COMMAND
    const program = await buildProgram(io, perform, commandsNeeded(argv))
    if (argv.length === 0) program.outputHelp()
    else await program.parseAsync(optionsBehindCommand(argv, program), { from: 'user' })
    return status
  } catch (thrown) {
    // Commander ends by throwing also when it has done what was asked for, such as printing help.
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return EXIT_DONE
    const error = understood(thrown, command, io.signal)
    if (json) io.stdout.write(`${JSON.stringify({ error: errorDocument(error) })}\n`)
    else io.stderr.write(errorText(error, createColors(hasColors(io.stderr, io.env))))
    return exitStatus(error, io.signal)
  }
}

/** Prints an answer as the options ask for it. */
async function deliver(answer: Answer, invocation: Invocation): Promise<number> {
  const { io, options } = invocation
  const errors = answer.errors ?? []
  const [first] = errors
  if (options.json === true) {
    if (answer.document !== undefined) {
      const document =
        first === undefined ? answer.document : { ...answer.document, error: errorDocument(first) }
      io.stdout.write(`${JSON.stringify(document)}\n`)
    }
  } else {
    if (options.quiet !== true && answer.text !== undefined) {
      const text = await answer.text()
      if (text !== '') io.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
    }
    const colors = createColors(hasColors(io.stderr, io.env))
    for (const error of errors) io.stderr.write(errorText(error, colors))
  }
  if (first !== undefined) return exitStatus(first, io.signal)
  return answer.status ?? EXIT_DONE
}

/** An option that a command has no use for is an error, never ignored: `cleanup --vswitch br0` would clean up all. */
function refuseUnused<Flags extends object>(spec: CommandSpec<Flags>, options: GlobalOptions): void {
  for (const name of ['vswitch', 'slot'] as const) {
    if (options[name] === undefined || spec.takes.includes(name)) continue
    throw new EcdockError('USAGE', spec.name, `${spec.name} has no use for --${name}`)
  }
}

/** Nobody knows what a file was to say that cannot be read, so nothing is done without it. */
function refuseFaulty({ files }: Config): void {
  const faulty = files.find(({ error }) => error !== undefined)
  if (faulty?.error !== undefined) throw faulty.error
}

/** Commander's refusals and aborted operations as errors of ours. */
function understood(thrown: unknown, op: string, signal: AbortSignal): EcdockError {
  if (thrown instanceof CommanderError) return usageError(thrown, op)
  if (signal.aborted && thrown instanceof Error && thrown.name === 'AbortError') return cancelled(op, signal)
  return asEcdockError(thrown, op)
}

function usageError(thrown: CommanderError, op: string): EcdockError {
  if (thrown.code === 'commander.help') {
    return new EcdockError('USAGE', op, 'which command?', { hint: '"ecdock-fast --help" lists them.' })
  }
  const [message = '', suggestion] = thrown.message.split('\n')
  const help = op === NO_COMMAND ? 'ecdock-fast --help' : `ecdock-fast help ${op}`
  const hint = suggestion?.replace(/^\((.*)\)$/, '$1') ?? `"${help}" shows what can be said.`
  return new EcdockError('USAGE', op, message.replace(/^error: /, ''), { hint })
}

/**
 * Whether errors are to be printed as JSON, for as long as the command line is not understood. What follows
 * `--` is nobody's option.
 */
function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--')
  return (end < 0 ? argv : argv.slice(0, end)).includes('--json')
}
