import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { EcdockError } from '../errors.js'
import { Control } from './control.js'

/** An `ecdock-switch` that runs. */
export interface SwitchProcess {
  pid: number
  /** Where its sockets are; '' in cable mode. */
  dir: string
  /** Its control socket. */
  control: string
  /** Its management console; '' when it has none. */
  mgmt: string
}

export interface SwitchOptions {
  /** Directory of its sockets. Without one it is no switch, but connects taps to switches that are there. */
  dir?: string | undefined
  /** Path of its control socket. */
  control: string
  /** Path of its management console. */
  mgmt?: string | undefined
  /** Permissions of its sockets, such as 0o660. Default 0o600. */
  mode?: number | undefined
  /** Who may use them besides its user: name or number. */
  group?: string | undefined
  /** Default 1024. */
  ports?: number | undefined
  /** Send each frame to all. Default false. */
  hub?: boolean | undefined
  /** Let segments of up to 64 KB cross from tap to tap whole. Default true. */
  offload?: boolean | undefined
  /** What its status is to show, at most 512 bytes. */
  label?: string | undefined
  /** How long it may take until it is ready, in ms. Default 5000. */
  timeoutMs?: number | undefined
}

/** From dist/src/vde, and from src/vde alike, it is where node-gyp puts it. */
export const SWITCH_PROGRAM = fileURLToPath(new URL('../../../build/Release/ecdock-switch', import.meta.url))

const OP = 'start switch'
const TIMEOUT_MS = 5000
/** The descriptor on which it says that it is ready. */
const READY_FD = 3
const MOST_WORDS = 4096

/**
 * Starts a switch, in a session of its own, so that it outlives this process, and waits until it can be used. Throws
 * ADDON_MISSING when it has not been built, VDE_START_FAILED with its own words, TIMEOUT.
 */
export async function startSwitch(options: SwitchOptions): Promise<SwitchProcess> {
  const { timeoutMs = TIMEOUT_MS } = options
  const child = spawn(SWITCH_PROGRAM, commandLine(options), {
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  })
  const said = child.stderr
  const ready = child.stdio[READY_FD] as Readable
  try {
    const pid = await begun(child, said, ready, timeoutMs)
    return { pid, dir: options.dir ?? '', control: options.control, mgmt: options.mgmt ?? '' }
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  } finally {
    // What it says later goes nowhere: the switch does not mind, and its owner may be gone by then.
    for (const stream of [said, ready]) stream?.destroy()
    child.unref()
  }
}

/** The last one when it ends just then, and has not taken the connection yet. */
const NOBODY_LISTENS: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ECONNREFUSED', 'ECONNRESET'])

/** The switch that listens at this control socket; undefined when there is none (any more). */
export async function findSwitch(control: string): Promise<SwitchProcess | undefined> {
  let connection: Control
  try {
    connection = await Control.connect(control)
  } catch (error) {
    const { errno } = error as EcdockError
    if (errno !== undefined && NOBODY_LISTENS.has(errno)) return undefined
    throw error
  }
  try {
    const { pid, dir, mgmt } = await connection.status()
    return { pid, dir, control, mgmt }
  } catch (error) {
    // It was just ending.
    if (error instanceof EcdockError && error.code === 'VDE_LOST') return undefined
    throw error
  } finally {
    connection.close()
  }
}

/** Ends the switch at this control socket, and waits until it has gone; that there is none is no error. */
export async function stopSwitch(control: string): Promise<void> {
  const running = await findSwitch(control)
  if (running === undefined) return
  const connection = await Control.connect(control)
  try {
    await connection.shutdown()
    await connection.closed
  } finally {
    connection.close()
  }
  await switchGone(running.pid)
}

/**
 * Waits, 5 s at most, until a switch that has been told to end has gone. Its sockets are gone before: its taps take longer
 * to be closed, and until then its directory is taken.
 */
export async function switchGone(pid: number): Promise<void> {
  const deadline = performance.now() + TIMEOUT_MS
  while (existsSync(`/proc/${pid}/fd/0`) && performance.now() < deadline) await setTimeout(2)
}

function commandLine(options: SwitchOptions): string[] {
  const { dir, control, mgmt, mode, group, ports, label } = options
  const valued: Record<string, string | number | undefined> = {
    '--sock': dir,
    '--control': control,
    '--mgmt': mgmt,
    '--mode': mode?.toString(8),
    '--group': group,
    '--numports': dir === undefined ? undefined : ports,
    '--label': label,
    '--ready-fd': READY_FD,
  }
  return [
    ...Object.entries(valued).flatMap(([name, value]) => (value === undefined ? [] : [name, String(value)])),
    ...(dir === undefined ? ['--cable'] : []),
    ...(options.hub === true ? ['--hub'] : []),
    ...(options.offload === false ? ['--no-offload'] : []),
  ]
}

/** Waits until it says that it is ready. */
async function begun(
  child: ChildProcess,
  said: Readable | null,
  ready: Readable,
  timeoutMs: number,
): Promise<number> {
  let words = ''
  said?.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(0, MOST_WORDS)
  })
  const tooLate = AbortSignal.timeout(timeoutMs)
  const closed = once(child, 'close', { signal: tooLate }).then(([status]) => status as number | null)
  const outcome = await Promise.race([
    once(ready, 'data', { signal: tooLate }).then(() => 'ready' as const),
    closed,
  ]).catch((error: NodeJS.ErrnoException) => {
    if (tooLate.aborted) {
      throw new EcdockError(
        'TIMEOUT',
        OP,
        `ecdock-switch is not ready within ${timeoutMs} ms. ${words}`.trim(),
      )
    }
    throw notStarted(error)
  })
  closed.catch(() => {})
  if (outcome === 'ready' && child.pid !== undefined) return child.pid
  const [first = ''] = words.split('\n')
  const why = first.replace(/^ecdock-switch: /, '') || `exit status ${outcome}`
  throw new EcdockError('VDE_START_FAILED', OP, `ecdock-switch does not start: ${why}`, {
    hint: 'Does another switch use the same directory or sockets, and do group and directory exist?',
  })
}

function notStarted(error: NodeJS.ErrnoException): EcdockError {
  return new EcdockError(
    'ADDON_MISSING',
    OP,
    `the program ecdock-switch cannot be started: ${error.message}`,
    {
      errno: error.code,
      hint: 'Build it with "npm rebuild ecdock-fast" (in a checkout: "npm run setup"); it needs python3, make and g++.',
      cause: error,
    },
  )
}
