import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { sourcePath } from './program.js'
import type { WholeProcess } from './report.js'
import { median } from './stats.js'
import { TARGET_NAMES, targetPath } from './targets.js'

const CLI = fileURLToPath(new URL('../src/cli/main.js', import.meta.url))

/**
 * One plug as somebody who types commands has it, with the start of the process: `ecdock-fast plug`, and the
 * ip script, in turns. `vswitch` and `ipBridge` are there already and have slot 1 free.
 */
export function measureWholeProcess(vswitch: string, ipBridge: string, rounds: number): WholeProcess {
  const cli: number[] = []
  const ip: number[] = []
  const ours = [CLI, '--json', '--vswitch', vswitch]
  const script = [sourcePath('benchmarks/peers/ip.sh'), ipBridge, TARGET_NAMES]
  for (let round = 0; round < rounds; round++) {
    cli.push(timed(process.execPath, [...ours, '--slot', '1', 'plug', `netns:${targetPath(1)}`]))
    timed(process.execPath, [...ours, 'unplug', '1'])
    ip.push(timed('bash', script, 'plug 1 1\n'))
    timed('bash', script, 'unplug 1 1\n')
  }
  return { cli: median(cli), ip: median(ip), samples: rounds }
}

/** ms from the start of the program to its end. */
function timed(program: string, args: readonly string[], input = ''): number {
  const begin = performance.now()
  const { status, stderr, error } = spawnSync(program, args, { input, encoding: 'utf8' })
  const ms = performance.now() - begin
  if (status === 0) return ms
  throw new Error(`${program} ${args.join(' ')} failed: ${error?.message ?? stderr.trim()}`)
}
