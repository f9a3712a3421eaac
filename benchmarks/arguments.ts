import { EcdockError } from '../src/errors.js'
import type { VswitchKind } from '../src/vswitch/vswitch.js'

export interface Arguments {
  /** A short run: it shows that everything works, and its figures say little. */
  quick: boolean
  kinds: VswitchKind[]
  /** Where the report goes as JSON: a file, or `-` for stdout, which then carries nothing else. */
  json?: string
  /** Where the plot goes, as SVG. */
  plot?: string
  help: boolean
}

export const USAGE = `usage: npm run bench -- [--quick] [--only bridge|ovs] [--json [FILE]] [--plot FILE]

  --quick         a short run, to see that it works
  --only KIND     only this kind of vswitch
  --json [FILE]   the report as JSON into FILE, or on stdout instead of the tables
  --plot FILE     a plot of the time for one port, as SVG

example: npm run bench -- --json docs/benchmarks.json --plot docs/benchmarks.svg
`

/** Throws USAGE. */
export function parseArguments(argv: readonly string[]): Arguments {
  const result: Arguments = { quick: false, kinds: ['bridge', 'ovs'], help: false }
  const rest = [...argv]
  const value = (option: string): string => {
    const next = rest.shift()
    if (next === undefined || next.startsWith('-')) throw usage(`${option} wants a value`)
    return next
  }
  for (let option = rest.shift(); option !== undefined; option = rest.shift()) {
    if (option === '--quick') result.quick = true
    else if (option === '--only') result.kinds = [kind(value(option))]
    else if (option === '--plot') result.plot = value(option)
    else if (option === '--json') result.json = rest[0]?.startsWith('-') === false ? value(option) : '-'
    else if (option === '--help' || option === '-h') result.help = true
    else throw usage(`unknown argument ${JSON.stringify(option)}`)
  }
  return result
}

function kind(text: string): VswitchKind {
  if (text === 'bridge' || text === 'ovs') return text
  throw usage(`--only wants bridge or ovs, not ${JSON.stringify(text)}`)
}

function usage(message: string): EcdockError {
  return new EcdockError('USAGE', 'bench', message, { hint: 'See npm run bench -- --help.' })
}
