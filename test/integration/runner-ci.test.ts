import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Ended, type RunOptions, runToEnd, waitUntil } from '../support/process.js'

const CI = fileURLToPath(new URL('../../../.ci/run', import.meta.url))

/** Checkouts with .ci/run and nothing else, and an npm that does what a test says. */
const test = suite<{ root: string }>('.ci/run', { root: '' })

test.before.each((context) => {
  context.root = mkdtempSync(join(tmpdir(), 'ci-'))
  for (const directory of ['.ci', 'bin', 'tmp']) mkdirSync(join(context.root, directory))
  copyFileSync(CI, join(context.root, '.ci', 'run'))
})

test.after.each(({ root }) => rmSync(root, { recursive: true }))

test('adds up the counts of all, and lint as one test', async ({ root }) => {
  npm(root, { test: closing('5 passed, 0 failed, 1 skipped'), vm: closing('7 passed, 0 failed, 0 skipped') })
  const ended = await ci(root)
  assert.is(ended.status, 0, ended.output)
  assert.is(lastLine(ended), '13 passed, 0 failed, 1 skipped')
})

test('goes on after what fails, and fails', async ({ root }) => {
  npm(root, { test: `${closing('5 passed, 2 failed, 0 skipped')}; exit 1`, vm: 'exit 3', lint: 'exit 1' })
  const ended = await ci(root)
  assert.is(ended.status, 1)
  assert.match(ended.stdout, 'npm run test:vm: exit status 3')
  assert.is(lastLine(ended), '5 passed, 4 failed, 0 skipped')
})

test('told to end, it ends what runs, and closes with the counts of what has been run', async ({ root }) => {
  // As with the real one, npm itself ends at once, and what it has started a little later.
  const suite = (name: string) =>
    `(trap 'sleep 0.5; ${closing('3 passed, 1 failed, 0 skipped')}; touch ${name}-ended; exit 143' TERM
      touch ${name}-began; while :; do sleep 0.1; done) & wait`
  npm(root, { test: suite('test'), vm: suite('vm') })
  let pid = 0
  const running = ci(root, { onStart: (started) => (pid = started) })
  await waitUntil('both run', () => ['test', 'vm'].every((name) => existsSync(join(root, `${name}-began`))))
  process.kill(pid, 'SIGTERM')
  const ended = await running
  assert.is(ended.status, 143, ended.output)
  assert.ok(['test', 'vm'].every((name) => existsSync(join(root, `${name}-ended`))))
  // Lint, which was still to be run, has failed, too.
  assert.is(lastLine(ended), '6 passed, 3 failed, 0 skipped')
})

test.run()

interface Doing {
  test: string
  vm: string
  lint?: string
}

function npm(root: string, { test, vm, lint = '' }: Doing): void {
  const script = `#!/bin/sh
case "$2" in
test) ${test} ;;
test:vm) ${vm} ;;
lint) ${lint} ;;
esac
`
  writeFileSync(join(root, 'bin', 'npm'), script, { mode: 0o755 })
}

function closing(line: string): string {
  return `echo "${line}"`
}

async function ci(root: string, options: RunOptions = {}): Promise<Ended> {
  const env = { ...process.env, PATH: `${join(root, 'bin')}:${process.env.PATH}`, TMPDIR: join(root, 'tmp') }
  const ended = await runToEnd('bash', [join(root, '.ci', 'run')], { ...options, env })
  assert.equal(readdirSync(join(root, 'tmp')), [])
  return ended
}

function lastLine({ stdout }: Ended): string {
  return stdout.trimEnd().split('\n').at(-1) ?? ''
}
