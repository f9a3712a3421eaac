import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type PrivateOvs, startOvs } from '../support/ovs.js'
import { runToEnd } from '../support/process.js'

const ROOT = root()
const [first = '', ...others] = [
  ...readFileSync(join(ROOT, 'docs/ovsdb.md'), 'utf8').matchAll(/^```js\n(.*?)^```/gms),
].map(([, code = '']) => code)

let ovs: PrivateOvs
let project: string

test.before(async () => {
  ovs = await startOvs()
  await ovs.vsctl('add-br', 'ovs0', '--', 'set', 'Bridge', 'ovs0', 'datapath_type=netdev')
  // A project that has installed the package.
  project = await mkdtemp(join(tmpdir(), 'ecdock-user-'))
  await mkdir(join(project, 'node_modules'))
  await symlink(ROOT, join(project, 'node_modules/ecdock-fast'))
})

test.after(async () => {
  await ovs.stop()
  await rm(project, { recursive: true })
})

async function outputOf(code: string): Promise<string> {
  const file = join(project, 'example.mjs')
  await writeFile(file, code)
  const { status, stdout, stderr } = await runToEnd(process.execPath, [file, ovs.ovsdb])
  assert.is(status, 0, `${code}\n${stderr}`)
  return stdout
}

test('the first example of docs/ovsdb.md prints what the page says', async () => {
  assert.is(await outputOf(first), 'br-doc has 1 port\n')
  assert.is(await ovs.vsctl('list-br'), 'ovs0')
})

/** What each of the other examples prints last. */
const LAST_LINES = [
  'me',
  'doc0 is port 1',
  '20',
  '22',
  '0',
  '',
  '8.3.1 19',
  'OVSDB_REFUSED 0 constraint violation',
]

test('the other examples work one after the other', async () => {
  assert.is(others.length, LAST_LINES.length)
  for (const [at, code] of others.entries()) {
    const names = [...code.matchAll(/\b([A-Za-z]+)\(/g)].map(([, name = '']) => name)
    const surface = Object.keys(await import('ecdock-fast/ovsdb'))
    const used = ['OvsdbClient', ...new Set(names)].filter((name) => surface.includes(name))
    const output = await outputOf(`
      import { ${used.join()} } from 'ecdock-fast/ovsdb'
      const client = await OvsdbClient.connect(process.argv[2])
      ${code}
      await client.close()`)
    assert.is(output.trimEnd().split('\n').at(-1), LAST_LINES[at], code)
  }
})

/** The compiled test is in dist/test/integration, or there in another directory that has what is read here. */
function root(): string {
  let directory = import.meta.dirname
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory)
  return directory
}

test.run()
