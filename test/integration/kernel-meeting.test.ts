import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadKernel } from '../../src/kernel/native.js'
import type { Plan, Step } from '../../src/kernel/plan.js'
import { inside } from '../support/netns.js'
import { needs } from '../support/requirements.js'
import { inTwoNamespaces, linkNames, SWITCH, TARGET } from '../support/switch-and-target.js'

const kernelTest = needs('root', 'iproute2') ? test : test.skip
const kernel = loadKernel()

const MEET: Step = { op: 'meet' }
const ALIVE: Step = { op: 'alive', netns: TARGET }

const up = (netns: string, name: string): Step => ({ op: 'link', netns, name, up: true })
const pair = (number: number, end: string): Step => {
  return { op: 'veth', netns: SWITCH, name: `port${number}`, up: false, peer: { netns: TARGET, name: end } }
}

kernelTest('plans that meet wait for each other, and a plan that is alone waits for nobody', () =>
  inTwoNamespaces(async () => {
    const count = 20
    // What each sets up is there only if the next plan has made it before.
    const plans = Array.from({ length: count }, (_, at): Plan => {
      const next = ((at + 1) % count) + 1
      return { steps: [pair(at + 1, `eth${at + 1}`), MEET, up(SWITCH, `port${next}`)] }
    })
    assert.ok((await kernel.execute(plans)).every(({ ok }) => ok))
    assert.ok((await kernel.links(SWITCH)).every((link) => link.up === (link.name !== 'lo')))
    assert.ok((await kernel.links(TARGET)).every((link) => !link.up))
    const [alone] = await kernel.execute([{ steps: [MEET, up(TARGET, 'eth1'), MEET] }])
    assert.is(alone?.ok, true)
  }),
)

kernelTest('plans that look for room in one target are carried out one after the other', () =>
  inTwoNamespaces(async () => {
    const plan = (number: number, last: Step): Plan => {
      const address = `10.9.0.${number}`
      const vacant: Step = { op: 'vacant', netns: TARGET, name: 'eth*', addresses: [address] }
      const given: Step = { op: 'address', netns: TARGET, name: 'eth*', address, prefix: 24 }
      return { steps: [vacant, pair(number, 'eth*'), MEET, given, MEET, last] }
    }
    const plans = [
      plan(1, ALIVE),
      plan(2, up(TARGET, 'nothing')),
      plan(3, up(TARGET, 'eth*')),
      plan(1, ALIVE),
    ]
    const outcomes = await kernel.execute(plans)
    assert.equal(
      outcomes.map((outcome) => (outcome.ok ? outcome.ifname : [outcome.step, outcome.errno])),
      ['eth0', [5, 'ENODEV'], 'eth1', [0, 'EEXIST']],
    )
    assert.equal(await linkNames(TARGET), ['eth0', 'eth1', 'lo'])
    assert.equal(await linkNames(SWITCH), ['lo', 'port1', 'port3'])
    const addresses = await inside(TARGET, 'ip', ['-4', '-br', 'address'])
    assert.match(addresses, /eth0\S* .* 10\.9\.0\.1\/24/)
    assert.match(addresses, /eth1\S* .* 10\.9\.0\.3\/24/)
  }),
)

kernelTest(
  'of many plans that meet those that fail are undone, and each of the others is carried out to its end',
  () =>
    inTwoNamespaces(async () => {
      const nothing = up(TARGET, 'nothing')
      const plans = Array.from({ length: 100 }, (_, at): Plan => {
        if (at % 10 === 3)
          return { steps: [pair(at, `eth${at}`), MEET, up(TARGET, `eth${at}`), nothing, MEET, ALIVE] }
        if (at % 10 === 7)
          return { steps: [pair(at, `eth${at}`), MEET, up(TARGET, `eth${at}`), MEET, nothing] }
        return {
          steps: [pair(at, `eth${at}`), MEET, up(TARGET, `eth${at}`), MEET, up(SWITCH, `port${at}`), ALIVE],
        }
      })
      const outcomes = await kernel.execute(plans)
      assert.equal(
        outcomes.map(({ ok }) => ok),
        plans.map((_, at) => at % 10 !== 3 && at % 10 !== 7),
      )
      const links = (await kernel.links(SWITCH)).filter(({ name }) => name !== 'lo')
      assert.is(links.length, 80)
      assert.ok(links.every(({ carrier }) => carrier))
    }),
)

test.run()
