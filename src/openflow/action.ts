import { within } from './number-range.js'
import { decodePort, encodePort, type PortNumber } from './port-number.js'
import { unexpected } from './protocol-error.js'

/** What is done with a packet. A flow without actions drops it. */
export interface Output {
  /** The port by which the packet goes out. */
  output: PortNumber
  /** For `CONTROLLER`: how many bytes of the packet it gets, at most 65535. Default: all. */
  maxLength?: number
}

/**
 * An action of another flow that is not known here: its type (`enum ofp_action_type`) and what follows it.
 */
export interface OtherAction {
  type: number
  bytes: Buffer
}

export type ToldAction = Output | OtherAction

const OUTPUT = 0
const OUTPUT_BYTES = 8
/** Each action begins with u16 type, u16 length, and is a multiple of 8 bytes long. */
const ALIGNMENT = 8
const ALL_BYTES = 0xffff

/** `struct ofp_action_output` for each. Throws USAGE. */
export function encodeActions(actions: readonly Output[]): Buffer {
  const bytes = Buffer.alloc(actions.length * OUTPUT_BYTES)
  for (const [index, { output, maxLength }] of actions.entries()) {
    const at = index * OUTPUT_BYTES
    bytes.writeUInt16BE(OUTPUT, at)
    bytes.writeUInt16BE(OUTPUT_BYTES, at + 2)
    bytes.writeUInt16BE(encodePort(output), at + 4)
    const ownLength = output === 'CONTROLLER' ? ALL_BYTES : 0
    bytes.writeUInt16BE(
      maxLength === undefined ? ownLength : within('maxLength', maxLength, 0, 0xffff),
      at + 6,
    )
  }
  return bytes
}

/** All actions in `bytes`. Throws OPENFLOW_PROTOCOL. */
export function decodeActions(bytes: Buffer): ToldAction[] {
  const actions: ToldAction[] = []
  for (let at = 0; at < bytes.length; ) {
    const length = at + ALIGNMENT <= bytes.length ? bytes.readUInt16BE(at + 2) : 0
    if (length < ALIGNMENT || length % ALIGNMENT !== 0 || at + length > bytes.length) {
      throw unexpected(`an action of ${length} bytes where ${bytes.length - at} are left`)
    }
    const type = bytes.readUInt16BE(at)
    if (type === OUTPUT && length === OUTPUT_BYTES) {
      const output = decodePort(bytes.readUInt16BE(at + 4))
      actions.push(output === 'CONTROLLER' ? { output, maxLength: bytes.readUInt16BE(at + 6) } : { output })
    } else {
      actions.push({ type, bytes: Buffer.from(bytes.subarray(at + 4, at + length)) })
    }
    at += length
  }
  return actions
}
