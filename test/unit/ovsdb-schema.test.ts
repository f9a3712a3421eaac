import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { REPLICATED } from '../../src/ovsdb/replica.js'

const GENERATOR = 'scripts/generate-ovs-types.mjs'
const INSTALLED = '/usr/share/openvswitch/vswitch.ovsschema'

interface Generated {
  schema: string
  columns: string
}

function generate(): Generated {
  const directory = mkdtempSync(join(tmpdir(), 'ecdock-schema-'))
  try {
    execFileSync(process.execPath, [GENERATOR, INSTALLED, directory])
    return read(directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function read(directory: string): Generated {
  const [schema = '', columns = ''] = ['schema.ts', 'columns.ts'].map((name) =>
    readFileSync(join(directory, name), 'utf8'),
  )
  return { schema, columns }
}

/** The generated line that says how a column is encoded. */
function encodingLine({ columns }: Generated, table: string, column: string): string | undefined {
  const lines = columns.slice(columns.indexOf(`\n  ${table}: {`)).split('\n')
  return lines.find((line) => line.startsWith(`    ${column}: `))
}

test('the row types are what the script makes of the schema', () => {
  const committed = read('src/ovsdb')
  const generated = generate()
  if (committed.schema.split('\n')[0] === generated.schema.split('\n')[0]) {
    assert.is(generated.schema, committed.schema)
    assert.is(generated.columns, committed.columns)
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
