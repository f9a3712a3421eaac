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

/** Threads of the addon, and the mount that makes /run/netns shared, stay as long as this process does. */
async function settleIn(): Promise<void> {
  const kernel = loadKernel()
  await run('ip', ['netns', 'add', 'settle-in'])
  await Promise.all([kernel.execute([{ steps: [] }]), kernel.links(''), kernel.addresses('')])
  await run('ip', ['netns', 'delete', 'settle-in'])
}
