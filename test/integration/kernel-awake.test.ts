import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadKernel } from '../../src/kernel/native.js'
import type { Plan } from '../../src/kernel/plan.js'
import { namedNamespace } from '../support/netns.js'
import { needs } from '../support/requirements.js'
import { leavingNothing } from '../support/world.js'

const kernelTest = needs('root', 'iproute2') ? test : test.skip
const kernel = loadKernel()

const TARGET = '/run/netns/target'

/** Node's thread stays awake for the first millisecond. */
const AWAKE_MS = 1

/** Changes nothing that is not undone; it takes many times as long as Node's thread stays awake. */
const LONG: Plan = {
  steps: [
    ...Array.from(
      { length: 30 },
      (_, at) => ({ op: 'bridge', netns: TARGET, name: `bridge${at}`, group: 9 }) as const,
    ),
    { op: 'link', netns: TARGET, name: 'absent', up: true },
  ],
}

kernelTest('the event loop goes on turning while Node stays awake for an outcome', () =>
  inTarget(async () => {
    let turns = 0
    let ended = false
    const turn = () => {
      turns++
      if (!ended) setImmediate(turn)
    }
    setImmediate(turn)
    await kernel.execute([LONG])
    ended = true
    assert.ok(turns > 10, `${turns} turns`)
  }),
)

kernelTest('an outcome that comes when Node is asleep again wakes it', () =>
  inTarget(async () => {
    const [outcome] = await kernel.execute([LONG])
    assert.ok(outcome !== undefined && outcome.ms > AWAKE_MS)
    assert.equal([outcome.ok, outcome.ok === false && outcome.op], [false, 'link set'])
  }),
)

kernelTest('what else is asked of the kernel is answered while Node stays awake, and after', () =>
  inTarget(async () => {
    const order: string[] = []
    const long = kernel.execute([LONG]).then(() => order.push('long'))
    const short = kernel
      .links(TARGET)
      .then(() => kernel.addresses(TARGET))
      .then(() => order.push('short'))
    const next = kernel.execute([{ steps: [{ op: 'alive', netns: TARGET }] }]).then(() => order.push('next'))
    await Promise.all([long, short, next])
    assert.equal([order.length, order.indexOf('long') < order.indexOf('next')], [3, true])
  }),
)

async function inTarget(body: () => Promise<void>): Promise<void> {
  await leavingNothing(async () => {
    const target = await namedNamespace('target')
    try {
      await body()
    } finally {
      await target.remove()
    }
  })
}

test.run()
