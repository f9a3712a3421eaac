import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseSubnet } from '../../src/addressing/subnet.js'
import { EcdockError, type ErrorCode } from '../../src/errors.js'
import { checkNetnsName } from '../../src/kernel/netns-name.js'
import {
  checkIfname,
  checkVswitchName,
  hostIfname,
  slotOfHostIfname,
  vswitchNetns,
} from '../../src/vswitch/names.js'

function refuses(code: ErrorCode, words: RegExp, run: () => unknown): void {
  try {
    run()
  } catch (error) {
    assert.instance(error, EcdockError)
    if (!(error instanceof EcdockError)) return
    assert.is(error.code, code, error.message)
    assert.match(error.message, words)
    assert.type(error.hint, 'string')
    return
  }
  assert.unreachable(`was not refused with ${code}`)
}

const subnet = parseSubnet('10.0.0.254/24')

test("a vswitch's name leaves room for the highest slot in its interfaces' names", () => {
  checkVswitchName('ovs0', subnet)
  checkVswitchName('Lab_1.a-b', subnet)
  checkVswitchName('abcdefghij', subnet)
  refuses('NAME_INVALID', /has 11 characters and may have 10.*NAME-s254/, () =>
    checkVswitchName('abcdefghijk', subnet),
  )
  checkVswitchName('abcdefghijkl', parseSubnet('10.0.0.1/30'))
  checkVswitchName('abcde', parseSubnet('10.0.0.1/8'))
  refuses('NAME_INVALID', /may have 5/, () => checkVswitchName('abcdef', parseSubnet('10.0.0.1/8')))
})

test('a vswitch name of anything but plain letters, digits and . _ - is refused', () => {
  for (const name of ['', '0ovs', '-ovs', '.', '..', 'a b', 'a/b', 'a:b', 'a%d', 'ö', 'a\n', 'a;b', '$(x)']) {
    refuses('NAME_INVALID', /begin with a letter/, () => checkVswitchName(name, subnet))
  }
  refuses('NAME_INVALID', /proc\/sys\/net/, () => checkVswitchName('default', subnet))
})

test('an accepted vswitch name makes interface and namespace names that are accepted too', () => {
  const names = fc.stringMatching(/^[A-Za-z][A-Za-z0-9._-]{0,9}$/)
  fc.assert(
    fc.property(names, fc.integer({ min: 1, max: 254 }), (name, slot) => {
      if (name === 'all' || name === 'default') return
      checkVswitchName(name, subnet)
      checkIfname(name)
      checkIfname(hostIfname(name, slot))
      checkNetnsName(vswitchNetns(name))
      assert.is(slotOfHostIfname(name, hostIfname(name, slot)), slot)
    }),
  )
})

test("an interface name follows the kernel's rules", () => {
  for (const name of ['eth0', 'a', 'abcdefghijklmno', 'wlan@home', 'ovs0-s7', '...']) checkIfname(name)
  refuses('IFNAME_INVALID', /empty/, () => checkIfname(''))
  refuses('IFNAME_INVALID', /has 16 bytes and may have 15/, () => checkIfname('abcdefghijklmnop'))
  refuses('IFNAME_INVALID', /has 16 bytes/, () => checkIfname('öööööööö'))
  refuses('IFNAME_INVALID', /directory/, () => checkIfname('.'))
  refuses('IFNAME_INVALID', /directory/, () => checkIfname('..'))
  refuses('IFNAME_INVALID', /proc\/sys\/net/, () => checkIfname('all'))
  for (const name of ['a b', 'a\tb', 'a\n', 'a\0', 'eth\u00a00', 'ö']) {
    refuses('IFNAME_INVALID', /printable ASCII/, () => checkIfname(name))
  }
  for (const name of ['a/b', 'eth0:1', 'eth%d']) refuses('IFNAME_INVALID', /holds a/, () => checkIfname(name))
})

test('the host side of a port is called after its vswitch and slot', () => {
  assert.is(hostIfname('ovs0', 7), 'ovs0-s7')
  assert.is(slotOfHostIfname('ovs0', 'ovs0-s7'), 7)
  for (const name of [
    'ovs0',
    'ovs0-s',
    'ovs0-s0',
    'ovs0-s07',
    'ovs0-s7x',
    'ovs0-s-7',
    'ovs00-s7',
    'ovs0-s7-s1',
  ]) {
    assert.is(slotOfHostIfname('ovs0', name), undefined, name)
  }
})

test('a namespace name is one file name', () => {
  assert.is(vswitchNetns('br0'), 'ecdock-br0')
  for (const name of ['blue', 'node 1', 'ñ', '-', 'x'.repeat(64)]) checkNetnsName(name)
  refuses('NAME_INVALID', /empty/, () => checkNetnsName(''))
  refuses('NAME_INVALID', /directory/, () => checkNetnsName('.'))
  refuses('NAME_INVALID', /directory/, () => checkNetnsName('..'))
  refuses('NAME_INVALID', /holds a "\/"/, () => checkNetnsName('../etc'))
  refuses('NAME_INVALID', /has 65 bytes/, () => checkNetnsName('x'.repeat(65)))
  refuses('NAME_INVALID', /printed/, () => checkNetnsName('a\0b'))
  refuses('NAME_INVALID', /printed/, () => checkNetnsName('a\nb'))
})

test.run()
