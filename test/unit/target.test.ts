import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { DockerEngine } from '../../src/docker/engine.js'
import { EcdockError } from '../../src/errors.js'
import { checkTarget, parseTarget } from '../../src/target/parse.js'
import { resolveTarget } from '../../src/target/resolve.js'
import type { Target } from '../../src/target/target.js'

test('a process is named by its id', () => {
  assert.equal(parseTarget('pid:1'), { pid: 1 })
  assert.equal(parseTarget('pid:4194304'), { pid: 4194304 })
})

test('a namespace is named by its name under /run/netns, or by the path of its file', () => {
  assert.equal(parseTarget('netns:blue'), { netns: 'blue' })
  assert.equal(parseTarget('netns:a:b'), { netns: 'a:b' })
  assert.equal(parseTarget('netns:/proc/1/ns/net'), { netns: '/proc/1/ns/net' })
  assert.equal(parseTarget(`netns:/${'x'.repeat(4094)}`), { netns: `/${'x'.repeat(4094)}` })
})

test('a container is named by its name or the beginning of its id', () => {
  assert.equal(parseTarget('container:web.1_a-b'), { container: 'web.1_a-b' })
  assert.equal(parseTarget('container:3f'), { container: '3f' })
})

for (const text of [
  '',
  'blue',
  'pid',
  'pid:',
  'pid:0',
  'pid:01',
  'pid:-1',
  'pid:1.5',
  'pid:1e3',
  'pid: 1',
  'pid:4194305',
  'pid:99999999999999999999',
  'PID:1',
  'netns:',
  'netns:.',
  'netns:..',
  'netns:a/b',
  'netns:../../etc/passwd',
  'netns:a\0b',
  `netns:${'x'.repeat(256)}`,
  `netns:/${'x'.repeat(4095)}`,
  'container:',
  'container:.hidden',
  'container:../images/x',
  'container:a b',
  'container:a?b',
  `container:${'x'.repeat(256)}`,
]) {
  test(`refuses ${JSON.stringify(text.slice(0, 40))} and shows the three forms`, () => {
    const error = thrownBy(() => parseTarget(text))
    assert.is(error.code, 'TARGET_INVALID')
    for (const form of ['pid:1234', 'netns:NAME', 'container:NAME']) assert.match(error.hint ?? '', form)
  })
}

for (const target of [
  null,
  'pid:1',
  {},
  { pid: '1' },
  { pid: Number.NaN },
  { pid: 1, netns: 'blue' },
  { container: 7 },
]) {
  test(`a program that gives ${JSON.stringify(target)} is told so`, () => {
    assert.is(thrownBy(() => checkTarget(target as unknown as Target)).code, 'TARGET_INVALID')
  })
}

test('this process has a namespace', async () => {
  assert.equal(await resolveTarget({ pid: process.pid }, noDocker), {
    netns: `/proc/${process.pid}/ns/net`,
    label: `pid:${process.pid}`,
  })
})

test('a path is taken as it is', async () => {
  assert.equal(await resolveTarget({ netns: '/proc/self/ns/net' }, noDocker), {
    netns: '/proc/self/ns/net',
    label: 'netns:/proc/self/ns/net',
  })
})

for (const [target, words] of [
  [{ pid: 4194304 }, /no process 4194304/],
  [{ netns: 'no-such-namespace-here' }, /no network namespace no-such-namespace-here/],
  [{ netns: '/no/such/file' }, /\/no\/such\/file/],
  [{ netns: '/proc/version/net' }, /\/proc\/version\/net/],
] as const) {
  test(`${JSON.stringify(target)} is not found`, async () => {
    const error = await rejectedBy(resolveTarget(target, noDocker))
    assert.is(error.code, 'TARGET_NOT_FOUND')
    assert.match(error.message, words)
  })
}

function noDocker(): DockerEngine {
  throw new Error('Docker was asked about something that is no container')
}

function thrownBy(run: () => unknown): EcdockError {
  try {
    run()
  } catch (error) {
    if (error instanceof EcdockError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

async function rejectedBy(promise: Promise<unknown>): Promise<EcdockError> {
  const error = await promise.then(
    () => new Error('nothing was thrown'),
    (reason: unknown) => reason,
  )
  if (error instanceof EcdockError) return error
  throw error
}

test.run()
