import { writeFileSync } from 'node:fs'
import process from 'node:process'
import { EcdockError } from '../src/errors.js'
import { type Arguments, parseArguments, type ScenarioName, USAGE } from './arguments.js'
import { Measurements } from './measurements.js'
import { renderPlot } from './plot.js'
import { report } from './report.js'
import type { Effort } from './rounds.js'
import * as scale from './scale/effort.js'
import * as bridge from './scenarios/bridge.js'
import * as docker from './scenarios/docker.js'
import * as ovs from './scenarios/ovs.js'
import { ovsScale } from './scenarios/ovs-scale.js'
import * as vde from './scenarios/vde.js'
import { renderReport } from './table.js'
import { createTargets } from './targets.js'
import { missing, runInWorld, worldDirectory } from './world.js'

const PROGRAMS = {
  bridge: ['cc', 'ip', 'bash', 'unshare'],
  ovs: ['ovs-vsctl', 'ovs-docker', 'ovs-vswitchd', 'nsenter', 'ovs-ofctl', 'setpriv', 'uuidgen'],
  vde: ['vde_switch', 'vde_plug2tap', 'nsenter'],
}

/** Exit status: 0 done, 1 an operation failed, 2 the command line was wrong, 3 something is missing. */
async function main(): Promise<number> {
  const args = parseArguments(process.argv.slice(2))
  if (args.help) {
    process.stdout.write(USAGE)
    return 0
  }
  const directory = worldDirectory()
  if (directory !== undefined) {
    await measure(args, directory)
    return 0
  }
  const lacking = missing(programsFor(args))
  if (lacking === undefined) return runInWorld(process.argv.slice(1))
  process.stderr.write(`${lacking}\n`)
  return 3
}

async function measure(args: Arguments, directory: string): Promise<void> {
  const measurements = new Measurements()
  const bridgeEffort = args.quick ? bridge.QUICK_EFFORT : bridge.EFFORT
  const ovsEffort = args.quick ? ovs.QUICK_EFFORT : ovs.EFFORT
  const scaleEffort = args.quick ? scale.QUICK_EFFORT : scale.EFFORT
  const runs = (name: ScenarioName) => args.scenarios.includes(name)
  const vdeEffort = args.quick ? vde.QUICK_EFFORT : vde.EFFORT
  const few = Math.max(...[bridgeEffort, ovsEffort, vdeEffort].map(mostPorts))
  createTargets(Math.max(few, runs('ovs-scale') ? scale.targetsFor(scaleEffort) : 0))
  const progress = showProgress()
  const wholeProcess = runs('bridge')
    ? await bridge.bridge(bridgeEffort, directory, measurements, progress)
    : undefined
  if (runs('ovs')) await ovs.ovs(ovsEffort, few, directory, measurements, progress)
  const figures = runs('ovs-scale')
    ? await ovsScale(scaleEffort, directory, measurements, progress)
    : undefined
  const dataPlanes = runs('vde') ? await vde.vde(vdeEffort, directory, measurements, progress) : undefined
  const calls = runs('docker')
    ? await docker.driverCalls(args.quick ? docker.QUICK_EFFORT : docker.EFFORT, progress)
    : []
  progress('')
  const all = report({
    results: measurements.results(),
    scale: figures?.all() ?? [],
    dataPlanes: dataPlanes?.all() ?? [],
    calls,
    quick: args.quick,
    wholeProcess,
  })
  const json = `${JSON.stringify(all, null, 2)}\n`
  if (args.json !== undefined && args.json !== '-') writeFileSync(args.json, json)
  if (args.plot !== undefined) writeFileSync(args.plot, await renderPlot(all.results))
  process.stdout.write(args.json === '-' ? json : `\n${renderReport(all)}`)
}

function programsFor({ scenarios }: Arguments): string[] {
  const ovs = scenarios.some((name) => name.startsWith('ovs'))
  const vde = scenarios.includes('vde')
  return [...PROGRAMS.bridge, ...(ovs ? PROGRAMS.ovs : []), ...(vde ? PROGRAMS.vde : [])]
}

function mostPorts(effort: Effort): number {
  return Math.max(2, ...effort.bulk.map((bulk) => bulk.ports))
}

/** One line that is written over on a terminal; elsewhere a line for each phase, without its rounds. */
function showProgress(): (text: string) => void {
  let phase = ''
  return (text) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
    else if (text.split(': round')[0] !== phase) {
      phase = text.split(': round')[0] ?? ''
      if (phase !== '') process.stderr.write(`${phase}\n`)
    }
  }
}

// exit, not exitCode: after a failure peers may still run, and they end with the world.
try {
  process.exit(await main())
} catch (error) {
  process.stderr.write(`\nbench: ${error instanceof Error ? error.message : error}\n`)
  if (error instanceof EcdockError && error.hint !== undefined) process.stderr.write(`${error.hint}\n`)
  process.exit(error instanceof EcdockError && error.code === 'USAGE' ? 2 : 1)
}
