/**
 * Every code that an {@link EcdockError} can carry. Codes are stable: programs may compare them, so a code
 * is added when a new thing can go wrong and never renamed.
 */
export const ERROR_CODES = [
  // What it needs is missing (exit status 3 of the CLI).
  'PERMISSION',
  'ADDON_MISSING',
  'OVSDB_UNREACHABLE',
  'OPENFLOW_UNREACHABLE',
  'DOCKER_UNREACHABLE',
  'VDE_UNREACHABLE',
  // What the caller said is wrong.
  'USAGE',
  'NAME_INVALID',
  'IFNAME_INVALID',
  'SUBNET_INVALID',
  'MAC_INVALID',
  'ADDRESS_INVALID',
  'MTU_INVALID',
  'SLOT_INVALID',
  'SLOT_OUT_OF_RANGE',
  'SLOT_RESERVED',
  'TARGET_INVALID',
  'UNSUPPORTED',
  // What is there does not allow it.
  'VSWITCH_NOT_FOUND',
  'VSWITCH_EXISTS',
  'DEVICE_NOT_FOUND',
  'TARGET_NOT_FOUND',
  'TARGET_GONE',
  'NOT_A_NETNS',
  'NETNS_EXISTS',
  'CONTAINER_NOT_FOUND',
  'CONTAINER_NOT_RUNNING',
  'IMAGE_NOT_FOUND',
  'SLOT_TAKEN',
  'SLOT_EMPTY',
  'SLOTS_EXHAUSTED',
  'IFNAME_TAKEN',
  'MAC_TAKEN',
  'ADDRESS_TAKEN',
  'NETWORK_NOT_FOUND',
  'NETWORK_EXISTS',
  'ENDPOINT_NOT_FOUND',
  'ENDPOINT_EXISTS',
  'POOL_NOT_FOUND',
  'POOL_EXHAUSTED',
  'PORTS_EXHAUSTED',
  'DAEMON_RUNNING',
  'STATE_INVALID',
  'STATE_UNWRITABLE',
  // What the other side did.
  'KERNEL',
  'OVSDB_LOST',
  'OVSDB_REFUSED',
  'OVSDB_PROTOCOL',
  'OPENFLOW_LOST',
  'OPENFLOW_REFUSED',
  'OPENFLOW_PROTOCOL',
  'OVS_PORT_FAILED',
  'VDE_LOST',
  'VDE_REFUSED',
  'VDE_PROTOCOL',
  'VDE_CONSOLE_FAILED',
  'VDE_START_FAILED',
  'DOCKER_FAILED',
  'TIMEOUT',
  'CANCELLED',
  'INTERNAL',
] as const

export type ErrorCode = (typeof ERROR_CODES)[number]

export interface ErrorDetails {
  /** The errno name, such as `EEXIST`, when the kernel or a socket gave one. */
  errno?: string | undefined
  /** The kernel's own words (netlink extended acknowledgement), when it gave any. */
  kernelMessage?: string | undefined
  /** What to do next, as one sentence for a person. */
  hint?: string | undefined
  cause?: unknown
}

/** The one class of errors that this package throws. */
export class EcdockError extends Error {
  override readonly name = 'EcdockError'
  /** What went wrong; stable. */
  readonly code: ErrorCode
  /** What was being done, such as `plug`, `ovsdb transact` or `veth add`. */
  readonly op: string
  readonly errno?: string | undefined
  readonly kernelMessage?: string | undefined
  readonly hint?: string | undefined

  constructor(code: ErrorCode, op: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.op = op
    this.errno = details.errno
    this.kernelMessage = details.kernelMessage
    this.hint = details.hint
  }

  /** The error as one JSON object, as `--json` prints it. */
  toJSON(): Record<string, string> {
    const json: Record<string, string> = { code: this.code, op: this.op, message: this.message }
    if (this.errno !== undefined) json.errno = this.errno
    if (this.kernelMessage !== undefined) json.kernelMessage = this.kernelMessage
    if (this.hint !== undefined) json.hint = this.hint
    return json
  }
}

/** `error` itself when it is an {@link EcdockError}, else one of code `INTERNAL` that carries it as its cause. */
export function asEcdockError(error: unknown, op: string): EcdockError {
  if (error instanceof EcdockError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new EcdockError('INTERNAL', op, message, { cause: error })
}
