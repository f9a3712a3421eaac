import { endianness } from 'node:os'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { EcdockError, type ErrorCode } from '../../src/errors.js'
import { encodeRequest, type PlugRequest, ReplyReader } from '../../src/vde/handshake.js'

/** Numbers in the machine's order, as the messages have them. */
const little = endianness() === 'LE'
const u32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  if (little) bytes.writeUInt32LE(value)
  else bytes.writeUInt32BE(value)
  return bytes
}
const AF_UNIX = little ? Buffer.from([1, 0]) : Buffer.from([0, 1])
const address = (path: string) => Buffer.concat([AF_UNIX, Buffer.from(path), Buffer.alloc(108 - path.length)])

const REQUEST: PlugRequest = { version: 3, port: undefined, path: '/tmp/c', description: 'a client' }
const MAGIC = u32(0xfeedface)

test('a request of version 3 is what libvdeplug sends, byte for byte', () => {
  const expected = Buffer.concat([MAGIC, u32(3), u32(0), address('/tmp/c'), Buffer.from('a client')])
  assert.is(expected.length, 122 + 8)
  assert.equal(encodeRequest(REQUEST), expected)
})

test('a request of version 1 has a MAC where version 3 has its number', () => {
  const expected = Buffer.concat([MAGIC, u32(0), Buffer.alloc(6), address('/tmp/c'), Buffer.from('a client')])
  assert.is(expected.length, 124 + 8)
  assert.equal(encodeRequest({ ...REQUEST, version: 1 }), expected)
})

test('the port that is wanted stands above the type', () => {
  const typeOf = (port: number) => encodeRequest({ ...REQUEST, port }).subarray(8, 12)
  assert.equal(typeOf(7), u32(7 << 8))
  assert.equal(typeOf(65535), u32(65535 << 8))
  assert.equal(typeOf(0), u32(1))
})

test('the longest path and the longest description fit', () => {
  const path = `/${'p'.repeat(106)}`
  const request = encodeRequest({ ...REQUEST, path, description: 'd'.repeat(127) })
  assert.is(request.length, 249)
  assert.is(request.subarray(14, 121).toString(), path)
  assert.is(request[121], 0)
})

for (const [what, change] of Object.entries({
  'a path without room for its end': { path: `/${'p'.repeat(107)}` },
  'an empty path': { path: '' },
  'a path with a zero': { path: '/tmp/a\0b' },
  'a description that is too long': { description: 'd'.repeat(128) },
  'a description that is too long in bytes': { description: 'ü'.repeat(64) },
  'a description of two lines': { description: 'a\n.\n1000 Success' },
  'a port below zero': { port: -1 },
  'a port that is none': { port: 1.5 },
  'a port above all': { port: 65536 },
})) {
  test(`${what} is refused`, () => refuses('USAGE', () => encodeRequest({ ...REQUEST, ...change })))
}

const REPLY = address('/run/vde/lab/003.17')

test('the reply tells the path, wherever it is cut', () => {
  for (let cut = 0; cut <= REPLY.length; cut++) {
    const reader = new ReplyReader()
    const first = reader.push(REPLY.subarray(0, cut))
    assert.is(first, cut === REPLY.length ? '/run/vde/lab/003.17' : undefined)
    assert.is(reader.unfinished, cut > 0 && cut < REPLY.length)
    if (cut < REPLY.length) assert.is(reader.push(REPLY.subarray(cut)), '/run/vde/lab/003.17')
  }
})

test('the reply tells the path when it comes byte by byte', () => {
  const reader = new ReplyReader()
  const told = [...REPLY].map((byte) => reader.push(Uint8Array.of(byte)))
  assert.equal(told.slice(0, -1), new Array(109).fill(undefined))
  assert.is(told.at(-1), '/run/vde/lab/003.17')
})

test('a path that fills the address needs no zero behind it', () => {
  const path = `/${'p'.repeat(107)}`
  assert.is(new ReplyReader().push(address(path)), path)
})

for (const [what, bytes] of Object.entries({
  'more than a reply': Buffer.concat([REPLY, Buffer.from([0])]),
  'another family': Buffer.concat([Buffer.from([2, 2]), REPLY.subarray(2)]),
  'a path that is not absolute': address('tmp/x'),
  'an empty path': address(''),
})) {
  test(`${what} is refused`, () => refuses('VDE_PROTOCOL', () => new ReplyReader().push(bytes)))
}

test('no bytes at all do more than refuse', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 130 }), { maxLength: 4 }), (chunks) => {
      const reader = new ReplyReader()
      try {
        for (const chunk of chunks) reader.push(chunk)
      } catch (error) {
        assert.is((error as EcdockError).code, 'VDE_PROTOCOL')
      }
    }),
  )
})

function refuses(code: ErrorCode, action: () => unknown): void {
  assert.throws(action, (error: unknown) => error instanceof EcdockError && error.code === code)
}

test.run()
