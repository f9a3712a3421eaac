import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Ended, runToEnd } from '../support/process.js'

const RUNNER = fileURLToPath(new URL('../run.js', import.meta.url))
const VM_RUNNER = fileURLToPath(new URL('../vm/run.js', import.meta.url))

/** Test files that are written for the runner to run, and what it makes of them. */
const test = suite<{ directory: string }>('runner', { directory: '' })

test.before.each((context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'runner-'))
  writeFileSync(join(context.directory, 'package.json'), '{ "type": "module" }')
  symlinkSync(nodeModules(), join(context.directory, 'node_modules'))
})

test.after.each(({ directory }) => rmSync(directory, { recursive: true }))

test('adds up the counts of all files, unit tests first', async ({ directory }) => {
  write(directory, 'integration/b', "test('one', () => {}); test.skip('two')")
  write(directory, 'unit/a', "test('one', () => {}); test('two', () => {})")
  const ended = await runner(directory)
  assert.is(ended.status, 0)
  assert.is(lastLine(ended), '3 passed, 0 failed, 1 skipped')
  assert.ok(ended.stdout.indexOf('unit/a') < ended.stdout.indexOf('integration/b'))
  assert.match(ended.stdout, /Linux \d.*, Node \d.*, Open vSwitch .*, Docker /)
})

test('shows what a failing file has printed, and exits with 1', async ({ directory }) => {
  write(directory, 'unit/a', "test('sums', () => { console.log('the sum was off'); throw new Error('no') })")
  const ended = await runner(directory)
  assert.is(ended.status, 1)
  assert.match(ended.stdout, 'the sum was off')
  assert.is(lastLine(ended), '0 passed, 1 failed, 0 skipped')
})

test('runs the files whose name holds each of the words', async ({ directory }) => {
  for (const name of ['unit/subnet', 'unit/slot', 'integration/slot']) {
    write(directory, name, "test('it', () => {})")
  }
  const ended = await runner(directory, ['unit', 'slot'])
  assert.is(lastLine(ended), '1 passed, 0 failed, 0 skipped')
  assert.match(ended.stdout, 'unit/slot')
})

test('fails when no test was run', async ({ directory }) => {
  const ended = await runner(directory, ['nothing-of-that-name'])
  assert.is(ended.status, 1)
  assert.is(lastLine(ended), '0 passed, 0 failed, 0 skipped')
})

test('runs nothing when the file that is to run alone is not there', async ({ directory }) => {
  const dist = dirname(RUNNER)
  for (const part of ['run.js', 'runner', 'support']) {
    cpSync(join(dist, part), join(directory, 'dist', 'test', part), { recursive: true })
  }
  write(directory, 'dist/test/unit/a', "test('it', () => {})")
  const copy = join(directory, 'dist', 'test', 'run.js')
  // Where there are no sources, as in a virtual machine, there may be some of the tests only.
  assert.is(lastLine(await runToEnd(process.execPath, [copy])), '1 passed, 0 failed, 0 skipped')
  mkdirSync(join(directory, 'test', 'integration'), { recursive: true })
  const ended = await runToEnd(process.execPath, [copy])
  assert.is(ended.status, 1)
  assert.match(ended.stderr, 'there is no integration/ovs-slots, which is to run alone')
  assert.not.match(ended.stdout, 'unit/a')
  // Who asks for some by their names need not have it.
  assert.is(lastLine(await runToEnd(process.execPath, [copy, 'unit'])), '1 passed, 0 failed, 0 skipped')
})

for (const [args, sentence] of [
  [['--jobs', '0'], "--jobs is '0': give a whole number from 1 on, such as --jobs 2"],
  [['--jobs', 'x'], "--jobs is 'x': give a whole number from 1 on, such as --jobs 2"],
  [['--timeout', '1.5'], "--timeout is '1.5': give a whole number from 1 on, such as --timeout 2"],
  [['--machines', '2'], "Unknown option '--machines'; --help tells which options there are"],
  [['--jobs'], "Option '--jobs <value>' argument missing; --help tells which options there are"],
] as const) {
  test(`refuses ${args.join(' ')} with a sentence`, async ({ directory }) => {
    write(directory, 'unit/a', "test('it', () => {})")
    refusedWith(sentence, await runner(directory, args))
  })
}

for (const [args, sentence] of [
  [['--machines', '0'], "--machines is '0': give a whole number from 1 on, such as --machines 2"],
  [['--machines', 'x'], "--machines is 'x': give a whole number from 1 on, such as --machines 2"],
  [['--jobs', '2'], "Unknown option '--jobs'; --help tells which options there are"],
] as const) {
  test(`that of virtual machines refuses ${args.join(' ')} with a sentence`, async () => {
    refusedWith(sentence, await runToEnd(process.execPath, [VM_RUNNER, ...args]))
  })
}

test('tells which options there are, and runs nothing', async ({ directory }) => {
  for (const [ended, option] of [
    [await runner(directory, ['--help']), '--jobs N'],
    [await runToEnd(process.execPath, [VM_RUNNER, '--help']), '--machines N'],
  ] as const) {
    assert.is(ended.status, 0)
    assert.match(ended.stdout, option)
    assert.not.match(ended.stdout, ' passed')
  }
})

