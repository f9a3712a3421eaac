import { Host, type HostOptions } from '../../src/host.js'
import { loadKernel } from '../../src/kernel/native.js'
import { assertNothingLeft, type SnapshotOptions, snapshot } from './leaks.js'
import { run } from './process.js'

let ready: Promise<void> | undefined

/**
 * Runs a test with a Host, closes it, and throws when anything is on this machine afterwards that was not there
 * before.
 */
export async function withHost(
  body: (host: Host) => Promise<void>,
  options: HostOptions & SnapshotOptions = {},
): Promise<void> {
  await leavingNothing(async () => {
    const host = await Host.open(options)
    try {
      await body(host)
    } finally {
      await host.close()
    }
  }, options)
}

/** Runs a test, and throws when anything is on this machine afterwards that was not there before. */
export async function leavingNothing(
  body: () => Promise<void>,
  options: SnapshotOptions = {},
): Promise<void> {
  ready ??= settleIn()
  await ready
  const before = await snapshot(options)
  await body()
  await assertNothingLeft(before)
}

/**
 * What stays as long as this process does: the addon's threads, each with a descriptor of the namespace that it
 * returns to, and the mount that makes /run/netns shared.
 */
async function settleIn(): Promise<void> {
  const kernel = loadKernel()
  const [elsewhere] = await kernel.createNamespaces(['settle-in'])
  const netns = elsewhere?.path ?? ''
  const [outcome] = await kernel.execute([
    {
      steps: [
        { op: 'bridge', netns, name: 'br0' },
        { op: 'address', netns, name: 'br0', address: '192.0.2.1', prefix: 24 },
      ],
    },
  ])
  if (outcome?.ok !== true) throw new Error(outcome?.message)
  // Nobody answers, so that each of the threads that read has to take one.
  const silent = [{ netns, address: '192.0.2.2', timeoutMs: 100 }]
  await Promise.all([kernel.probe(silent), kernel.probe(silent), kernel.probe(silent)])
  await kernel.deleteNamespaces(['settle-in'])
  // Node opens descriptors when it starts its first program, and keeps them.
  await run('true', [])
}
