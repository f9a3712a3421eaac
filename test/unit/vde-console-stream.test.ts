import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { EcdockError } from '../../src/errors.js'
import { type ConsoleItem, ConsoleReader } from '../../src/vde/console-stream.js'
import {
  readEvent,
  readHash,
  readPortSettings,
  readPorts,
  readSwitchInfo,
} from '../../src/vde/console-tables.js'

/** As vde_switch 2.3.2 has printed it. */
const PORTS = [
  'Port 0001 untagged_vlan=0000 ACTIVE - Unnamed Allocatable',
  ' Current User: root Access Control: (User: NONE - Group: NONE)',
  ' IN:  pkts          3          bytes                  180',
  ' OUT: pkts      12345          bytes              9876543',
  '  -- endpoint ID 0003 module unix prog   : vdeplug: user=root pid=29017',
  'Port 0009 untagged_vlan=0007 INACTIVE - NOT Unnamed Allocatable',
  ' Current User: NONE Access Control: (User: alice - Group: lab)',
]
const STREAM = Buffer.from(
  [
    'VDE switch V.2.3.2\n(C) Virtual Square Team (coord. R. Davoli) 2005,2006,2007 - GPLv2\n\nvde$ ',
    `0000 DATA END WITH '.'\n${PORTS.join('\n')}\n.\n1000 Success\n\nvde$ `,
    '1000 Success\n\nvde$ 3021 port/+ 02\n3031 port/ep/+ Port 02 FD  8\n',
    '3023 port/descr Port 02 FD  8 -> "vdeplug: user=root pid=29242"\n',
    '1038 Function not implemented\n\nvde$ 9999 END OF SESSION',
  ].join(''),
)
const BANNER = ['VDE switch V.2.3.2', '(C) Virtual Square Team (coord. R. Davoli) 2005,2006,2007 - GPLv2']
const ITEMS: ConsoleItem[] = [
  { kind: 'banner', lines: BANNER },
  { kind: 'answer', answer: { lines: PORTS, code: 0, message: 'Success' } },
  { kind: 'answer', answer: { lines: [], code: 0, message: 'Success' } },
  { kind: 'event', code: 3021, text: 'port/+ 02' },
  { kind: 'event', code: 3031, text: 'port/ep/+ Port 02 FD  8' },
  { kind: 'event', code: 3023, text: 'port/descr Port 02 FD  8 -> "vdeplug: user=root pid=29242"' },
  { kind: 'answer', answer: { lines: [], code: 38, message: 'Function not implemented' } },
  { kind: 'end' },
]

test('the stream is read alike wherever it is cut', () => {
  for (let cut = 0; cut <= STREAM.length; cut++) {
    const reader = new ConsoleReader()
    const items = [...reader.push(STREAM.subarray(0, cut)), ...reader.push(STREAM.subarray(cut))]
    assert.equal([...items, ...reader.end()], ITEMS, `cut at ${cut}`)
  }
})

test('the stream is read alike when it comes byte by byte', () => {
  const reader = new ConsoleReader()
  const items = [...STREAM].flatMap((byte) => reader.push(Uint8Array.of(byte)))
  assert.equal([...items, ...reader.end()], ITEMS)
})

for (const [what, bytes] of Object.entries({
  'a line without end': 'x'.repeat(20_000),
  'a long line': `${'x'.repeat(20_000)}\n`,
  'a line that has no code': 'vde$ hello\n',
  'a code that there is not': 'vde$ 2000 what?\n',
  'a prompt without an answer': 'vde$ \nvde$ ',
  'two results': 'vde$ 1000 Success\n1000 Success\n',
  'a description that passes for an end, and what follows it': `vde$ 0000 DATA END WITH '.'\n x: \n.\n1000 Success\n\nvde$ ' rest\n`,
  'data twice': "vde$ 0000 DATA END WITH '.'\nx\n.\n0000 DATA END WITH '.'\n",
})) {
  test(`${what} is refused`, () => {
    const reader = new ConsoleReader()
    assert.throws(
      () => reader.push(Buffer.from(bytes)),
      (error: unknown) => error instanceof EcdockError && error.code === 'VDE_PROTOCOL',
    )
  })
}

