import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { vswitchOptions } from '../../src/cli/commands/create-vswitch.js'
import { exitStatus } from '../../src/cli/exit-status.js'
import { Interruption } from '../../src/cli/io.js'
import { parseSlot, parseSlots, parseWhole } from '../../src/cli/values.js'
import { EcdockError, ERROR_CODES } from '../../src/errors.js'

function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (error instanceof EcdockError) return error.code
    throw error
  }
  return 'nothing thrown'
}

test('a slot is written in decimal digits and in no other way', () => {
  assert.is(parseSlot('1'), 1)
  assert.is(parseSlot('16777214'), 16_777_214)
  for (const text of [
    '',
    '0',
    '-1',
    '+1',
    '01',
    '1x',
    'x1',
    '1e3',
    '0x1',
    '1.0',
    ' 1',
    '1 ',
    '١',
    '999999999',
  ]) {
    assert.is(
      codeOf(() => parseSlot(text)),
      'SLOT_INVALID',
      text,
    )
  }
})

test('slots come as numbers and ranges, each slot once, in the order given', () => {
  assert.equal(parseSlots(['3', '5-8', '6']), [3, 5, 6, 7, 8])
  assert.equal(parseSlots(['4-4']), [4])
  for (const text of ['8-5', '-5', '5-', '1-2-3', '-', '1-x', '0-3']) {
    assert.is(
      codeOf(() => parseSlots([text])),
      'SLOT_INVALID',
      text,
    )
  }
})

test('a range that would fill the memory is refused', () => {
  assert.is(
    codeOf(() => parseSlots(['1-16777214'])),
    'SLOT_INVALID',
  )
  assert.is(
    codeOf(() => parseSlots(['1-40000', '50000-90000'])),
    'SLOT_INVALID',
  )
  assert.is(parseSlots(['1-65536']).length, 65_536)
})

test('a whole number keeps to its limits', () => {
  assert.is(parseWhole('68', 'MTU', 68, 65_535), 68)
  for (const text of ['67', '65536', '1e3', '-68', '', '9999999999']) {
    assert.is(
      codeOf(() => parseWhole(text, 'MTU', 68, 65_535)),
      'USAGE',
      text,
    )
  }
})

test('create-vswitch tells NAME, CIDR and DEVICE apart by their form', () => {
  assert.equal(vswitchOptions(['10.0.0.254/24'], {}), {
    name: 'br0',
    kind: 'bridge',
    subnet: '10.0.0.254/24',
  })
  assert.equal(vswitchOptions(['lab', '10.0.0.254/24'], {}), {
    name: 'lab',
    kind: 'bridge',
    subnet: '10.0.0.254/24',
  })
  assert.equal(vswitchOptions(['10.0.0.254/24', 'eth1'], {}), {
    name: 'ovs0',
    kind: 'ovs',
    subnet: '10.0.0.254/24',
    device: 'eth1',
  })
  assert.equal(vswitchOptions(['ovs1', '10.0.0.254/24', 'eth1'], { usermode: true }, 'other'), {
    name: 'ovs1',
    kind: 'ovs',
    subnet: '10.0.0.254/24',
    usermode: true,
    device: 'eth1',
  })
  assert.equal(vswitchOptions(['10.0.0.254/24'], { kind: 'ovs', neighSuppress: true }), {
    name: 'ovs0',
    kind: 'ovs',
    subnet: '10.0.0.254/24',
    neighSuppress: true,
  })
  // What is wrong about a CIDR is the host's to say, in its own words.
  assert.is(vswitchOptions(['10.0.0.254'], {}).subnet, '10.0.0.254')
})

test('without NAME a vswitch is br0, ovs0, or what --vswitch says', () => {
  assert.is(vswitchOptions(['10.0.0.254/24'], { kind: 'ovs' }).name, 'ovs0')
  assert.is(vswitchOptions(['10.0.0.254/24'], { usermode: true }).name, 'ovs0')
  assert.is(vswitchOptions(['10.0.0.254/24'], {}, 'lab').name, 'lab')
})

test('create-vswitch refuses what contradicts itself', () => {
  assert.is(
    codeOf(() => vswitchOptions([], {})),
    'USAGE',
  )
  assert.is(
    codeOf(() => vswitchOptions(['br0'], {})),
    'USAGE',
  )
  assert.is(
    codeOf(() => vswitchOptions(['br0', '10.0.0.254/24', 'eth1', 'eth2'], {})),
    'USAGE',
  )
  assert.is(
    codeOf(() => vswitchOptions(['10.0.0.254/24', 'eth1'], { kind: 'bridge' })),
    'USAGE',
  )
  assert.is(
    codeOf(() => vswitchOptions(['10.0.0.254/24'], { kind: 'bridge', usermode: true })),
    'USAGE',
  )
})

test('create-vswitch says what to do about --socket-dir together with another kind', () => {
  const refused = (args: string[], flags: Parameters<typeof vswitchOptions>[1]) => {
    try {
      vswitchOptions(args, { ...flags, socketDir: '/run/lab' })
    } catch (error) {
      return error instanceof EcdockError ? `${error.message}. ${error.hint}` : String(error)
    }
    return ''
  }
  assert.is(
    refused(['10.0.0.254/24'], { kind: 'bridge' }),
    '--socket-dir names a VDE switch to plug into, and --kind bridge asks for another kind of vswitch. ' +
      'Leave out --socket-dir, or write --kind vde --socket-dir /run/lab without --kind bridge.',
  )
  assert.match(refused(['10.0.0.254/24'], { usermode: true }), /without --usermode/)
  assert.match(refused(['10.0.0.254/24', 'eth1'], {}), /without DEVICE eth1/)
  assert.is(refused(['10.0.0.254/24'], { kind: 'vde' }), '')
})

test('every error code has one of the documented exit statuses', () => {
  const statuses = new Map<number, string[]>()
  for (const code of ERROR_CODES) {
    const status = exitStatus(new EcdockError(code, 'test', 'test'))
    statuses.set(status, [...(statuses.get(status) ?? []), code])
  }
  assert.equal([...statuses.keys()].sort(), [1, 2, 3])
  assert.equal(statuses.get(3), [
    'PERMISSION',
    'ADDON_MISSING',
    'OVSDB_UNREACHABLE',
    'OPENFLOW_UNREACHABLE',
    'DOCKER_UNREACHABLE',
    'VDE_UNREACHABLE',
  ])
  assert.ok(statuses.get(2)?.includes('USAGE'))
})

test('what a signal has cancelled exits as shells expect it', () => {
  const error = new EcdockError('CANCELLED', 'plug', 'stopped')
  assert.is(exitStatus(error, AbortSignal.abort(new Interruption('SIGINT'))), 130)
  assert.is(exitStatus(error, AbortSignal.abort(new Interruption('SIGTERM'))), 143)
  assert.is(exitStatus(error), 1)
})

test.run()
