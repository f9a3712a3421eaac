import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { EcdockError } from '../../src/errors.js'
import { decodeFlows } from '../../src/openflow/flow-stats.js'
import { MessageFramer } from '../../src/openflow/framing.js'
import { speaksOurVersion } from '../../src/openflow/hello.js'
import { encodeMessage, type Message, TYPE } from '../../src/openflow/message.js'
import { decodeFeatures, decodePorts } from '../../src/openflow/port.js'
import { describeRefusal } from '../../src/openflow/refusal.js'
import { decodeStatsReply } from '../../src/openflow/stats.js'

const FIRST = encodeMessage({ type: TYPE.hello, body: Buffer.alloc(0) }, 1)
const SECOND = encodeMessage({ type: TYPE.echoRequest, body: Buffer.from('what is heard') }, 0xffffffff)
const STREAM = Buffer.concat([FIRST, SECOND, FIRST])

function text({ version, type, xid, body }: Message): string {
  return `${version} ${type} ${xid} ${body}`
}

const MESSAGES = ['1 0 1 ', '1 2 4294967295 what is heard', '1 0 1 ']

test('messages come out whole, wherever the stream is cut', () => {
  for (let cut = 0; cut <= STREAM.length; cut++) {
    const framer = new MessageFramer()
    const messages = [...framer.push(STREAM.subarray(0, cut)), ...framer.push(STREAM.subarray(cut))]
    assert.equal(messages.map(text), MESSAGES)
    assert.not(framer.unfinished)
  }
})

test('messages come out whole when the stream comes byte by byte', () => {
  const framer = new MessageFramer()
  const messages = [...STREAM].flatMap((byte) => framer.push(Uint8Array.of(byte)))
  assert.equal(messages.map(text), MESSAGES)
})

test('a message that has not ended is held back', () => {
  const framer = new MessageFramer()
  assert.is(framer.push(STREAM.subarray(0, STREAM.length - 1)).length, 2)
  assert.ok(framer.unfinished)
})

test('the longest message that there can be passes', () => {
  const framer = new MessageFramer()
  const [message] = framer.push(encodeMessage({ type: 10, body: Buffer.alloc(65527, 'x') }, 9))
  assert.is(message?.body.length, 65527)
})

test('a message shorter than its header is refused', () => {
  for (let length = 0; length < 8; length++) {
    const framer = new MessageFramer()
    const header = Uint8Array.of(1, 2, 0, length, 0, 0, 0, 1)
    assert.throws(
      () => framer.push(header),
      (error: unknown) => error instanceof EcdockError && error.code === 'OPENFLOW_PROTOCOL',
    )
  }
})

test('what is read of one message does not change with the next', () => {
  const framer = new MessageFramer()
  const [message] = framer.push(SECOND)
  framer.push(encodeMessage({ type: TYPE.echoRequest, body: Buffer.from('overwritten!!') }, 5))
  assert.is(String(message?.body), 'what is heard')
})

test('no bytes whatever make a decoder throw anything but OPENFLOW_PROTOCOL', () => {
  const decoders: ((message: Message) => unknown)[] = [
    decodeFeatures,
    ({ body }) => decodePorts(body),
    ({ body }) => decodeFlows(body),
    (message) => decodeFlows(decodeStatsReply(1, message).rest),
    ({ version, body }) => speaksOurVersion(version, body),
    ({ body }) => describeRefusal(body),
    ({ body }) => new MessageFramer().push(body),
  ]
  const message = fc.record({
    version: fc.constantFrom(1, 4),
    type: fc.constantFrom(TYPE.featuresReply, TYPE.statsReply, TYPE.error),
    xid: fc.nat(),
    // Small numbers are likely to be lengths.
    body: fc
      .array(fc.oneof(fc.constantFrom(0, 1, 8, 16, 88, 96), fc.nat(255)), { maxLength: 400 })
      .map(Buffer.from),
  })
  fc.assert(
    fc.property(message, (message) => {
      for (const decode of decoders) {
        try {
          decode(message)
        } catch (error) {
          if (!(error instanceof EcdockError) || error.code !== 'OPENFLOW_PROTOCOL') throw error
        }
      }
    }),
    { numRuns: 1000 },
  )
})

test.run()
