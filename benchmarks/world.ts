import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { inOwnWorld } from '../test/runner/world.js'

const MARK = 'ECDOCK_FAST_BENCH_DIRECTORY'
/** Where the world mounts file systems of its own; they are made for that when they are missing. */
const MOUNT_POINTS = ['/run/netns', '/run/ecdock-fast']

/** A private directory that vanishes with the world, or undefined when this process is not in one. */
export function worldDirectory(): string | undefined {
  return process.env[MARK]
}

/**
 * Runs this program again with the same arguments in network, mount and process namespaces of its own, so
 * that it finds an empty host and that nothing outlives it. Gives the exit status.
 */
export async function runInWorld(argv: readonly string[]): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'ecdock-fast-bench-'))
  const made = MOUNT_POINTS.filter((path) => !existsSync(path))
  const { command, args } = inOwnWorld([process.execPath, ...process.execArgv, ...argv])
  const child = spawn(command, args, {
    stdio: 'inherit',
    env: { ...process.env, [MARK]: directory, TMPDIR: directory },
  })
  let stopped: NodeJS.Signals | undefined
  const stop = (signal: NodeJS.Signals) => {
    stopped = signal
    child.kill('SIGKILL')
  }
  process.on('SIGINT', stop).on('SIGTERM', stop)
  try {
    const status = await new Promise<number>((resolve, reject) => {
      child.on('error', reject).on('close', (code) => resolve(code ?? 1))
    })
    return stopped === undefined ? status : 128 + constants.signals[stopped]
  } finally {
    rmSync(directory, { recursive: true, force: true })
    made.forEach(removeIfEmpty)
  }
}

/** Somebody else may have begun to use the directory meanwhile. */
function removeIfEmpty(path: string): void {
  if (existsSync(path) && readdirSync(path).length === 0) rmdirSync(path)
}

/** What is missing to run at all, in words for a person; undefined when nothing is. */
export function missing(programs: readonly string[]): string | undefined {
  if (process.geteuid?.() !== 0)
    return 'The benchmark needs root: it makes network namespaces. Try sudo npm run bench.'
  const absent = programs.filter((program) => spawnSync('which', [program]).status !== 0)
  if (absent.length === 0) return undefined
  return `The benchmark needs ${absent.join(', ')}. Try: sudo npm run setup -- bench`
}
