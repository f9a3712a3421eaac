import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadKernel } from '../../src/kernel/native.js'
import type { PlanOutcome, Step } from '../../src/kernel/plan.js'
import { patience } from '../support/patience.js'
import { run, waitUntil } from '../support/process.js'
import { needs } from '../support/requirements.js'
import { inTwoNamespaces, linkNames, SWITCH, TARGET } from '../support/switch-and-target.js'

const kernelTest = needs('root', 'iproute2') ? test : test.skip
const kernel = loadKernel()

/** Waits for a carrier, a second each, until `far` is up; all together as long as a slow machine may need for programs. */
const WAITING: readonly Step[] = Array.from({ length: patience(30) }, () => ({
  op: 'ready',
  netns: SWITCH,
  name: 'lonely',
}))

/** A plan that has made all of this, waits until it may go on, and then fails. */
const FAILING: readonly Step[] = [
  { op: 'bridge', netns: SWITCH, name: 'br0', alias: 'a bridge' },
  {
    op: 'veth',
    netns: SWITCH,
    name: 'port1',
    alias: 'our port',
    peer: { netns: TARGET, name: 'eth0' },
  },
  { op: 'link', netns: TARGET, name: 'eth0', up: true },
  { op: 'address', netns: TARGET, name: 'eth0', address: '10.9.0.1', prefix: 24 },
  { op: 'address', netns: TARGET, name: 'eth0', address: '2001:db8::1', prefix: 64 },
  { op: 'route', netns: TARGET, name: 'eth0', destination: '10.77.0.0/16', gateway: '10.9.0.253' },
  { op: 'veth', netns: SWITCH, name: 'lonely', peer: { netns: SWITCH, name: 'far' } },
  ...WAITING,
  { op: 'link', netns: TARGET, name: 'nothing', up: true },
]

kernelTest('what somebody else has taken away needs no undoing', () =>
  inTwoNamespaces(async () => {
    const outcome = await meanwhile([
      ['-n', 'target', 'route', 'del', '10.77.0.0/16'],
      ['-n', 'target', 'address', 'flush', 'dev', 'eth0'],
    ])
    assert.equal([outcome.op, outcome.undoFailed], ['link set', undefined])
    assert.equal(await linkNames(SWITCH), ['lo'])
  }),
)

kernelTest('neither does what went with its link', () =>
  inTwoNamespaces(async () => {
    const outcome = await meanwhile([['-n', 'target', 'link', 'del', 'eth0']])
    assert.equal([outcome.op, outcome.undoFailed], ['link set', undefined])
    assert.equal(await linkNames(SWITCH), ['lo'])
  }),
)

kernelTest('a link that has got the name of one that was to be undone stays', () =>
  inTwoNamespaces(async () => {
    const outcome = await meanwhile([
      ['-n', 'switch', 'link', 'del', 'port1'],
      ['-n', 'switch', 'link', 'del', 'br0'],
      ['-n', 'switch', 'link', 'add', 'br0', 'type', 'bridge'],
      ['-n', 'switch', 'link', 'add', 'port1', 'type', 'veth', 'peer', 'eth0', 'netns', 'target'],
      ['-n', 'switch', 'link', 'set', 'port1', 'alias', 'our port'],
    ])
    assert.equal([outcome.op, outcome.undoFailed], ['link set', undefined])
    assert.equal(await linkNames(SWITCH), ['br0', 'lo', 'port1'])
    await kernel.deleteLinks(
      SWITCH,
      (await kernel.links(SWITCH)).filter(({ name }) => name !== 'lo').map(({ ifindex }) => ifindex),
    )
  }),
)

test.run()

/** Runs the plan, and these `ip` commands while it waits; then it goes on. */
async function meanwhile(commands: readonly string[][]): Promise<Extract<PlanOutcome, { ok: false }>> {
  const under = kernel.execute([{ steps: [...FAILING] }])
  await waitUntil('the plan waits', async () => {
    const [lonely] = await kernel.linksByName(SWITCH, ['lonely'])
    return lonely !== undefined
  })
  for (const command of commands) await run('ip', command)
  await run('ip', ['-n', 'switch', 'link', 'set', 'far', 'up'])
  const [outcome] = await under
  if (outcome === undefined || outcome.ok) throw new Error('the plan did not fail')
  return outcome
}
