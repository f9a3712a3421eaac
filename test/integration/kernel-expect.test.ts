import { readdirSync, readlinkSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadKernel } from '../../src/kernel/native.js'
import type { Step } from '../../src/kernel/plan.js'
import { inside, type NamedNamespace, namedNamespace } from '../support/netns.js'
import { needs } from '../support/requirements.js'
import { leavingNothing } from '../support/world.js'

const kernelTest = needs('root', 'iproute2') ? test : test.skip
const kernel = loadKernel()

const TARGET = '/run/netns/target'
const ABSENT = '/run/netns/absent'

const looksAround: Step = { op: 'vacant', netns: TARGET, name: 'eth0', addresses: [] }

kernelTest('a plan that was expected sees what its target has', () =>
  inTarget(async () => {
    await inside(TARGET, 'ip', ['link', 'add', 'eth0', 'type', 'bridge'])
    kernel.expect(TARGET)
    const [outcome] = await kernel.execute([{ steps: [looksAround] }])
    assert.equal([outcome?.ok, outcome?.ok === false && outcome.taken], [false, 'name'])
  }),
)

kernelTest('a plan that comes late sees what its target has got since it was expected', () =>
  inTarget(async () => {
    kernel.expect(TARGET)
    await inside(TARGET, 'ip', ['link', 'add', 'eth0', 'type', 'bridge'])
    const [outcome] = await kernel.execute([{ steps: [looksAround] }])
    assert.equal([outcome?.ok, outcome?.ok === false && outcome.taken], [false, 'name'])
  }),
)

kernelTest('a path that leads to another namespace than when it was expected is opened anew', () =>
  inTarget(async (target) => {
    kernel.expect(TARGET)
    await target.remove()
    await namedNamespace('target')
    const [outcome] = await kernel.execute([{ steps: [looksAround] }])
    assert.is(outcome?.ok && outcome.netnsId, await kernel.namespaceId(TARGET))
  }),
)

kernelTest('what cannot be opened, and what no plan comes for, is let go', () =>
  inTarget(async () => {
    for (const path of ['', '/proc/self/ns/mnt', ABSENT, TARGET]) kernel.expect(path)
    const [outcome] = await kernel.execute([{ steps: [{ ...looksAround, netns: ABSENT }] }])
    assert.equal([outcome?.ok, outcome?.ok === false && outcome.errno], [false, 'ENOENT'])
    kernel.expect(TARGET)
    const id = `net:[${await kernel.namespaceId(TARGET)}]`
    await pause(200)
    assert.not.ok(descriptors().includes(id))
  }),
)

/** What this process has open. */
function descriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return [] // that of the listing itself
    }
  })
}

async function inTarget(body: (target: NamedNamespace) => Promise<void>): Promise<void> {
  await leavingNothing(async () => {
    const target = await namedNamespace('target')
    try {
      await body(target)
    } finally {
      await target.remove()
    }
  })
}

test.run()
