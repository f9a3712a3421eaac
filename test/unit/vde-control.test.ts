import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Control, type SwitchEvent } from '../../src/vde/control.js'
import { ControlReader, encodeControl } from '../../src/vde/control-message.js'
import { refusal } from '../support/refusal.js'

const PORT =
  'port n=3 kind=tap label=a%20label%20%C3%A4 name=vde0 rx-packets=1 rx-bytes=60 tx-packets=2 tx-bytes=120 drops=0 ' +
  'queued=0 offload=1'

test('what is written is read, in pieces of any size', () => {
  const values = fc.dictionary(fc.stringMatching(/^[a-z][a-z-]{0,10}$/), fc.string({ unit: 'grapheme' }))
  const pieces = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 })
  fc.assert(
    fc.property(values, pieces, (fields, sizes) => {
      const bytes = Buffer.from(encodeControl('list', fields) + encodeControl('status'), 'latin1')
      const reader = new ControlReader()
      const messages = []
      for (let at = 0, index = 0; at < bytes.length; index++) {
        const size = sizes[index % sizes.length] ?? 1
        messages.push(...reader.push(bytes.subarray(at, at + size)))
        at += size
      }
      const read = messages.map(({ word, fields }) => [word, Object.fromEntries(fields)])
      assert.equal(read, [
        ['list', { ...fields }],
        ['status', {}],
      ])
    }),
  )
})

test('questions are answered in their order, and events come in between', async () => {
  const answers = [
    'ok\n',
    `event port-added n=3 kind=tap label=x name=vde0\n${PORT}\nok\n`,
    'error code=ENXIO message=nothing%20is%20there\nevent port-removed n=3 reason=unplugged\nevent later x=1\n',
  ]
  await withSwitch(answers, async (control) => {
    const events: SwitchEvent[] = []
    const [, ports, refused] = await Promise.all([
      control.watch((event) => events.push(event)),
      control.list(),
      refusal(control.unplug(3), 'VDE_REFUSED'),
    ])
    assert.equal([ports[0]?.port, ports[0]?.label, ports[0]?.offload], [3, 'a label ä', true])
    assert.equal([refused.errno, /nothing is there/.test(refused.message)], ['ENXIO', true])
    assert.equal(events, [
      { event: 'port-added', port: 3, kind: 'tap', label: 'x', name: 'vde0' },
      { event: 'port-removed', port: 3, reason: 'unplugged' },
    ])
  })
})

test('a switch that goes away leaves no question without an answer', async () => {
  await withSwitch(['', 'hang up'], async (control) => {
    const asked = [control.status(), control.list()]
    for (const question of asked) await refusal(question, 'VDE_LOST')
    await control.closed
    await refusal(control.status(), 'VDE_LOST')
  })
})

test('nonsense ends the connection', async () => {
  for (const nonsense of ['port\nok\n', 'ok =\n', `ok ${'x'.repeat(9000)}`, 'ok pid=many\n']) {
    await withSwitch([nonsense], async (control) => {
      const asked = nonsense.startsWith('ok pid') ? control.status() : control.list()
      await refusal(asked, 'VDE_PROTOCOL')
    })
  }
})

test('a switch that says nothing is waited for only so long', async () => {
  await withSwitch(
    [''],
    async (control) => {
      await refusal(control.status(), 'TIMEOUT')
    },
    50,
  )
})

test('where nobody listens there is no switch', async () => {
  await refusal(Control.connect(join(tmpdir(), 'nobody-here')), 'VDE_UNREACHABLE')
})

/** A socket that gives these answers, one for each line that it gets. */
async function withSwitch(
  answers: readonly string[],
  body: (control: Control) => Promise<void>,
  timeoutMs = 5000,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'ecdock-control-'))
  const path = join(directory, 'control')
  const left = [...answers]
  const server = net.createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      for (let lines = String(chunk).split('\n').length - 1; lines > 0; lines--) {
        const answer = left.shift()
        if (answer === 'hang up') socket.destroy()
        else socket.write(answer ?? '')
      }
    })
  })
  server.listen(path)
  await once(server, 'listening')
  const control = await Control.connect(path, { timeoutMs })
  try {
    await body(control)
  } finally {
    control.close()
    server.close()
    await rm(directory, { recursive: true })
  }
}

test.run()
