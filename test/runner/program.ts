import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Ended, howItEnded, killGroup, runToEnd } from '../support/process.js'
import type { Counts } from './counts.js'

/** One test program, and how to read what it prints. */
export interface TestProgram {
  /** Such as `unit/subnet`. */
  name: string
  command: string
  args: readonly string[]
  counts: (output: string) => Counts | undefined
}

export interface Result {
  name: string
  counts: Counts
  ms: number
  /** What to show when it failed. */
  output: string
}

/** Process ids of those that are running, and their temporary directories. */
const running = new Map<number, string>()

/** Runs a test program with a temporary directory of its own, and judges it by its counts and its exit status. */
export async function runProgram(program: TestProgram, timeoutMs: number): Promise<Result> {
  const begin = performance.now()
  const directory = await mkdtemp(join(tmpdir(), 'ecdock-test-'))
  let pid: number | undefined
  try {
    const ended = await runToEnd(program.command, program.args, {
      timeoutMs,
      env: { ...process.env, TMPDIR: directory },
      onStart: (started) => {
        pid = started
        running.set(started, directory)
      },
    })
    const { counts, remark } = judge(program, ended, timeoutMs)
    return {
      name: program.name,
      counts,
      ms: performance.now() - begin,
      output: `${ended.output.trimEnd()}\n${remark}`,
    }
  } finally {
    if (pid !== undefined) running.delete(pid)
    await rm(directory, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** Ends the test programs that are running now, and takes their temporary directories away. */
export function killRunning(): void {
  for (const [pid, directory] of running) {
    killGroup(pid)
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
  }
}

function judge(program: TestProgram, ended: Ended, timeoutMs: number): { counts: Counts; remark: string } {
  const counts = program.counts(ended.output)
  if (counts === undefined || ended.timedOut) {
    const known = counts ?? { passed: 0, failed: 0, skipped: 0 }
    return {
      counts: { ...known, failed: known.failed + 1 },
      remark: `${program.name}: ${howItEnded(ended, timeoutMs)}${counts === undefined ? ', and printed no counts' : ''}\n`,
    }
  }
  if (counts.passed + counts.failed + counts.skipped === 0) {
    return { counts: { ...counts, failed: 1 }, remark: `${program.name} holds no test\n` }
  }
  if (ended.status !== 0 && counts.failed === 0) {
    return {
      counts: { ...counts, failed: 1 },
      remark: `${program.name}: ${howItEnded(ended, timeoutMs)}, though every test passed\n`,
    }
  }
  return { counts, remark: '' }
}
