/** Defaults of options from files: what they may say, which one counts, and what is said about a faulty one. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadConfig, sourceOf } from '../../src/config/load.js'
import type { Settings } from '../../src/config/settings.js'
import { parseYamlSettings } from '../../src/config/yaml-settings.js'
import { EcdockError } from '../../src/errors.js'

const etc = mkdtempSync(join(tmpdir(), 'ecdock-config-'))
test.after.each(() => rmSync(etc, { recursive: true, force: true }))

/** Puts a file into the test's own /etc. */
function put(name: string, content: string | Buffer): string {
  const path = join(etc, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
  return path
}

function refusal(parse: () => unknown): EcdockError {
  try {
    parse()
  } catch (error) {
    if (error instanceof EcdockError) return error
    throw error
  }
  throw new Error('it was not refused')
}

const yaml = (text: string): Settings => parseYamlSettings(text, 'f.yaml')

const EVERYTHING = `# all there is
vswitch: ovs1
slot: 7
ovsdb: unix:/tmp/db.sock
docker: unix:///tmp/docker.sock
logLevel: debug
kind: ovs
usermode: true
subnet: 10.9.0.254/16
ipv6Prefix: fd00:1:2:3
mtu: 9000
defaultRoute: false
start:
  privileged: true
  tty: false
  env: [ROLE=server, 'TEXT=a: b']
  volumes:
    - /srv:/srv:ro
stop: { time: 0 }
attach:
  detachKeys: ctrl-x,q
`

test('every setting can be said', () => {
  assert.equal(yaml(EVERYTHING), {
    vswitch: 'ovs1',
    slot: 7,
    ovsdb: 'unix:/tmp/db.sock',
    docker: 'unix:///tmp/docker.sock',
    logLevel: 'debug',
    kind: 'ovs',
    usermode: true,
    subnet: '10.9.0.254/16',
    ipv6Prefix: 'fd00:1:2:3',
    mtu: 9000,
    defaultRoute: false,
    start: {
      privileged: true,
      tty: false,
      env: ['ROLE=server', 'TEXT=a: b'],
      volumes: ['/srv:/srv:ro'],
    },
    stop: { time: 0 },
    attach: { detachKeys: 'ctrl-x,q' },
  })
})

for (const [name, text] of [
  ['an empty file', ''],
  ['comments', '# nothing\n'],
  ['a document without content', '---\n...\n'],
  ['a byte order mark', '\ufeff# nothing\n'],
] as const) {
  test(`${name} says nothing`, () => {
    assert.equal(yaml(text), {})
  })
}

const REFUSED: [text: string, message: RegExp][] = [
  ['vswitch: a\nbogus: 1\n', /^f\.yaml, line 2: there is no key "bogus"$/],
  ['start:\n  env: []\n  bogus: 1\n', /^f\.yaml, line 3: there is no key "start\.bogus"$/],
  ['vswitch: a\nslot: one\n', /^f\.yaml, line 2: slot: it is a whole number from 1 to 16777215$/],
  ['slot: 0\n', /line 1: slot: it is a whole number/],
  ['slot: 1.5\n', /line 1: slot: it is a whole number/],
  ['vswitch: 5\n', /line 1: vswitch: it is a text; put it in quotes/],
  ['vswitch: ""\n', /line 1: vswitch: it is empty/],
  ['vswitch: "a\\0b"\n', /line 1: vswitch: it holds a NUL/],
  ['ipv6Prefix: 2001\n', /ipv6Prefix: it is a text; put it in quotes/],
  ['ipv6Prefix: hello\n', /ipv6Prefix: IPv6 prefix "hello" is not/],
  ['\n\nsubnet: 10.0.0.0/24\n', /line 3: subnet: .*network address/],
  ['ovsdb: /tmp/db.sock\n', /ovsdb: .*must begin with unix:/],
  ['docker: ssh://elsewhere\n', /docker: Docker at "ssh:\/\/elsewhere" is not on this machine/],
  ['logLevel: loud\n', /logLevel: it is one of error, warn, info, debug, trace/],
  ['kind: vale\n', /kind: it is one of bridge, ovs/],
  ['usermode: yes\n', /usermode: it is true or false/],
  ['kind: bridge\nusermode: true\n', /line 2: usermode: it is for Open vSwitch, and kind says otherwise/],
  ['mtu: 67\n', /mtu: it is a whole number from 68 to 65535/],
  ['start: true\n', /line 1: start: it has keys of its own/],
  ['start:\n  env: A=1\n', /line 2: start\.env: it is a list of texts/],
  ['start:\n  env:\n    - A=1\n    - 5\n', /line 4: start\.env\.1: it is a text/],
  ['attach: {detachKeys: ctrl-7}\n', /attach\.detachKeys: cannot read the detach keys/],
  ['- vswitch\n', /line 1: it is not made of keys and values/],
  ['ovs0\n', /line 1: it is not made of keys and values/],
  ['vswitch: a\nvswitch: b\n', /line 2: map keys must be unique/],
  ['vswitch: a\n\tslot: 1\n', /line 2: /],
  ['vswitch: [a\n', /line \d: /],
  ['a: 1\n---\nb: 2\n', /multiple documents/],
  ['vswitch: !secret a\n', /line 1: unresolved tag/],
  ['vswitch: &a x\nsubnet: *a\n', /line 2: aliases are not read/],
  ['? [a]\n: b\n', /line 1: a key is a word/],
  ['5: b\n', /line 1: a key is a word/],
  ['start:\n  env:\n    - [A]\n', /line 3: it is nested too deeply/],
  ['__proto__: {slot: 1}\n', /there is no key "__proto__"/],
]

for (const [text, message] of REFUSED) {
  test(`refused: ${JSON.stringify(text)}`, () => {
    const error = refusal(() => yaml(text))
    assert.is(error.code, 'USAGE')
    assert.match(error.message, message)
    assert.type(error.hint, 'string')
  })
}

test('a key that is nearly right is told', () => {
  assert.is(refusal(() => yaml('ipv6-prefix: a')).hint, 'Did you mean ipv6Prefix?')
  assert.is(refusal(() => yaml('start: {TTY: true}')).hint, 'Did you mean tty?')
  assert.is(refusal(() => yaml('stop: {patience: 5}')).hint, 'There are: time.')
})

test('nesting without an end is refused before anything recursive sees it', () => {
  for (const text of ['? ', '- ', '[', '{a: ', '[?', '{? ']) {
    const error = refusal(() => yaml(`vswitch: a\n${text.repeat(4000)}`))
    assert.match(error.message, /^f\.yaml, line 2: it is nested too deeply$/)
  }
})

test('keys within keys are refused in no time', () => {
  const lines = Array.from({ length: 20 }, (_, index) => `${' '.repeat(index * 64)}${'? '.repeat(32)}`)
  assert.match(refusal(() => yaml(lines.join('\n'))).message, /a key is a word/)
})

test('brackets and dashes in texts and comments are no nesting', () => {
  const items = Array.from({ length: 30 }, (_, index) => `    - 'JSON${index}={"a": [{"b": "[x"}]}'`)
  const text = `# ${'- '.repeat(60)}\nstart:\n  env:\n${items.join('\n')}\n`
  assert.is(yaml(text).start?.env?.length, 30)
})

test('without any file there are no defaults', async () => {
  const config = await loadConfig({ env: {}, etc })
  assert.equal(config.settings, {})
  assert.equal(
    config.files.map(({ path, settings, error }) => ({ path, settings, error })),
    [
      { path: join(etc, 'ecdock-fast.yaml'), settings: undefined, error: undefined },
      { path: join(etc, 'default/ecDock'), settings: undefined, error: undefined },
    ],
  )
})

test("what ecdock-fast.yaml says counts before what ecDock's file says", async () => {
  const usual = put('ecdock-fast.yaml', 'vswitch: usual\n')
  const older = put('default/ecDock', 'DEFAULT_VSWITCH=old\nDEFAULT_SLOT=5\n')
  const config = await loadConfig({ env: {}, etc })
  assert.equal(config.settings, { vswitch: 'usual', slot: 5 })
  assert.is(sourceOf(config, 'vswitch'), usual)
  assert.is(sourceOf(config, 'slot'), older)
  assert.is(sourceOf(config, 'kind'), undefined)
})

test('--config takes the place of ECDOCK_FAST_CONFIG, and that of the usual file', async () => {
  put('ecdock-fast.yaml', 'vswitch: usual\nslot: 1\n')
  const env = { ECDOCK_FAST_CONFIG: put('env.yaml', 'vswitch: env\n') }
  const file = put('option.yaml', 'vswitch: option\n')
  assert.equal((await loadConfig({ env, etc })).settings, { vswitch: 'env' })
  assert.equal((await loadConfig({ file, env, etc })).settings, { vswitch: 'option' })
  assert.equal((await loadConfig({ env: { ECDOCK_FAST_CONFIG: '' }, etc })).settings, {
    vswitch: 'usual',
    slot: 1,
  })
})

test('a file that is named has to be there', async () => {
  const path = join(etc, 'nowhere.yaml')
  const [file] = (await loadConfig({ file: path, env: {}, etc })).files
  assert.is(file?.error?.code, 'USAGE')
  assert.match(String(file?.error?.message), 'there is no such file')
})

test('a directory, a file without an end, one too long and one that is not UTF-8 are told', async () => {
  for (const [file, message] of [
    [etc, /EISDIR/],
    ['/dev/zero', /is longer than 16384 bytes/],
    [put('long.yaml', '#'.repeat(16_385)), /is longer than 16384 bytes/],
    [put('latin1.yaml', Buffer.from([0x23, 0xe4, 0x0a])), /is not UTF-8/],
  ] as const) {
    mkdirSync(etc, { recursive: true })
    const config = await loadConfig({ file, env: {}, etc })
    assert.match(String(config.files[0]?.error?.message), message)
    assert.equal(config.settings, {})
  }
})

test('an empty file in the place of the usual one says nothing', async () => {
  put('ecdock-fast.yaml', 'vswitch: usual\n')
  const config = await loadConfig({ file: put('empty.yaml', ''), env: {}, etc })
  assert.equal(config.settings, {})
  assert.is(config.files[0]?.error, undefined)
})

test.run()
