import type { Command, Option } from 'commander'
import type { EcdockError } from '../errors.js'
import { type GlobalOptions, globalOptions } from './global-options.js'
import type { Invocation } from './invocation.js'

/** What a command has to say when it is done. */
export interface Answer {
  /** What `--json` prints; a command that has written its output by itself leaves it out. */
  document?: object
  /** What people read; not asked for under `--json` and `--quiet`. */
  text?: () => string | Promise<string>
  /** What did not work, when some of it did; the first one decides about the exit status. */
  errors?: EcdockError[]
  /** Exit status, where no error tells it. */
  status?: number
}

/** A command: what it is called and takes, and what it does. Flags are its own options, as commander names them. */
export interface CommandSpec<Flags extends object> {
  name: string
  /** One line for the list of commands. */
  summary: string
  /** What people should know beyond the summary. */
  description?: string
  /** Lines that the help shows as they are. */
  details?: string
  /** In commander's notation, such as `<TARGET...>`, with a word about each. */
  arguments?: readonly (readonly [notation: string, description: string])[]
  /** When commander's notation cannot say what arguments it takes, this says it and nothing is checked. */
  usage?: string
  options?: () => Option[]
  /** Everything behind the first argument belongs to somebody else, even if it looks like an option. */
  passThrough?: boolean
  /** Which of the options that name something it uses; given another one, it refuses. */
  takes: readonly ('vswitch' | 'slot')[]
  /** It reports what is wrong with the configuration; others refuse to run then. */
  reportsConfig?: boolean
  /** It writes its own log; the one line that all commands write when they are done is left out. */
  logsItself?: boolean
  /** Lines that can be run as they are. */
  examples: readonly string[]
  run(invocation: Invocation, args: string[], flags: Flags): Promise<Answer>
}

/** Does what a command line asks for. */
export type Perform = <Flags extends object>(
  spec: CommandSpec<Flags>,
  options: GlobalOptions,
  args: string[],
  flags: Flags,
) => Promise<void>

/** Makes `spec` a command of `program`; `perform` is called when the command line asks for it. */
export function addCommand<Flags extends object>(
  program: Command,
  spec: CommandSpec<Flags>,
  perform: Perform,
): void {
  const command = program.command(spec.name).summary(spec.summary)
  command.description(
    spec.description === undefined
      ? sentence(spec.summary)
      : `${sentence(spec.summary)}\n\n${spec.description}`,
  )
  for (const [notation, description] of spec.arguments ?? []) command.argument(notation, description)
  if (spec.usage !== undefined) command.usage(`[options] ${spec.usage}`).allowExcessArguments()
  for (const option of spec.options?.() ?? []) command.addOption(option)
  for (const option of globalOptions()) command.addOption(option.hideHelp())
  if (spec.passThrough === true) command.passThroughOptions()
  const examples = spec.examples.map((line) => `  $ ${line}`).join('\n')
  const details = spec.details === undefined ? '' : `\n${spec.details}\n`
  command.addHelpText(
    'after',
    `${details}\n${spec.examples.length === 1 ? 'Example' : 'Examples'}:\n${examples}`,
  )
  command.action(async () => {
    const own = command.opts<Flags & GlobalOptions>()
    await perform(spec, { ...program.opts<GlobalOptions>(), ...own }, command.args, own)
  })
}

function sentence(summary: string): string {
  return `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`
}
