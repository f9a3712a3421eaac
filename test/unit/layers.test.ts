import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const SRC = join(root(), 'src')

test('no room of src/ knows one that knows it', () => {
  const known = roomsKnown()
  assert.ok(known.get('host.ts')?.has('vswitch'), 'the imports are found')
  for (const [room, others] of known) {
    for (const other of others) {
      assert.is(route(known, other, room), undefined, `${room} imports ${other}`)
    }
  }
})

/** What each room imports: a folder of src/, or a file that lies directly in it. */
function roomsKnown(): Map<string, Set<string>> {
  const known = new Map<string, Set<string>>()
  const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  for (const file of files) {
    const others = known.get(roomOf(file)) ?? new Set()
    known.set(roomOf(file), others)
    for (const [, path] of readFileSync(join(SRC, file), 'utf8').matchAll(
      /(?:from |import\()'(\.[^']*)\.js'/g,
    )) {
      const other = roomOf(`${join(dirname(file), path ?? '')}.ts`)
      if (other !== roomOf(file)) others.add(other)
    }
  }
  return known
}

/** How one room comes to another, such as `a > b > c`; undefined when it does not. */
function route(
  known: Map<string, Set<string>>,
  from: string,
  to: string,
  seen = new Set<string>(),
): string | undefined {
  if (from === to) return to
  if (seen.has(from)) return undefined
  seen.add(from)
  for (const next of known.get(from) ?? []) {
    const rest = route(known, next, to, seen)
    if (rest !== undefined) return `${from} > ${rest}`
  }
  return undefined
}

function roomOf(file: string): string {
  return file.split('/')[0] ?? file
}

function root(): string {
  let directory = import.meta.dirname
  while (!readdirSync(directory).includes('binding.gyp')) directory = dirname(directory)
  return directory
}

test.run()
