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

kernelTest('a probe waits a minute at most', () =>
  leavingNothing(async () => {
    for (const timeoutMs of [60_001, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      const error = await refusal(kernel.probe([{ netns: '', address: '127.0.0.1', timeoutMs }]), 'USAGE')
      assert.match(error.message, 'up to 60000')
    }
    const many = Array.from({ length: 257 }, () => ({ netns: '', address: '127.0.0.1', timeoutMs: 1 }))
    await refusal(kernel.probe(many), 'USAGE')
  }),
)

kernelTest('probes that nobody answers hold nothing up', () =>
  leavingNothing(async () => {
    const [silent] = await kernel.createNamespaces(['silent'])
    const netns = silent?.path ?? ''
    await kernel.execute([
      {
        steps: [
          { op: 'bridge', netns, name: 'br0' },
          { op: 'address', netns, name: 'br0', address: '192.0.2.1', prefix: 24 },
        ],
      },
    ])
    const order: string[] = []
    const probe = [{ netns, address: '192.0.2.2', timeoutMs: 2000 }]
    const probes = Array.from({ length: 4 }, () => kernel.probe(probe).then(() => order.push('probe')))
    const reads = Array.from({ length: 4 }, () => kernel.links(netns).then(() => order.push('links')))
    await Promise.all([...probes, ...reads])
    assert.equal(order.slice(0, 4), ['links', 'links', 'links', 'links'])
    await kernel.deleteNamespaces(['silent'])
  }),
)

test.run()
