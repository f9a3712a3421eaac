/** The version of OpenFlow that is spoken here, as it is on the wire: 1.0. */
export const VERSION = 0x01

/** Bytes of a header: u8 version, u8 type, u16 length of the whole message, u32 xid; all big-endian. */
export const HEADER_BYTES = 8

/** The longest that a message can be, in bytes: its length is a u16. */
export const MAX_MESSAGE_BYTES = 0xffff

/** Message types (`enum ofp_type`, OpenFlow 1.0.0 section 5.1). */
export const TYPE = {
  hello: 0,
  error: 1,
  echoRequest: 2,
  echoReply: 3,
  vendor: 4,
  featuresRequest: 5,
  featuresReply: 6,
  flowMod: 14,
  portMod: 15,
  statsRequest: 16,
  statsReply: 17,
  barrierRequest: 18,
  barrierReply: 19,
} as const

/** A message as it was received. */
export interface Message {
  version: number
  type: number
  /** Which request it answers; 0 when none. */
  xid: number
  /** What follows the header. */
  body: Buffer
}

/** A message that is to be sent, before it has its xid. */
export interface Request {
  type: number
  body: Buffer
}

const EMPTY = Buffer.alloc(0)

/** A request without a body, such as a barrier. */
export function bare(type: number): Request {
  return { type, body: EMPTY }
}

/** The whole message. `xid` is a u32. */
export function encodeMessage({ type, body }: Request, xid: number): Buffer {
  const length = HEADER_BYTES + body.length
  const message = Buffer.allocUnsafe(length)
  message.writeUInt8(VERSION, 0)
  message.writeUInt8(type, 1)
  message.writeUInt16BE(length, 2)
  message.writeUInt32BE(xid, 4)
  message.set(body, HEADER_BYTES)
  return message
}
