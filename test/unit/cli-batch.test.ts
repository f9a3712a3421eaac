import { PassThrough } from 'node:stream'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { LineSplitter } from '../../src/cli/batch/lines.js'
import { parseOperation } from '../../src/cli/batch/operation.js'
import { type Item, takeGroup } from '../../src/cli/batch/queue.js'
import { Interruption } from '../../src/cli/io.js'
import { cli, FakeWorld } from '../support/cli.js'

function results(stdout: string): Record<string, unknown>[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

test('lines come out the same wherever the stream is cut', () => {
  const bytes = Buffer.from('eins\n\nzwölf €\n{"a":"\u{1f40e}"}\nlast')
  const whole = [...new LineSplitter(100).push(bytes), { number: 5, text: 'last' }]
  assert.equal(
    whole.map((line) => ('text' in line ? line.text : line.fault)),
    ['eins', '', 'zwölf €', '{"a":"\u{1f40e}"}', 'last'],
  )
  for (let cut = 0; cut <= bytes.length; cut++) {
    const splitter = new LineSplitter(100)
    const lines = [
      ...splitter.push(bytes.subarray(0, cut)),
      ...splitter.push(bytes.subarray(cut)),
      ...splitter.end(),
    ]
    assert.equal(lines, whole, `cut at ${cut}`)
  }
})

test('a line of exactly the limit is read, a longer one is refused, and the next one is read again', () => {
  const splitter = new LineSplitter(4)
  const lines = [...splitter.push(Buffer.from('abcd\nabc')), ...splitter.push(Buffer.from('de\nok\n'))]
  assert.equal(lines, [
    { number: 1, text: 'abcd' },
    { number: 2, fault: 'the line is longer than 4 bytes' },
    { number: 3, text: 'ok' },
  ])
})

test('bytes that are not UTF-8 are refused, not replaced', () => {
  const [line] = new LineSplitter(10).push(Buffer.from([0xff, 0x0a]))
  assert.equal(line, { number: 1, fault: 'the line is not UTF-8' })
})

const MALFORMED = [
  'x',
  '[]',
  'null',
  '{}',
  '{"op":"format"}',
  '{"op":"plug","target":{"pid":1},"colour":"red"}',
  '{"op":"plug"}',
  '{"op":"plug","target":{"pid":"1"}}',
  '{"op":"plug","target":{"pid":1,"netns":"a"}}',
  '{"op":"plug","target":{"pid":1},"slot":1.5}',
  '{"op":"plug","target":{"pid":1},"slot":0}',
  '{"op":"unplug"}',
  '{"op":"unplug","slot":"1"}',
  '{"op":"create-vswitch","subnet":24}',
  '{"op":"delete-vswitch"}',
]

for (const text of MALFORMED) {
  test(`is no operation: ${text}`, () => {
    const parsed = parseOperation(text)
    assert.is('error' in parsed && parsed.error.code, 'USAGE')
  })
}

test('an id is found even in a line that is no operation', () => {
  assert.is(parseOperation('{"op":"format","id":7}').id, 7)
  assert.is(parseOperation('{"op":"ls","id":"a"}').id, 'a')
  assert.is(parseOperation('{"op":"ls","id":{}}').id, undefined)
})

function queued(...texts: string[]): Item[] {
  return texts.map((text, index) => ({ line: index + 1, ...parseOperation(text) }))
}

function groups(queue: Item[], most: number): number[][] {
  const all: number[][] = []
  for (let group = takeGroup(queue, most); group !== undefined; group = takeGroup(queue, most)) {
    all.push(group.items.map((item) => item.line))
  }
  return all
}

test('what follows each other on one vswitch is done together, and nothing overtakes', () => {
  const plug = '{"op":"plug","vswitch":"a","target":{"pid":1}}'
  const elsewhere = '{"op":"plug","vswitch":"b","target":{"pid":1}}'
  const unplug = (slot: number): string => `{"op":"unplug","vswitch":"a","slot":${slot}}`
  const queue = queued(plug, plug, elsewhere, plug, 'x', plug, unplug(1), unplug(2), unplug(1), '{"op":"ls"}')
  assert.equal(groups(queue, 64), [[1, 2], [3], [4], [5], [6], [7, 8], [9], [10]])
  assert.equal(groups(queued(plug, plug, plug), 2), [[1, 2], [3]])
})

test('one result a line, in the order of the operations, and bad lines do not stop the good ones', async () => {
  const world = new FakeWorld()
  const stdin = [
    '{"op":"create-vswitch","subnet":"10.0.0.254/24","id":1}',
    '{"op":"plug","target":{"netns":"a"},"slot":1,"id":2}',
    '{"op":"plug","target":{"netns":"b"},"slot":1,"id":3}',
    'not JSON',
    '',
    '{"op":"unplug","slot":1,"id":5}',
    '{"op":"ls","id":6}',
    '{"op":"delete-vswitch","name":"br0","id":7}',
  ].join('\n')
  const { status, stdout } = await cli(['batch'], { world: world.asWorld(), stdin })
  assert.is(status, 1)
  const lines = results(stdout)
  assert.equal(
    lines.map(({ ok, id }) => [ok, id]),
    [
      [true, 1],
      [true, 2],
      [false, 3],
      [false, undefined],
      [true, 5],
      [true, 6],
      [true, 7],
    ],
  )
  assert.equal(lines[2]?.line, 3)
  assert.equal(lines[3]?.line, 4)
  assert.match(JSON.stringify(lines[3]), '"code":"USAGE"')
  assert.equal(world.calls, ['create bridge br0 10.0.0.254/24', 'plug br0 1,1', 'unplug br0 1', 'delete br0'])
})

test('operations that arrive together are done in bulk, at most 64 at once', async () => {
  const world = new FakeWorld('br0')
  const plug = (slot: number): string => `{"op":"plug","vswitch":"br0","target":{"pid":1},"slot":${slot}}\n`
  const stdin = Array.from({ length: 100 }, (_, index) => plug(index + 1)).join('')
  const { status, stdout } = await cli(['batch'], { world: world.asWorld(), stdin })
  assert.is(status, 0)
  assert.is(results(stdout).length, 100)
  assert.equal(
    world.calls.map((call) => call.split(',').length),
    [64, 36],
  )
})

test('an operation is done when it arrives, not when the input ends', async () => {
  const world = new FakeWorld('br0')
  const stdin = new PassThrough()
  const running = cli(['batch'], { world: world.asWorld(), stdin })
  stdin.write('{"op":"plug","target":{"pid":1},"slot":1}\n')
  while (world.calls.length === 0) await new Promise((resolve) => setImmediate(resolve))
  stdin.end('{"op":"unplug","slot":1}')
  assert.is((await running).status, 0)
  assert.equal(world.calls, ['plug br0 1', 'unplug br0 1'])
})

test('when a signal comes, what was not done says that it was cancelled', async () => {
  const world = new FakeWorld('br0')
  const controller = new AbortController()
  const stdin = new PassThrough()
  const running = cli(['batch'], { world: world.asWorld(), stdin, signal: controller.signal })
  stdin.write('{"op":"plug","target":{"pid":1},"slot":1}\n')
  while (world.calls.length === 0) await new Promise((resolve) => setImmediate(resolve))
  controller.abort(new Interruption('SIGINT'))
  const { status, stdout } = await running
  assert.is(status, 130)
  assert.is(results(stdout).length, 1)
  assert.ok(world.closed)
})

test('a file that cannot be read is one clear message', async () => {
  const { status, stderr } = await cli(['batch', '/nonexistent/file'], { world: new FakeWorld().asWorld() })
  assert.is(status, 2)
  assert.match(stderr, '/nonexistent/file cannot be read')
})

test.run()
