/** docs/from-ecdock.md and docs/configuration.md promise what the tests show, and leave nothing out. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { keysAt } from '../../src/config/settings.js'
import { parseYamlSettings } from '../../src/config/yaml-settings.js'
import { cli } from '../support/cli.js'

/** All that ecDock's script, version 1.2, takes. */
const COMMANDS = ['start', 'attach', 'stop', 'restart', 'cleanup', 'create-vswitch', 'get-test-images']
const OPTIONS = [
  ['--install', '-q', '--quiet', '-h', '--help', '--slot', '--vswitch', '--usermode', '--internal'],
  ['--dual-nic', '--eth0', '--eth1', '--eth2', '--eth3', '--no-rm'],
].flat()
const KEYS = ['DEFAULT_VSWITCH', 'DEFAULT_SLOT', 'DEFAULT_IPV6_PREFIX']

const page = read('docs/from-ecdock.md')
const rows = page.match(/^\| (?!ecDock |---).*\|$/gm)?.map((row) => row.slice(2, -2).split(/ ?\| ?/)) ?? []

test('every command, option and key of ecDock has a row', () => {
  const [commands = '', options = '', , keys = ''] = page.split(/^## /m).slice(1)
  for (const command of COMMANDS) assert.match(commands, new RegExp(`^\\| \`ec [^|]*\\b${command}\\b`, 'm'))
  for (const option of OPTIONS) assert.match(options, new RegExp(`^\\|[^|]*\`${option}[=\`]`, 'm'))
  for (const key of KEYS) assert.match(keys, new RegExp(`^\\| \`${key}\` \\|`, 'm'))
})

test('every row names the tests that show it, and they are there', () => {
  assert.ok(rows.length >= 30)
  for (const row of rows) {
    assert.is(row.length, 4, row.join(' | '))
    const [what = '', ours = '', , shown = ''] = row
    if (shown === 'to come') continue
    assert.is.not(ours, 'to come', what)
    const named = [...shown.matchAll(/`([a-z]+\/[a-z-]+)` \*([^*]+)\*/g)]
    assert.ok(named.length > 0, `${what} names no test`)
    for (const [, file, words = ''] of named) {
      const path = `test/${file}.test.ts`
      assert.ok(existsSync(inCheckout(path)), `${what}: there is no ${path}`)
      const names = read(path).match(/^ *(?:test|\w+Test|onOvs)\([^\n]*(?:\n[^\n]*)?/gm) ?? []
      assert.ok(
        names.some((name) => name.includes(words)),
        `${what}: no test of ${path} is named "${words}"`,
      )
    }
  }
})

test('what is to come is not there yet', async () => {
  for (const [what = '', , , shown] of rows) {
    const [, option] = /^`(--[a-z0-9-]+)/.exec(what) ?? []
    if (shown !== 'to come' || option === undefined) continue
    const { stderr } = await cli([option.startsWith('--eth') ? `${option}=ovs1` : option, 'start', 'alpine'])
    assert.match(stderr, `unknown option '${option}`)
  }
})

test('what ecDock had in its help only is refused', async () => {
  for (const argv of [['get-test-images'], ['--install']]) assert.is((await cli(argv)).status, 2)
})

test('docs/configuration.md has every key, and no other', () => {
  const table = read('docs/configuration.md').split(/^## /m)[2] ?? ''
  const described = [...table.matchAll(/^\| `([A-Za-z0-9.]+)` \|/gm)].map(([, key]) => key)
  const sections = ['start', 'stop', 'attach', 'tls']
  const keys = [
    ...keysAt([]).filter((key) => !sections.includes(key)),
    ...sections.flatMap((section) => keysAt([section]).map((key) => `${section}.${key}`)),
  ]
  assert.equal(described.sort(), keys.sort())
})

test('the configuration that docs/configuration.md shows can be read', () => {
  const [, example = ''] = /```yaml\n(.*?)```/s.exec(read('docs/configuration.md')) ?? []
  assert.is(parseYamlSettings(example, 'example').stop?.time, 2)
})

/** The compiled test is in dist/test/unit, or there in another directory that has what is read here. */
function inCheckout(path: string): string {
  for (let directory = import.meta.dirname; ; directory = dirname(directory)) {
    if (existsSync(join(directory, 'README.md'))) return join(directory, path)
    if (directory === dirname(directory)) throw new Error('there is no README.md above this test')
  }
}

function read(path: string): string {
  return readFileSync(inCheckout(path), 'utf8')
}

test.run()
