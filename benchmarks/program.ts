import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
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

/** Compiles the C files of a folder of the repository into a program, and gives its path. */
export function compile(folder: string, program: string): string {
  const sources = readdirSync(sourcePath(folder)).filter((name) => name.endsWith('.c'))
  const files = sources.map((name) => sourcePath(`${folder}/${name}`))
  run('cc', ['-O2', '-std=gnu11', '-Wall', '-pthread', '-o', program, ...files])
  return program
}
