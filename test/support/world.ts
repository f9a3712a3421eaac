import { readdirSync, readlinkSync } from 'node:fs'
import { Host, type HostOptions } from '../../src/host.js'
import { loadKernel } from '../../src/kernel/native.js'
import { assertNothingLeft, type SnapshotOptions, snapshot } from './leaks.js'
import { OVS_TIMEOUT_MS } from './patience.js'
import { run, waitUntil } from './process.js'

/** One for plans, two that read, two that probe (native/addon/addon.cpp). */
const ADDON_THREADS = 5

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
    const host = await Host.open({ ovsTimeoutMs: OVS_TIMEOUT_MS, ...options })
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
  // Nobody answers, so that each of the threads that probe has to take one.
  const silent = [{ netns, address: '192.0.2.2', timeoutMs: 100 }]
  await Promise.all([kernel.probe(silent), kernel.probe(silent), kernel.probe(silent)])
  await waitUntil('each thread of the addon has been elsewhere', async () => {
    await Promise.all(Array.from({ length: 8 }, () => kernel.links(netns)))
    return wayBack() === ADDON_THREADS
  })
  await kernel.deleteNamespaces(['settle-in'])
  // Node opens descriptors when it starts its first program, and keeps them.
  await run('true', [])
}

/** How many descriptors of the own network namespace this process has. */
function wayBack(): number {
  const own = readlinkSync('/proc/self/ns/net')
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === own
    } catch {
      return false // the one with which the directory was read
    }
  }).length
}
