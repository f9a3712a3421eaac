import { createRequire } from 'node:module'
import { EcdockError, type ErrorCode } from '../errors.js'
import type { Kernel } from './kernel.js'
import type { PlanOutcome } from './plan.js'

/** What the addon's own errors carry (native/addon/to_js.cpp). */
export interface NativeError extends Error {
  op?: string
  errno?: string
  kernelMessage?: string
}

/** The addon's functions: plans come as text, and a datagram socket is a number (datagram-socket.ts). */
export type Addon = Omit<Kernel, 'execute'> & {
  /** If it is `awake`, to be followed by {@link stayAwake} in each turn of the event loop. */
  execute(plans: string, awake: boolean): Promise<PlanOutcome[]>
  /** Waits a few microseconds for what is executed; false when nothing is, or not for much longer. */
  stayAwake(): boolean
  datagramBind(path: string, datagrams: number, bytes: number, ready: () => void): number
  datagramConnect(socket: number, path: string): void
  datagramSend(socket: number, datagrams: readonly Uint8Array[]): number
  datagramTake(socket: number): { bytes: Buffer; lengths: Uint32Array; dropped: number }
  datagramClose(socket: number): void
  /** flock(2) on an open descriptor (directory-lock.ts). */
  tryLock(descriptor: number): boolean
}

/** From dist/src/kernel, and from src/kernel alike, the addon is where node-gyp puts it. */
const ADDON = '../../../build/Release/ecdock_fast.node'

/** Loads the addon. Throws ADDON_MISSING when it has not been built, or was built for another platform. */
export function loadAddon(): Addon {
  try {
    return createRequire(import.meta.url)(ADDON)
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
}

/** What the addon has thrown, as an error of this package. */
export function fromNative(error: NativeError, netns?: string): EcdockError {
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
