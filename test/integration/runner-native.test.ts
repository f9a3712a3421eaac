import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { buildNativeTests, hasNativeTests } from '../runner/native.js'
import { runProgram } from '../runner/program.js'
import { needs } from '../support/requirements.js'

/** Checkouts whose C++ tests are a program that prints what doctest prints. */
const test = suite<{ root: string }>('runner, native', { root: '' })
const withCmake = needs('root', 'cmake') ? test : test.skip

test.before.each((context) => {
  context.root = mkdtempSync(join(tmpdir(), 'native-'))
})

test.after.each(({ root }) => rmSync(root, { recursive: true }))

withCmake('the C++ tests are built, run and counted', async ({ root }) => {
  project(root, 'puts("[doctest] test cases: 3 | 3 passed | 0 failed | 0 skipped");')
  assert.ok(hasNativeTests(root))
  const program = await buildNativeTests(root)
  assert.ok('command' in program)
  const { counts } = await runProgram(program, 10_000)
  assert.equal(counts, { passed: 3, failed: 0, skipped: 0 })
})

withCmake('C++ tests that a sanitizer stops have failed', async ({ root }) => {
  project(root, 'abort();')
  const program = await buildNativeTests(root)
  assert.ok('command' in program)
  const { counts, output } = await runProgram(program, 10_000)
  assert.equal(counts, { passed: 0, failed: 1, skipped: 0 })
  assert.match(output, 'printed no counts')
})

withCmake('C++ tests that do not compile have failed, and the compiler says why', async ({ root }) => {
  project(root, 'no_such_function();')
  const result = await buildNativeTests(root)
  assert.ok('output' in result)
  assert.equal(result.counts, { passed: 0, failed: 1, skipped: 0 })
  assert.match(result.output, 'no_such_function')
})

test('a checkout without C++ tests has none', ({ root }) => {
  assert.not.ok(hasNativeTests(root))
})

test.run()

function project(root: string, statement: string): void {
  mkdirSync(join(root, 'native', 'test'), { recursive: true })
  writeFileSync(
    join(root, 'native', 'CMakeLists.txt'),
    `cmake_minimum_required(VERSION 3.22)
     project(native_tests CXX)
     add_executable(ecdock_native_tests test/main.cpp)`,
  )
  writeFileSync(
    join(root, 'native', 'test', 'main.cpp'),
    `#include <cstdio>
     #include <cstdlib>
     int main() { ${statement} }`,
  )
}
