import { parseArgs } from 'node:util'

/** Exit status of a program that was not called as it is to be. */
const MISUSED = 2

/** What each option is when it is not given: a number for one that takes a whole number from 1 on, or else a text. */
type Defaults = Record<string, number | string>

/** What was asked for: the options, and the words beside them. */
type Asked<D extends Defaults> = {
  options: { [name in keyof D]: D[name] extends number ? number : string }
  words: string[]
}

/**
 * Reads the command line of this program. `--help` prints `usage`, and that is all; what cannot be read is told in a
 * sentence on stderr, with exit status 2.
 */
export function commandLine<D extends Defaults>(usage: string, defaults: D): Asked<D> {
  try {
    return parsed(process.argv.slice(2), usage, defaults)
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error))
    process.exit(MISUSED)
  }
}

function parsed<D extends Defaults>(args: string[], usage: string, defaults: D): Asked<D> {
  const { values, positionals: words } = parse(args, Object.keys(defaults))
  if (values.help === true) {
    console.log(usage)
    process.exit(0)
  }
  const texts: Record<string, string | boolean | undefined> = values
  const options = Object.entries(defaults).map(([name, byDefault]) => {
    const text = texts[name]
    if (typeof text !== 'string') return [name, byDefault]
    return [name, typeof byDefault === 'number' ? wholeNumber(name, text) : text]
  })
  return { options: Object.fromEntries(options), words }
}

function parse(args: string[], names: readonly string[]) {
  const texts = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]))
  try {
    return parseArgs({ args, allowPositionals: true, options: { ...texts, help: { type: 'boolean' } } })
  } catch (error) {
    // Of what it says, the first sentence tells what is wrong.
    const [what] = (error instanceof Error ? error.message : String(error)).split(/\.\s/)
    throw new Error(`${what}; --help tells which options there are`)
  }
}

function wholeNumber(name: string, text: string): number {
  const number = Number(text)
  if (/^\d+$/.test(text) && number >= 1 && Number.isSafeInteger(number)) return number
  throw new Error(`--${name} is '${text}': give a whole number from 1 on, such as --${name} 2`)
}
