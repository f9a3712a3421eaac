import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DEFAULT_DETACH_KEYS, DetachFilter, parseDetachKeys } from '../../src/docker/detach-keys.js'
import { EcdockError } from '../../src/errors.js'

const CTRL_P = 0x10
const CTRL_Q = 0x11

test('keys are written as docker attach writes them', () => {
  assert.equal([...parseDetachKeys(DEFAULT_DETACH_KEYS)], [CTRL_P, CTRL_Q])
  assert.equal([...parseDetachKeys('ctrl-a')], [1])
  assert.equal([...parseDetachKeys('ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_')], [0, 27, 28, 29, 30, 31])
  assert.equal([...parseDetachKeys('a,b,DEL')], [97, 98, 127])
})

for (const keys of ['', 'ab', 'ctrl-', 'ctrl-1', 'ctrl-ab', 'a,', 'é', Array(17).fill('a').join(',')]) {
  test(`${JSON.stringify(keys.slice(0, 20))} is no sequence of keys`, () => {
    assert.throws(
      () => parseDetachKeys(keys),
      (error: unknown) => error instanceof EcdockError && error.code === 'USAGE',
    )
  })
}

test('what is typed goes to the container until the sequence is complete', () => {
  const filter = new DetachFilter(parseDetachKeys('ctrl-p,ctrl-q'))
  assert.equal(type(filter, 'ls\r'), { text: 'ls\r', detach: false })
  assert.equal(type(filter, 'ls\x10\x11more'), { text: 'ls', detach: true })
})

test('the sequence is seen across chunks, and a key that does not go on is handed over late', () => {
  const filter = new DetachFilter(parseDetachKeys('ctrl-p,ctrl-q'))
  assert.equal(type(filter, 'a\x10'), { text: 'a', detach: false })
  assert.equal(type(filter, 'b'), { text: '\x10b', detach: false })
  assert.equal(type(filter, '\x10'), { text: '', detach: false })
  assert.equal(type(filter, '\x10'), { text: '\x10', detach: false })
  assert.equal(type(filter, '\x11'), { text: '', detach: true })
})

test('a sequence that begins inside a false start of itself is seen', () => {
  const filter = new DetachFilter(parseDetachKeys('a,a,b'))
  assert.equal(type(filter, 'aaab'), { text: 'a', detach: true })
})

test('however it is cut, what reaches the container is all up to the first sequence', () => {
  const keys = fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 4 })
  const typed = fc.array(fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 5 }), { maxLength: 8 })
  fc.assert(
    fc.property(keys, typed, (sequence, chunks) => {
      const filter = new DetachFilter(parseDetachKeys(sequence.join(',')))
      let forwarded = ''
      let detached = false
      for (const chunk of chunks) {
        if (detached) break
        const { text, detach } = type(filter, chunk.join(''))
        forwarded += text
        detached = detach
      }
      const all = chunks.flat().join('')
      const found = all.indexOf(sequence.join(''))
      assert.is(detached, found >= 0)
      if (detached) assert.is(forwarded, all.slice(0, found))
      else assert.ok(all.startsWith(forwarded) && all.length - forwarded.length < sequence.length)
    }),
  )
})

function type(filter: DetachFilter, text: string): { text: string; detach: boolean } {
  const { forward, detach } = filter.push(Buffer.from(text, 'latin1'))
  return { text: Buffer.from(forward).toString('latin1'), detach }
}

test.run()
