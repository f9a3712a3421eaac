import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadKernel } from '../../src/kernel/native.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { leavingNothing } from '../support/world.js'

const kernelTest = needs('root', 'iproute2') ? test : test.skip
const kernel = loadKernel()

kernelTest('the name of a namespace cannot lead out of /run/netns', () =>
  leavingNothing(async () => {
    const directory = mkdtempSync(join(tmpdir(), 'ecdock-test-'))
    const victim = join(directory, 'victim')
    writeFileSync(victim, '')
    for (const name of [`../..${victim}`, victim, '..', '.', '', 'a/b']) {
      await refusal(kernel.deleteNamespaces([name]), 'NAME_INVALID')
      await refusal(kernel.createNamespaces([name]), 'NAME_INVALID')
      const [outcome] = await kernel.execute([{ steps: [{ op: 'netns', name }] }])
      assert.is(outcome?.ok, false)
    }
    assert.ok(existsSync(victim))
    rmSync(directory, { recursive: true })
  }),
)

kernelTest('a file under /run/netns that holds something is not deleted', () =>
  leavingNothing(async () => {
    writeFileSync('/run/netns/notes', 'mine')
    await refusal(kernel.deleteNamespaces(['notes']), 'KERNEL')
    assert.is(readFileSync('/run/netns/notes', 'utf8'), 'mine')
    rmSync('/run/netns/notes')
  }),
)

test.run()
