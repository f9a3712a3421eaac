import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { EcdockError } from '../../src/errors.js'
import { type FramerLimits, JsonFramer } from '../../src/ovsdb/framing.js'

const MESSAGES = [
  { id: 0, method: 'echo', params: [] },
  {
    result: [{ text: 'a "quoted" \\ brace } ] { [' }, ['set', ['ü', '汉字', '🧪', '\u0001']]],
    id: 1,
    error: null,
  },
  [[], {}, [[[{}]]]],
  { '': '\\\\"' },
]

function refusal(action: () => unknown): EcdockError {
  try {
    action()
  } catch (error) {
    return error as EcdockError
  }
  throw new Error('it should have been refused')
}

function refused(text: string | Buffer, limits?: FramerLimits): string {
  const error = refusal(() => new JsonFramer(limits).push(Buffer.from(text)))
  assert.is(error.code, 'OVSDB_PROTOCOL')
  return error.message
}

test('a stream that is cut at any byte gives the same messages', () => {
  const stream = Buffer.from(MESSAGES.map((message) => JSON.stringify(message)).join(' \r\n\t'))
  for (let cut = 0; cut <= stream.length; cut++) {
    const framer = new JsonFramer()
    const values = [...framer.push(stream.subarray(0, cut)), ...framer.push(stream.subarray(cut))]
    assert.equal(values, MESSAGES, `cut at byte ${cut}`)
    assert.not(framer.unfinished)
    assert.is(framer.heldBytes, 0)
  }
})

test('a stream that comes byte by byte gives the same messages', () => {
  const framer = new JsonFramer()
  const stream = Buffer.from(MESSAGES.map((message) => JSON.stringify(message, null, 2)).join(''))
  assert.equal(
    Array.from(stream).flatMap((byte) => framer.push(Uint8Array.of(byte))),
    MESSAGES,
  )
})

test('any JSON objects, written together and cut anywhere, come out as they went in', () => {
  const messages = fc.array(fc.dictionary(fc.string({ unit: 'binary' }), fc.json({ depthSize: 'small' })))
  fc.assert(
    fc.property(messages, fc.array(fc.nat()), (sent, cuts) => {
      const stream = Buffer.from(sent.map((message) => JSON.stringify(message)).join(''))
      const places = [...cuts.map((cut) => cut % (stream.length + 1)), stream.length].sort((a, b) => a - b)
      const framer = new JsonFramer()
      let start = 0
      const received = places.flatMap((place) => {
        const chunk = stream.subarray(start, place)
        start = place
        return framer.push(chunk)
      })
      assert.is(JSON.stringify(received), JSON.stringify(sent))
    }),
  )
})

test('a value that has not ended is held, and nothing else', () => {
  const framer = new JsonFramer()
  assert.equal(framer.push(Buffer.from('{"a":1} {"b":')), [{ a: 1 }])
  assert.ok(framer.unfinished)
  assert.is(framer.heldBytes, '{"b":'.length)
})

test('what is no JSON object or array is refused', () => {
  assert.match(refused('HTTP/1.1 400 Bad Request'), /not a JSON object/)
  assert.match(refused('"text"'), /not a JSON object/)
  assert.match(refused('{} 1'), /not a JSON object/)
  assert.match(refused('}'), /not a JSON object/)
  assert.match(refused('{"a":1]'), /malformed JSON/)
  assert.match(refused('{"a" 1}'), /malformed JSON/)
  assert.match(refused('{a:1}'), /malformed JSON/)
})

test('bytes that are not UTF-8 are refused', () => {
  assert.match(refused(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])), /not UTF-8/)
})

test('nesting is limited', () => {
  assert.equal(new JsonFramer({ maxDepth: 3 }).push(Buffer.from('[[[]]]')), [[[[]]]])
  assert.match(refused('[[[[', { maxDepth: 3 }), /deeper than 3/)
  assert.match(refused('['.repeat(200)), /deeper than 128/)
})

test('a message that is longer than the limit is refused, whole or in pieces', () => {
  const limits = { maxBytes: 100 }
  const fits = Buffer.from(`["${'x'.repeat(96)}"]`)
  assert.is(new JsonFramer(limits).push(fits).length, 1)
  assert.match(refused(`["${'x'.repeat(97)}"]`, limits), /longer than 100 bytes/)

  const framer = new JsonFramer(limits)
  framer.push(Buffer.from('["'))
  const error = refusal(() => {
    for (let count = 0; count < 1000; count++) framer.push(Buffer.from('xxxxxxx'))
  })
  assert.is(error.code, 'OVSDB_PROTOCOL')
  assert.ok(framer.heldBytes <= 100)
})

test('the limit holds for one message, not for the stream', () => {
  const framer = new JsonFramer({ maxBytes: 100 })
  for (let count = 0; count < 1000; count++) assert.is(framer.push(Buffer.from('{"a":1}')).length, 1)
})

test.run()
