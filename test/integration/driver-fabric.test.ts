import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { NetworkBook } from '../../src/driver/network-book.js'
import type { NetworkRecord } from '../../src/driver/records.js'
import { VdeFabric } from '../../src/driver/vde-fabric.js'
import { loadKernel } from '../../src/kernel/native.js'
import { findSwitch } from '../../src/vde/switch-process.js'
import { MemoryStore, silentLog } from '../support/driver-fake.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { leavingNothing } from '../support/world.js'

const rootTest = needs('root') ? test : test.skip

rootTest('directories that were made for the sockets of a network go with it, also by another daemon', () =>
  withHome(async (home) => {
    const first = await fabric(home)
    assert.is(statSync(join(home, 'run')).mode & 0o777, 0o755)
    assert.is(statSync(join(home, 'run', 'docker')).mode & 0o777, 0o700)
    const asked = network('a', join(home, 'labs', 'north', 'sock'))
    const mgmt = { managementSocket: join(home, 'consoles', 'north') }
    const opened = await first.open({ ...asked, ...mgmt })
    assert.equal(opened.madeDirs, [join(home, 'consoles'), join(home, 'labs', 'north'), join(home, 'labs')])
    await first.stop()
    const second = await fabric(home)
    await second.resume(opened)
    writeFileSync(join(home, 'consoles', 'notes'), 'mine')
    await second.close(opened)
    await second.stop()
    assert.equal(readdirSync(home).sort(), ['consoles', 'run'])
    assert.equal(readdirSync(join(home, 'consoles')), ['notes'])
  }),
)

rootTest(
  'a network that cannot be opened leaves the switch alone that has its sockets, and no directory',
  () =>
    withHome(async (home) => {
      const both = await fabric(home)
      const one = await both.open(network('a', join(home, 'one')))
      const control = join(home, 'run', 'docker', `${one.id.slice(0, 12)}.control`)
      const running = await findSwitch(control)
      await refusal(both.open(network('b', join(home, 'labs', 'two'))), 'VDE_START_FAILED')
      assert.equal(await findSwitch(control), running)
      assert.not(existsSync(join(home, 'labs')))
      await both.close(one)
      await both.stop()
      assert.is(await findSwitch(control), undefined)
    }),
)

rootTest('where there is no switch to use, it is said how to have one started', () =>
  withHome(async (home) => {
    const one = await fabric(home)
    const asked = { ...network('a', join(home, 'none')), owned: false }
    const { hint = '' } = await refusal(one.open(asked), 'VDE_UNREACHABLE')
    assert.match(hint, /create_sockets=true\.$/)
    await one.stop()
  }),
)

/** Ids that end with the letter, and begin alike. */
function network(end: string, socketDir: string): NetworkRecord {
  const id = `${'0123456789ab'.padEnd(63, '0')}${end}`
  return { version: 1, id, socketDir, owned: true, ports: 8, subnets: [], internal: false }
}

async function fabric(home: string): Promise<VdeFabric> {
  const book = new NetworkBook(new MemoryStore(), new MemoryStore())
  return VdeFabric.create({ kernel: loadKernel(), runDir: join(home, 'run'), book, log: silentLog })
}

async function withHome(body: (home: string) => Promise<void>): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'fabric-'))
  try {
    await leavingNothing(() => body(home))
  } finally {
    rmSync(home, { recursive: true })
  }
}

test.run()
