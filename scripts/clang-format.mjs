// Checks the format of the C and C++ sources, or with --write corrects it: `node scripts/clang-format.mjs [--write]`.
import { spawnSync } from 'node:child_process'
import { filesBelow } from './setup/stamp.mjs'
import { ROOT } from './setup/step.mjs'

// Versions differ in what they make of the same settings, so Debian 12's is asked for by name first.
const PROGRAMS = ['clang-format-14', 'clang-format']

const files = ['native', 'benchmarks'].flatMap((folder) =>
  filesBelow(folder, (path) => /\.(c|h|cpp)$/.test(path)),
)
const mode = process.argv.includes('--write') ? ['-i'] : ['--dry-run', '-Werror']

function format() {
  for (const program of PROGRAMS) {
    const result = spawnSync(program, [...mode, ...files], { cwd: ROOT, stdio: 'inherit' })
    if (result.error?.code !== 'ENOENT') return result.status ?? 1
  }
  process.stderr.write('clang-format is not installed. On Debian and Ubuntu: apt-get install clang-format\n')
  return 3
}

process.exitCode = files.length === 0 ? 0 : format()
