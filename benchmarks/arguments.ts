import { EcdockError } from '../src/errors.js'

/** What can be measured alone: a kind of vswitch, kind `ovs` with up to a thousand ports, or the Docker drivers. */
export type ScenarioName = 'bridge' | 'ovs' | 'ovs-scale' | 'vde' | 'docker'

const SCENARIOS: readonly ScenarioName[] = ['bridge', 'ovs', 'ovs-scale', 'vde', 'docker']

export interface Arguments {
  /** A short run: it shows that everything works, and its figures say little. */
  quick: boolean
  scenarios: ScenarioName[]
  /** Where the report goes as JSON: a file, or `-` for stdout, which then carries nothing else. */
  json?: string
  /** Where the plot goes, as SVG. */
  plot?: string
  help: boolean
}

export const USAGE = `usage: npm run bench -- [--quick] [--only bridge|ovs|ovs-scale|vde|docker] [--json [FILE]] [--plot FILE]

  --quick         a short run, to see that it works
  --only WHAT     only this kind of vswitch; ovs-scale is kind ovs with up to a thousand
                  ports, vde also what ecdock-switch carries, docker what Docker waits
                  for the drivers of ecdock-fast daemon
  --json [FILE]   the report as JSON into FILE, or on stdout instead of the tables
  --plot FILE     a plot of the time for one port, as SVG

example: npm run bench -- --json docs/benchmarks.json --plot docs/benchmarks.svg
`

/** Throws USAGE. */
export function parseArguments(argv: readonly string[]): Arguments {
  const result: Arguments = { quick: false, scenarios: [...SCENARIOS], help: false }
  const rest = [...argv]
  const value = (option: string): string => {
    const next = rest.shift()
    if (next === undefined || next.startsWith('-')) throw usage(`${option} wants a value`)
    return next
  }
  for (let option = rest.shift(); option !== undefined; option = rest.shift()) {
    if (option === '--quick') result.quick = true
    else if (option === '--only') result.scenarios = [scenario(value(option))]
    else if (option === '--plot') result.plot = value(option)
    else if (option === '--json') result.json = rest[0]?.startsWith('-') === false ? value(option) : '-'
    else if (option === '--help' || option === '-h') result.help = true
    else throw usage(`unknown argument ${JSON.stringify(option)}`)
  }
  return result
}

function scenario(text: string): ScenarioName {
  const found = SCENARIOS.find((name) => name === text)
  if (found !== undefined) return found
  throw usage(`--only wants ${SCENARIOS.join(', ')}, not ${JSON.stringify(text)}`)
}

function usage(message: string): EcdockError {
  return new EcdockError('USAGE', 'bench', message, { hint: 'See npm run bench -- --help.' })
}
