import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Root of the repository, seen from the compiled file in dist/benchmarks. */
const ROOT = new URL('../../', import.meta.url)

/** Absolute path of a file in the repository that is not compiled, such as `benchmarks/peers/ip.sh`. */
export function sourcePath(path: string): string {
  return fileURLToPath(new URL(path, ROOT))
}

/** Runs a program to its end and gives its stdout; throws with what it said when it fails. */
export function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): string {
  return execFileSync(program, args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
}
