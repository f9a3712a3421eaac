/** What the plan step `ready` is for: kernels before 6.8 lose frames for a moment after a link has got its carrier. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadKernel } from '../../src/kernel/native.js'
import type { Step } from '../../src/kernel/plan.js'
import { type NamedNamespace, namedNamespace } from '../support/netns.js'
import { patience } from '../support/patience.js'
import { needs } from '../support/requirements.js'
import { leavingNothing } from '../support/world.js'

const kernelTest = needs('root', 'iproute2') ? test : test.skip
const kernel = loadKernel()

const SWITCH = '/run/netns/switch'

const ROUNDS = 10

kernelTest('the very first frame behind a plan passes, and so does the answer', () =>
  inNamespaces(['switch', 'first', 'second'], async () => {
    await execute([{ op: 'bridge', netns: SWITCH, name: 'br0' }, ...plugged('first', '10.9.0.1')])
    for (let round = 0; round < ROUNDS; round++) {
      await execute(plugged('second', '10.9.0.2'))
      // Long enough to wait for a second request for the MAC, which the sysctl forbids.
      const probe = { netns: '/run/netns/second', address: '10.9.0.1', timeoutMs: patience(3000) }
      const [outcome] = await kernel.probe([probe])
      assert.is(outcome?.reply, true, `round ${round}: ${outcome?.error ?? 'no reply'}`)
      const links = await kernel.linksByName(SWITCH, ['to-second'])
      await kernel.deleteLinks(
        SWITCH,
        links.flatMap((link) => link?.ifindex ?? []),
      )
    }
  }),
)

test.run()

/** The steps of a plug: what the interface of this namespace asks, it asks once. */
function plugged(namespace: string, address: string): Step[] {
  const netns = `/run/netns/${namespace}`
  const port = `to-${namespace}`
  return [
    { op: 'veth', netns: SWITCH, name: port, master: 'br0', peer: { netns, name: 'eth0' } },
    // RFC 826 knows no second request; Linux makes three, a second apart (mcast_solicit, arp(7)).
    { op: 'sysctl', netns, key: 'ipv4/neigh/eth0/mcast_solicit', value: '1' },
    { op: 'address', netns, name: 'eth0', address, prefix: 24 },
    { op: 'link', netns, name: 'eth0', up: true },
    { op: 'ready', netns: SWITCH, name: port },
    { op: 'ready', netns, name: 'eth0' },
  ]
}

async function execute(steps: Step[]): Promise<void> {
  const [outcome] = await kernel.execute([{ steps }])
  if (!outcome?.ok) throw new Error(outcome?.message ?? 'no outcome')
}

async function inNamespaces(names: readonly string[], body: () => Promise<void>): Promise<void> {
  await leavingNothing(async () => {
    const made: NamedNamespace[] = []
    try {
      for (const name of names) made.push(await namedNamespace(name))
      await body()
    } finally {
      for (const netns of made) await netns.remove()
    }
  })
}
