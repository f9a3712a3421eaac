import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { COMMAND_NAMES, commandsNeeded } from '../../src/cli/commands.js'

/** Of the compiled program: what is only a type has gone from there. */
const SRC = join(import.meta.dirname, '..', '..', 'src')

test('a plug loads nothing of Open vSwitch, and no library that it has no use for', () => {
  const { files, packages } = loadedWith('cli/main.js', 'cli/run.js', 'cli/commands/plug.js', 'host.js')
  assert.ok(files.has('vswitch/slot-switch.js'), 'the imports are found')
  const idle = [...files].filter((file) =>
    /^(ovsdb\/client|openflow|vswitch\/ovs|cleanup|doctor|driver|service|docker\/console)/.test(file),
  )
  assert.equal(idle, [])
  assert.equal([...packages].sort(), ['commander', 'ipaddr.js', 'picocolors'])
})

test('of the commands, those among the words of the command line are loaded', () => {
  const needed = (line: string) => {
    const names = commandsNeeded(line.split(' '))
    return names === undefined ? 'all' : [...names].join(' ')
  }
  assert.is(needed('--vswitch br0 plug netns:blue --slot 1'), 'plug')
  assert.is(needed('--vswitch ls plug netns:blue'), 'ls plug')
  for (const line of ['', '-h', '--json --help', 'help plug', 'plug -h', 'plugg netns:blue']) {
    assert.is(needed(line), 'all', line)
  }
  assert.ok(COMMAND_NAMES.has('create-vswitch'))
})

/** What comes with these files, before anything is done. */
function loadedWith(...entries: string[]): { files: Set<string>; packages: Set<string> } {
  const files = new Set<string>()
  const packages = new Set<string>()
  const visit = (path: string) => {
    const file = relative(SRC, path)
    if (files.has(file)) return
    files.add(file)
    const text = readFileSync(path, 'utf8')
    for (const [, from = ''] of text.matchAll(/^(?:import|export) (?:[^'"]* from )?'([^']+)';?$/gm)) {
      if (from.startsWith('.')) visit(join(dirname(path), from))
      else if (!from.startsWith('node:')) packages.add(from)
    }
  }
  for (const entry of entries) visit(join(SRC, entry))
  return { files, packages }
}

test.run()