for (const [what, body] of [
  ['crashes', "throw new Error('at once')"],
  ['ends before its tests do', "test('it', () => process.exit(0))"],
  ['has a before hook that throws', "test.before(() => { throw new Error('no') }); test('it', () => {})"],
  ['holds no test', ''],
  ['exits with another status than 0', "test('it', () => {}); process.on('exit', () => process.exit(3))"],
] as const) {
  test(`counts a file that ${what} as failed`, async ({ directory }) => {
    write(directory, 'unit/a', body)
    write(directory, 'unit/b', "test('it', () => {})")
    const ended = await runner(directory)
    assert.is(ended.status, 1)
    assert.match(lastLine(ended), / 1 failed, 0 skipped$/)
  })
}

test('kills a file that takes too long, with all that it has started', async ({ directory }) => {
  const marker = join(directory, 'pid')
  write(
    directory,
    'unit/a',
    `const { pid } = spawn('sleep', ['300'], { stdio: 'ignore' })
     writeFileSync('${marker}', String(pid))
     test('hangs', () => new Promise(() => setInterval(() => {}, 1000)))`,
  )
  const ended = await runner(directory, ['--timeout', '2'])
  assert.match(ended.stdout, 'took longer than 2 s and was killed')
  assert.is(lastLine(ended), '0 passed, 1 failed, 0 skipped')
  assert.not.ok(isRunning(Number(readFileSync(marker, 'utf8'))))
})

test('gives an integration test a host of its own', async ({ directory }) => {
  write(
    directory,
    'integration/a',
    `import { networkInterfaces } from 'node:os'
     test('lo is up and alone', () => {
       if (Object.keys(networkInterfaces()).join() !== 'lo') throw new Error('more than lo')
     })
     test('there is no namespace and none of our files', () => {
       for (const path of ['/run/netns', '/run/ecdock-fast']) {
         if (readdirSync(path).length > 0) throw new Error(path)
         writeFileSync(path + '/of-the-inner-test', '')
       }
     })
     test('it is process 1 that reaps orphans', () => {
       if (process.ppid !== 1) throw new Error('the parent is ' + process.ppid)
     })`,
  )
  const ended = await runner(directory)
  assert.is(lastLine(ended), '3 passed, 0 failed, 0 skipped', ended.stdout)
  assert.not.ok(existsSync('/run/netns/of-the-inner-test'))
  assert.not.ok(existsSync('/run/ecdock-fast/of-the-inner-test'))
})

test('counts an integration test that leaves a process running as failed, and ends that process', async ({
  directory,
}) => {
  write(
    directory,
    'integration/a',
    `test('it', () => spawn('setsid', ['sleep', '301'], { detached: true, stdio: 'ignore' }).unref())`,
  )
  const ended = await runner(directory)
  assert.is(ended.status, 1)
  assert.match(ended.stdout, /left running: \d+ sleep 301/)
  assert.is(lastLine(ended), '1 passed, 1 failed, 0 skipped')
})

test('skips integration tests for a user who is not root, and fails them under CI', async ({ directory }) => {
  write(directory, 'integration/a', "test('it', () => {})")
  const skipped = await runner(directory, [], { asNobody: true, env: { CI: '' } })
  assert.is(lastLine(skipped), '0 passed, 0 failed, 1 skipped', skipped.output)
  const failed = await runner(directory, [], { asNobody: true, env: { CI: 'true' } })
  assert.is(failed.status, 1)
  assert.is(lastLine(failed), '0 passed, 1 failed, 0 skipped')
})

test.run()

function write(directory: string, name: string, body: string): void {
  const path = join(directory, `${name}.test.js`)
  mkdirSync(dirname(path), { recursive: true })
  const imports = [
    "import { spawn } from 'node:child_process'",
    "import { readdirSync, writeFileSync } from 'node:fs'",
    "import { test } from 'uvu'",
  ]
  writeFileSync(path, `${imports.join('\n')}\n${body}\ntest.run()\n`)
}

function runner(
  directory: string,
  args: readonly string[] = [],
  { asNobody = false, env = {} }: { asNobody?: boolean; env?: NodeJS.ProcessEnv } = {},
): Promise<Ended> {
  const command = [process.execPath, RUNNER, '--tests', directory, ...args]
  const [program = '', ...rest] = asNobody ? ['unshare', '--user', ...command] : command
  return runToEnd(program, rest, { env: { ...process.env, ...env } })
}

function refusedWith(sentence: string, ended: Ended): void {
  assert.equal([ended.status, ended.stdout, ended.stderr], [2, '', `${sentence}\n`])
}

function lastLine({ stdout }: Ended): string {
  return stdout.trimEnd().split('\n').at(-1) ?? ''
}

function nodeModules(): string {
  for (let at = dirname(RUNNER); at !== dirname(at); at = dirname(at)) {
    if (existsSync(join(at, 'node_modules', 'uvu'))) return resolve(at, 'node_modules')
  }
  throw new Error(`no node_modules above ${RUNNER}`)
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
