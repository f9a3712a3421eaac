/**
 * Runs the tests. Closes with a line that is exactly `N passed, N failed, N skipped`.
 */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { release } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { commandLine } from './runner/command-line.js'
import { total, uvuCounts } from './runner/counts.js'
import { buildNativeTests, hasNativeTests, NATIVE_TESTS } from './runner/native.js'
import { killRunning, type Result, runProgram, type TestProgram } from './runner/program.js'
import { inOwnWorld } from './runner/world.js'
import { DATAPATH } from './support/datapath.js'
import { runToEnd } from './support/process.js'
import { underCi } from './support/requirements.js'

const here = dirname(fileURLToPath(import.meta.url))
const root = resolve(here, '..', '..')

const USAGE = `npm test runs all tests, npm test -- unit subnet those whose name holds each of the words.

--tests DIRECTORY    where the compiled tests are; default: where the runner is
--timeout SECONDS    for each file; default 300
--jobs N             how many test files at a time; default 2
--help               prints this`

// The machine that counts has two cores.
const { options, words } = commandLine(USAGE, { tests: here, timeout: 300, jobs: 2 })

/** It takes 500 namespaces away at once: the kernel's RTNL lock is taken for seconds, and no ovs-vswitchd goes on meanwhile. */
const ALONE = 'integration/ovs-slots'

const { jobs } = options
const tests = resolve(options.tests)
const timeoutMs = options.timeout * 1000
const results: Result[] = []

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    killRunning()
    console.log(`\nEnded by ${signal}; of what has been run until then:`)
    const { passed, failed, skipped } = total(results.map(({ counts }) => counts))
    // What was still to be run counts as one that failed.
    console.log(`${passed} passed, ${failed + 1} failed, ${skipped} skipped`)
    process.exit(signal === 'SIGINT' ? 130 : 143)
  })
}

// A machine of test/vm has some of the compiled tests, and no sources.
const sources = join(root, 'test', 'integration')
if (words.length === 0 && existsSync(sources) && !existsSync(join(root, 'test', `${ALONE}.test.ts`))) {
  throw new Error(`there is no ${ALONE}, which is to run alone: say in test/run.ts what it is called now`)
}
await runUnitTests()
await runIntegrationTests()
await runNativeTests()
await close()

async function runUnitTests(): Promise<void> {
  const programs = filesIn('unit').map((file) => ({
    name: file.name,
    command: process.execPath,
    args: [file.path],
    counts: uvuCounts,
  }))
  await runEach(programs, jobs)
}

async function runIntegrationTests(): Promise<void> {
  // What is in test/vm holds for the kernel datapath alone.
  const files = [...filesIn('integration'), ...(DATAPATH === 'system' ? filesIn('vm') : [])]
  if (files.length > 0 && process.getuid?.() !== 0) {
    const counts = { passed: 0, failed: underCi() ? 1 : 0, skipped: underCi() ? 0 : 1 }
    for (const { name } of files) report({ name, counts, ms: 0, output: 'needs root\n' })
    return
  }
  // What takes longest, which is as a rule what is longest, should not be the last that runs, alone.
  if (jobs > 1) files.sort((one, other) => statSync(other.path).size - statSync(one.path).size)
  const programs = files.map(({ name, path }) => ({
    name,
    ...inOwnWorld([process.execPath, path]),
    counts: uvuCounts,
  }))
  await runEach(
    programs.filter(({ name }) => name === ALONE),
    1,
  )
  await runEach(
    programs.filter(({ name }) => name !== ALONE),
    jobs,
  )
}

/** Runs these programs, so many of them at a time. */
async function runEach(programs: TestProgram[], jobs: number): Promise<void> {
  const worker = async () => {
    for (let program = programs.shift(); program !== undefined; program = programs.shift()) {
      await runAndReport(program)
    }
  }
  await Promise.all(Array.from({ length: jobs }, worker))
}

async function runNativeTests(): Promise<void> {
  if (!isWanted(NATIVE_TESTS) || tests !== here || !hasNativeTests(root)) return
  console.log('Building the C++ tests, which takes a minute the first time')
  const program = await buildNativeTests(root)
  if ('command' in program) await runAndReport(program)
  else report(program)
}

function filesIn(folder: string): { name: string; path: string }[] {
  const directory = join(tests, folder)
  if (!existsSync(directory)) return []
  return readdirSync(directory)
    .filter((file) => file.endsWith('.test.js'))
    .sort()
    .map((file) => ({ name: `${folder}/${file.slice(0, -'.test.js'.length)}`, path: join(directory, file) }))
    .filter(({ name }) => isWanted(name))
}

function isWanted(name: string): boolean {
  return words.every((word) => name.includes(word))
}

async function runAndReport(program: TestProgram): Promise<void> {
  report(await runProgram(program, timeoutMs))
}

function report(result: Result): void {
  results.push(result)
  const { passed, failed, skipped } = result.counts
  const mark = failed > 0 ? 'FAIL' : passed > 0 ? 'ok  ' : 'skip'
  const counts = [`${passed} passed`, failed > 0 && `${failed} failed`, skipped > 0 && `${skipped} skipped`]
  const seconds = `${(result.ms / 1000).toFixed(1)} s`.padStart(8)
  console.log(`${mark} ${seconds}  ${result.name.padEnd(36)} ${counts.filter(Boolean).join(', ')}`)
  if (failed > 0 || skipped > 0) console.log(indented(result.output))
}

function indented(text: string): string {
  return text.trimEnd().replace(/^/gm, '    ')
}

async function close(): Promise<void> {
  const { passed, failed, skipped } = total(results.map(({ counts }) => counts))
  console.log(`\n${(await platform()).join(', ')}`)
  const bad = results.filter((result) => result.counts.failed > 0).map((result) => result.name)
  if (bad.length > 0) console.log(`Failed: ${bad.join(', ')}`)
  if (results.length === 0) console.log('No test was run.')
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
  process.exitCode = failed > 0 || results.length === 0 ? 1 : 0
}

/** What the results are from: kernel, Node, and the versions of the programs that the tests use. */
async function platform(): Promise<string[]> {
  const version = async (label: string, program: string) => {
    const ended = await runToEnd(program, ['--version']).catch(() => undefined)
    const number = /\d+\.\d+(\.\d+)?/.exec(ended?.stdout ?? '')?.[0]
    return `${label} ${number ?? 'not installed'}`
  }
  return [
    `Linux ${release()}`,
    `Node ${process.versions.node}`,
    `${await version('Open vSwitch', 'ovs-vswitchd')} (datapath ${DATAPATH})`,
    await version('Docker', 'dockerd'),
  ]
}
