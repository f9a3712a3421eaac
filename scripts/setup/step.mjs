import { spawnSync } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout. */
export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** What a person has to do something about. Exit status 1: a step failed; 2: wrong usage; 3: something is missing. */
export class SetupError extends Error {
  constructor(exitStatus, message, next) {
    super(message)
    this.exitStatus = exitStatus
    this.next = next
  }
}

/** Announces `title`, does `work`, and closes the line with the time that it took. */
export function step(title, work) {
  const begin = performance.now()
  process.stderr.write(`setup: ${title} … `)
  try {
    work()
  } catch (error) {
    process.stderr.write('failed\n')
    throw error
  }
  process.stderr.write(`${((performance.now() - begin) / 1000).toFixed(1)} s\n`)
}

/** Runs a program, in the checkout by default. Its output is shown only when it fails; then `next` says what to do. */
export function run(command, args, { cwd = ROOT, env = process.env, next } = {}) {
  const result = spawnSync(command, args, {
    cwd,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 256 * 1024 * 1024,
  })
  if (result.status === 0) return result.stdout
  const why =
    result.error?.message ??
    (result.signal ? `was stopped by ${result.signal}` : `exit status ${result.status}`)
  const output = `${result.stdout ?? ''}${result.stderr ?? ''}`.trim()
  throw new SetupError(
    1,
    `${[command, ...args].join(' ')}: ${why}${output === '' ? '' : `\n\n${output}\n`}`,
    next,
  )
}
