import { createRequire } from 'node:module'
import { EcdockError, type ErrorCode } from '../errors.js'
import { quoted } from '../quoted.js'
import type { Kernel, Probe } from './kernel.js'
import { checkNetnsName } from './netns-name.js'
import type { PlanOutcome } from './plan.js'
import { planText } from './plan-text.js'

/** What the addon's own errors carry (native/addon/to_js.cpp). */
interface NativeError extends Error {
  op?: string
  errno?: string
  kernelMessage?: string
}

/** The addon's functions: plans come as text. */
type Addon = Omit<Kernel, 'execute'> & { execute(plans: string): Promise<PlanOutcome[]> }

/** From dist/src/kernel, and from src/kernel alike, the addon is where node-gyp puts it. */
const ADDON = '../../../build/Release/ecdock_fast.node'

/** Each holds a socket while it waits. */
const MOST_PROBES = 256
const LONGEST_PROBE_MS = 60_000

/**
 * Loads the addon. Throws ADDON_MISSING when it has not been built, or was built for another platform.
 */
export function loadKernel(): Kernel {
  let addon: Addon
  try {
    addon = createRequire(import.meta.url)(ADDON)
  } catch (error) {
    throw new EcdockError(
      'ADDON_MISSING',
      'load addon',
      `the native addon cannot be loaded: ${reason(error)}`,
      {
        hint: 'Build it with "npm rebuild ecdock-fast" (in a checkout: "npm run setup"); it needs python3, make and g++.',
        cause: error,
      },
    )
  }
  return {
    execute: (plans) => call(() => addon.execute(planText(plans))),
    links: (netns) => call(() => addon.links(netns), netns),
    linksByName: (netns, names) => call(() => addon.linksByName(netns, names), netns),
    addresses: (netns) => call(() => addon.addresses(netns), netns),
    deleteLinks: (netns, ifindexes) => call(() => addon.deleteLinks(netns, ifindexes), netns),
    deleteMarkedLinks: (netns, links) => call(() => addon.deleteMarkedLinks(netns, links), netns),
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

function fromNative(error: NativeError, netns: string | undefined): EcdockError {
  const op = error.op ?? 'kernel'
  const details = { errno: error.errno, kernelMessage: error.kernelMessage, cause: error }
  if (error.errno === 'EPERM' || error.errno === 'EACCES') return permissionError(op, details.errno)
  if (op === 'netns open' && error.errno === 'ENOTTY') return notANetns(netns ?? '', op)
  const code = codeOf(op, error.errno)
  return new EcdockError(code, op, error.message, details)
}

function codeOf(op: string, errno: string | undefined): ErrorCode {
  if (errno === undefined || op === 'plan') return 'INTERNAL'
  if (op === 'netns open' && errno === 'ENOENT') return 'TARGET_NOT_FOUND'
  if (op === 'netns create' && errno === 'EEXIST') return 'NETNS_EXISTS'
  if (op === 'netns delete' && errno === 'ENOENT') return 'TARGET_NOT_FOUND'
  return 'KERNEL'
}

/** The kernel refused for lack of a capability. */
export function permissionError(op: string, errno?: string): EcdockError {
  return new EcdockError(
    'PERMISSION',
    op,
    `this needs root, or capabilities that this process lacks (${op}: not permitted)`,
    {
      errno,
      hint: 'Run it as root, or with CAP_NET_ADMIN, CAP_SYS_ADMIN and CAP_NET_RAW; "ecdock-fast doctor" says what is missing.',
    },
  )
}

/** A path was given that leads to something else than a network namespace. */
export function notANetns(path: string, op: string): EcdockError {
  return new EcdockError('NOT_A_NETNS', op, `${path} is not a network namespace`, {
    hint: 'Give a path such as /proc/PID/ns/net or /run/netns/NAME.',
  })
}

function reason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.split('\n', 1)[0] ?? text
}
