import { spawn } from 'node:child_process'
import { patience } from './patience.js'

export interface RunOptions {
  /** In ms; the program's whole process group is killed when it takes longer. Default 60,000, or with patience more. */
  timeoutMs?: number
  env?: NodeJS.ProcessEnv
  cwd?: string
  input?: string
  /** Called with the process id as soon as it has started. */
  onStart?: (pid: number) => void
}

export interface Ended {
  /** Exit status, undefined when a signal ended it or it never began. */
  status: number | undefined
  signal: NodeJS.Signals | undefined
  timedOut: boolean
  stdout: string
  stderr: string
  /** Both, in the order in which they came. */
  output: string
}

/** How long a program may take by default, in ms. */
const TIMEOUT_MS = patience(60_000)

/** Output beyond this many characters is thrown away: a test that prints without end must not take the memory. */
const MAX_OUTPUT = 8 * 1024 * 1024

/** Runs a program to its end, however that is. Rejects only when it cannot be started at all. */
export function runToEnd(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    // A process group of its own, so that what the program has started ends with it.
    const child = spawn(command, args, {
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: options.env ?? process.env,
      cwd: options.cwd,
    })
    let stdout = ''
    let stderr = ''
    let output = ''
    let timedOut = false
    const take = (text: string): string => (output.length < MAX_OUTPUT ? text : '')
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += take(text)
      output += take(text)
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += take(text)
      output += take(text)
    })
    child.stdin.on('error', () => {}) // It may end without reading what it was given.
    child.stdin.end(options.input ?? '')

    const onTimeout = () => {
      timedOut = true
      killGroup(child.pid)
      // A grandchild in a group of its own may hold the pipes open for ever.
      setTimeout(() => {
        child.stdout.destroy()
        child.stderr.destroy()
      }, 1000).unref()
    }
    const timer = setTimeout(onTimeout, options.timeoutMs ?? TIMEOUT_MS)
    child.once('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    child.once('close', (status, signal) => {
      clearTimeout(timer)
      resolve({
        status: status ?? undefined,
        signal: signal ?? undefined,
        timedOut,
        stdout,
        stderr,
        output,
      })
    })
    if (child.pid !== undefined) options.onStart?.(child.pid)
  })
}

/** Runs a program and gives its standard output; throws with all that it said when it fails. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const ended = await runToEnd(command, args, options)
  if (ended.status === 0) return ended.stdout
  const words = [command, ...args].join(' ')
  throw new Error(`${words}: ${howItEnded(ended, options.timeoutMs ?? TIMEOUT_MS)}\n${ended.output.trim()}`)
}

/** In words, such as `exit status 1`. */
export function howItEnded(ended: Ended, timeoutMs: number): string {
  if (ended.timedOut) return `took longer than ${timeoutMs / 1000} s and was killed`
  return ended.signal === undefined ? `exit status ${ended.status}` : `was killed by ${ended.signal}`
}

/** Kills a process group; nothing happens when it is gone. */
export function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // Gone already.
  }
}

/** Waits until `condition` holds; throws with `what` when it does not within `timeoutMs`. */
export async function waitUntil(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 20_000,
): Promise<void> {
  const end = Date.now() + patience(timeoutMs)
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not within ${patience(timeoutMs)} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