test('an answer without end is refused in bounded memory, and events without end are not', () => {
  const chunk = Buffer.from('y'.repeat(999).concat('\n').repeat(1000))
  const reader = new ConsoleReader()
  reader.push(Buffer.from("vde$ 0000 DATA END WITH '.'\n"))
  let chunks = 0
  assert.throws(
    () => {
      for (; chunks < 1000; chunks++) reader.push(chunk)
    },
    (error: unknown) => error instanceof EcdockError && error.code === 'VDE_PROTOCOL',
  )
  assert.ok(chunks < 100)

  const watching = new ConsoleReader()
  watching.push(Buffer.from('vde$ '))
  const events = Buffer.from(`3021 port/+ ${'0'.repeat(900)}\n`.repeat(1000))
  for (let at = 0; at < 100; at++) assert.is(watching.push(events).length, 1000)
})

test('no bytes at all do more than refuse', () => {
  const pieces = fc.constantFrom('vde$ ', '\n', '.', '0000 ', '1000 ', '3021 ', '9999 ', 'x', '\0', 'ü')
  fc.assert(
    fc.property(fc.array(fc.oneof(pieces, fc.string()), { maxLength: 40 }), (chunks) => {
      const reader = new ConsoleReader()
      try {
        for (const chunk of chunks) reader.push(Buffer.from(chunk))
      } catch (error) {
        assert.is((error as EcdockError).code, 'VDE_PROTOCOL')
      }
    }),
  )
})

test('the table of ports is read', () => {
  assert.equal(readPorts(PORTS), [
    {
      port: 1,
      untaggedVlan: 0,
      active: true,
      allocatable: true,
      currentUser: 'root',
      allowedUser: 'NONE',
      allowedGroup: 'NONE',
      in: { packets: 3, bytes: 180 },
      out: { packets: 12345, bytes: 9876543 },
      endpoints: [{ id: 3, module: 'unix prog', description: 'vdeplug: user=root pid=29017' }],
    },
    {
      port: 9,
      untaggedVlan: 7,
      active: false,
      allocatable: false,
      currentUser: 'NONE',
      allowedUser: 'alice',
      allowedGroup: 'lab',
      endpoints: [],
    },
  ])
  assert.equal(readPorts([]), [])
  assert.equal(readPorts([' IN:  pkts 1 bytes 2', 'something else']), [])
})

test('showinfo, port/showinfo and hash/print are read', () => {
  const info = [
    ...BANNER,
    '',
    'pid 27726 MAC 00:ff:9c:1a:62:12 uptime 13',
    'mgmt /tmp/vde try/mgmt perm 0600',
  ]
  assert.equal(readSwitchInfo(info), {
    version: '2.3.2',
    pid: 27726,
    mac: '00:ff:9c:1a:62:12',
    uptimeSeconds: 13,
    mgmt: '/tmp/vde try/mgmt',
  })
  assert.throws(() => readSwitchInfo([]), /showinfo/)
  assert.equal(readPortSettings(['Numports=40', 'HUB=false', 'counters=true']), { maxPorts: 40, hub: false })
  assert.throws(() => readPortSettings(['HUB=true']), /port\/showinfo/)
  assert.equal(
    readHash(['Hash: 0042 Addr: 52:00:0a:00:00:01 VLAN 0007 to port: 003  age 12 secs', 'something else']),
    [{ mac: '52:00:0a:00:00:01', vlan: 7, port: 3, ageSeconds: 12 }],
  )
})

test('events are told apart', () => {
  assert.equal(readEvent(3021, 'port/+ 02'), { type: 'port-added', port: 2 })
  assert.equal(readEvent(3022, 'port/- 02'), { type: 'port-removed', port: 2 })
  assert.equal(readEvent(3031, 'port/ep/+ Port 02 FD  8'), { type: 'endpoint-added', port: 2, id: 8 })
  assert.equal(readEvent(3032, 'port/ep/- Port 02 FD 18'), { type: 'endpoint-removed', port: 2, id: 18 })
  assert.equal(readEvent(3023, 'port/descr Port 02 FD  8 -> "a "quoted" one"'), {
    type: 'described',
    port: 2,
    id: 8,
    description: 'a "quoted" one',
  })
  assert.equal(readEvent(3021, 'odd'), { type: 'other', code: 3021, text: 'odd' })
})

test.run()
