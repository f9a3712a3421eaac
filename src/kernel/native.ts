// Not the global one, which tests with clocks of their own replace.
import { setImmediate } from 'node:timers'
import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'
import { type Addon, fromNative, loadAddon, type NativeError } from './addon.js'
import type { Kernel, Probe } from './kernel.js'
import { checkNetnsName } from './netns-name.js'
import { planText } from './plan-text.js'

/** Each holds a socket while it waits. */
const MOST_PROBES = 256
const LONGEST_PROBE_MS = 60_000

/**
 * Loads the addon. Throws ADDON_MISSING when it has not been built, or was built for another platform.
 */
export function loadKernel(): Kernel {
  const addon = loadAddon()
  const stayAwake = awake(addon)
  return {
    execute: (plans) =>
      call(() => {
        // Of many plans each takes long enough: what is connected meanwhile can use the processor.
        const alone = plans.length === 1
        const outcomes = addon.execute(planText(plans), alone)
        if (alone) stayAwake()
        return outcomes
      }),
    expect: (netns) => addon.expect(netns),
    links: (netns) => call(() => addon.links(netns), netns),
    linksByName: (netns, names) => call(() => addon.linksByName(netns, names), netns),
    addresses: (netns) => call(() => addon.addresses(netns), netns),
    deleteLinks: (netns, ifindexes) => call(() => addon.deleteLinks(netns, ifindexes), netns),
    deleteMarkedLinks: (netns, links) => call(() => addon.deleteMarkedLinks(netns, links), netns),
    deleteScatteredLinks: (links) => call(() => addon.deleteScatteredLinks(links)),
    createNamespaces: (names, alias) =>
      call(() => {
        names.forEach(checkNetnsName)
        return addon.createNamespaces(names, alias)
      }),
    deleteNamespaces: (names) =>
      call(() => {
        names.forEach(checkNetnsName)
        return addon.deleteNamespaces(names)
      }),
    namespaces: () => call(() => addon.namespaces()),
    namespaceId: (path) => call(() => addon.namespaceId(path), path),
    probe: (probes) =>
      call(() => {
        checkProbes(probes)
        return addon.probe(probes)
      }),
  }
}

/** Keeps Node's thread from falling asleep, without keeping its event loop from anything else. */
function awake(addon: Addon): () => void {
  let turning = false
  const turn = () => {
    turning = addon.stayAwake()
    if (turning) setImmediate(turn)
  }
  return () => {
    if (!turning) setImmediate(turn)
    turning = true
  }
}

function checkProbes(probes: readonly Probe[]): void {
  if (probes.length > MOST_PROBES) {
    throw new EcdockError('USAGE', 'probe', `${probes.length} probes at once; there may be ${MOST_PROBES}`)
  }
  for (const { timeoutMs } of probes) {
    // What is no number is for the addon to refuse, as in every other call.
    if (typeof timeoutMs !== 'number') continue
    if (Number.isInteger(timeoutMs) && timeoutMs >= 0 && timeoutMs <= LONGEST_PROBE_MS) continue
    throw new EcdockError(
      'USAGE',
      'probe',
      `${quoted(timeoutMs)} is no time-out of a probe: whole ms, up to ${LONGEST_PROBE_MS}`,
    )
  }
}

async function call<T>(native: () => Promise<T>, netns?: string): Promise<T> {
  try {
    return await native()
  } catch (error) {
    throw error instanceof EcdockError ? error : fromNative(error as NativeError, netns)
  }
}
