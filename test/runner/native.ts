import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { runToEnd } from '../support/process.js'
import { doctestCounts } from './counts.js'
import type { Result, TestProgram } from './program.js'
import { inOwnWorld } from './world.js'

/** Building with the sanitizers takes a minute or two the first time, and nothing after that. */
const BUILD_TIMEOUT_MS = 10 * 60_000

/** Name of the C++ unit tests among the others. */
export const NATIVE_TESTS = 'native/ecdock_native_tests'

/** Whether the checkout holds C++ unit tests. */
export function hasNativeTests(root: string): boolean {
  return existsSync(join(root, 'native', 'test')) && existsSync(join(root, 'native', 'CMakeLists.txt'))
}

/** Builds the C++ unit tests with ASan and UBSan; a build that fails is a test that failed. */
export async function buildNativeTests(root: string): Promise<TestProgram | Result> {
  const begin = performance.now()
  const directory = join(root, 'build-cmake', 'asan')
  const commands = [
    ['-S', join(root, 'native'), '-B', directory, '-DECDOCK_SANITIZE=ON'],
    ['--build', directory, '--parallel', '2', '--target', 'ecdock_native_tests'],
  ]
  for (const args of commands) {
    const ended = await runToEnd('cmake', args, { timeoutMs: BUILD_TIMEOUT_MS })
    if (ended.status !== 0) {
      const output = `cmake ${args.join(' ')}\n${ended.output}`
      const counts = { passed: 0, failed: 1, skipped: 0 }
      return { name: NATIVE_TESTS, counts, ms: performance.now() - begin, output }
    }
  }
  const command = [join(directory, 'ecdock_native_tests'), '--no-colors=true']
  const [program = '', ...args] = command
  const started = process.getuid?.() === 0 ? inOwnWorld(command) : { command: program, args }
  return { name: NATIVE_TESTS, ...started, counts: doctestCounts }
}
