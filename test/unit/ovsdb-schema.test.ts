import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { REPLICATED } from '../../src/ovsdb/replica.js'

const GENERATOR = 'scripts/generate-ovs-types.mjs'
const INSTALLED = '/usr/share/openvswitch/vswitch.ovsschema'

function generate(): string {
  return execFileSync(process.execPath, [GENERATOR, INSTALLED, '-'], { encoding: 'utf8' })
}

/** The generated line that says how a column is encoded. */
function encodingLine(source: string, table: string, column: string): string | undefined {
  const columns = source.slice(source.indexOf('export const COLUMNS'))
  const lines = columns.slice(columns.indexOf(`\n  ${table}: {`)).split('\n')
  return lines.find((line) => line.startsWith(`    ${column}: `))
}

test('the row types are what the script makes of the schema', () => {
  const committed = readFileSync('src/ovsdb/schema.ts', 'utf8')
  const generated = generate()
  if (committed.split('\n')[0] === generated.split('\n')[0]) {
    assert.is(generated, committed)
  } else {
    // Another version of Open vSwitch is installed here: it must know the columns that are used, as they are.
    for (const [table, columns] of Object.entries(REPLICATED)) {
      for (const column of columns) {
        assert.ok(encodingLine(committed, table, column), `${table}.${column}`)
        assert.is(encodingLine(generated, table, column), encodingLine(committed, table, column))
      }
    }
  }
})

test.run()
