import type { Message, Request } from './message.js'
import { TYPE } from './message.js'
import { unexpected } from './protocol-error.js'

/**
 * Kinds of statistics (`enum ofp_stats_types`); portDescription is OpenFlow 1.3's, and Open vSwitch has it in
 * 1.0, too.
 */
export const STATS = { flow: 1, portDescription: 13 } as const

/** OFPSF_REPLY_MORE: another message follows with the rest of the answer. */
const MORE = 1

/** OFPT_STATS_REQUEST: u16 kind, u16 flags, and what the kind asks for. */
export function encodeStatsRequest(kind: number, rest: Buffer = Buffer.alloc(0)): Request {
  const head = Buffer.alloc(4)
  head.writeUInt16BE(kind, 0)
  return { type: TYPE.statsRequest, body: Buffer.concat([head, rest]) }
}

/** One message of an answer: what the kind tells, and whether more follows. Throws OPENFLOW_PROTOCOL. */
export function decodeStatsReply(kind: number, { type, body }: Message): { rest: Buffer; more: boolean } {
  if (type !== TYPE.statsReply) throw unexpected(`a message of type ${type} in place of statistics`)
  if (body.length < 4) throw unexpected(`statistics of ${body.length} bytes`)
  const told = body.readUInt16BE(0)
  if (told !== kind) throw unexpected(`statistics of kind ${told} in place of ${kind}`)
  return { rest: body.subarray(4), more: (body.readUInt16BE(2) & MORE) !== 0 }
}
