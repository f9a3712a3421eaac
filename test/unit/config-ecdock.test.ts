/** ecDock's own file of defaults: understood as far as nothing in it is to be executed. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseEcdockSettings } from '../../src/config/ecdock-settings.js'
import type { Settings } from '../../src/config/settings.js'
import { EcdockError } from '../../src/errors.js'

function refusal(parse: () => unknown): EcdockError {
  try {
    parse()
  } catch (error) {
    if (error instanceof EcdockError) return error
    throw error
  }
  throw new Error('it was not refused')
}

const ecdock = (text: string) => parseEcdockSettings(text, 'ecDock')

test("ecDock's file is understood as ecDock itself writes it", () => {
  const text = [
    '# Default settings for ecDock',
    '',
    '# The name of the default vswitch to operate on',
    'DEFAULT_VSWITCH=ovs0',
    '',
    '# The default slot to use when not specified with "-s" or "--slot="',
    'DEFAULT_SLOT= ',
    '',
    '# Default IPV6 prefix',
    'DEFAULT_IPV6_PREFIX=2001:db8',
    '',
  ].join('\n')
  assert.equal(ecdock(text), { settings: { vswitch: 'ovs0', ipv6Prefix: '2001:db8' }, ignored: [] })
})

test('assignments are read as a shell reads them, as far as nothing is to be expanded', () => {
  const cases: [line: string, settings: Settings][] = [
    ['DEFAULT_VSWITCH="ovs1"', { vswitch: 'ovs1' }],
    ["  export DEFAULT_VSWITCH='ovs1'   # which one", { vswitch: 'ovs1' }],
    ['DEFAULT_VSWITCH=ov"s"\'1\'', { vswitch: 'ovs1' }],
    ['DEFAULT_SLOT=3', { slot: 3 }],
    ['DEFAULT_SLOT="127"\r', { slot: 127 }],
    ['DEFAULT_SLOT=3\nDEFAULT_SLOT=4', { slot: 4 }],
    ['DEFAULT_SLOT=3\nDEFAULT_SLOT=""', {}],
    ['DEFAULT_IPV6_PREFIX=FD00:1', { ipv6Prefix: 'FD00:1' }],
    ['#DEFAULT_SLOT=3', {}],
  ]
  for (const [line, settings] of cases) assert.equal(ecdock(line).settings, settings, line)
})

test("variables that are not ecDock's are passed over, whatever they hold, and told", () => {
  const text = [
    'PATH=$PATH:/opt/ovs/bin',
    'STARTED=$(date)',
    'DEFAULT_SLOT=2',
    'QUIET="a $b \\" c"',
    'PATH=/bin',
  ]
  assert.equal(ecdock(text.join('\n')), { settings: { slot: 2 }, ignored: ['PATH', 'STARTED', 'QUIET'] })
})

const NOT_READ: [line: string, message: RegExp][] = [
  ['DEFAULT_VSWITCH=$(hostname)', /^ecDock, line 2: DEFAULT_VSWITCH: "\$\(hostname\)" is no plain value$/],
  ['DEFAULT_VSWITCH=$OTHER', /is no plain value/],
  ['DEFAULT_VSWITCH=`hostname`', /is no plain value/],
  ['DEFAULT_VSWITCH="ovs$N"', /is no plain value/],
  ['DEFAULT_VSWITCH=ovs*', /is no plain value/],
  ['DEFAULT_VSWITCH=ovs\\1', /is no (plain value|assignment)/],
  ['DEFAULT_VSWITCH=ovs0; reboot', /is no assignment/],
  ['DEFAULT_VSWITCH = ovs0', /is no assignment/],
  ['DEFAULT_VSWITCH=ovs0 reboot', /is no assignment/],
  ['DEFAULT_VSWITCH+=1', /is no assignment/],
  ["OTHER='not closed", /is no assignment/],
  ['OTHER="not closed', /is no assignment/],
  ['OTHER=continued\\', /is no assignment/],
  ['if true; then', /is no assignment/],
  ['. /etc/default/other', /is no assignment/],
  ['DEFAULT_SLOT=0', /DEFAULT_SLOT: it is a whole number from 1/],
  ['DEFAULT_SLOT=1x', /DEFAULT_SLOT: it is a whole number from 1/],
  ['DEFAULT_IPV6_PREFIX=ff02', /DEFAULT_IPV6_PREFIX: .*multicast/],
]

for (const [line, message] of NOT_READ) {
  test(`of ecDock's file not read: ${line}`, () => {
    const error = refusal(() => ecdock(`# defaults\n${line}\nDEFAULT_SLOT=1\n`))
    assert.is(error.code, 'USAGE')
    assert.match(error.message, message)
  })
}

test('long lines are read in no time, whether they are assignments or not', () => {
  for (const part of ['$(', '"a', "'", 'a#', '\\', '$(a)', '"\\"', ' ']) {
    const line = `OTHER=${part.repeat(4000)}!(`
    assert.match(refusal(() => ecdock(line)).message, /is no assignment/)
  }
})

test.run()
