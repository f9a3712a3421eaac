import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadKernel } from '../../src/kernel/native.js'
import { needs } from '../support/requirements.js'
import { leavingNothing } from '../support/world.js'

const kernelTest = needs('root', 'iproute2') ? test : test.skip
const kernel = loadKernel()

/** A thread of JavaScript with work of each kind under way. */
const BUSY = `
  const { parentPort, workerData } = require('node:worker_threads')
  import(workerData.kernel).then(async ({ loadKernel }) => {
    const kernel = loadKernel()
    const { netns } = workerData
    const silent = [{ netns, address: '192.0.2.2', timeoutMs: 60000 }]
    for (let i = 0; i < 4; i++) kernel.probe(silent).catch(() => {})
    const read = () => kernel.links(netns).then(read, () => {})
    const plan = () => kernel.execute([{ steps: [{ op: 'alive', netns }] }]).then(plan, () => {})
    for (let i = 0; i < 8; i++) void read(), void plan()
    await kernel.links(netns)
    parentPort.postMessage('busy')
  })
`

kernelTest('a thread of JavaScript ends at once, whatever it has under way', () =>
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
    for (let round = 0; round < 10; round++) {
      const workerData = { netns, kernel: new URL('../../src/kernel/native.js', import.meta.url).href }
      const thread = new Worker(BUSY, { eval: true, workerData })
      assert.equal(await once(thread, 'message'), ['busy'])
      await sleep(round)
      const ended = once(thread, 'exit')
      await thread.terminate()
      await ended
    }
    await kernel.deleteNamespaces(['silent'])
  }),
)

test.run()
