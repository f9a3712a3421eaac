import { decodeActions, type ToldAction } from './action.js'
import { decodeMatch, encodeMatch, type FlowMatch, type ToldMatch } from './match.js'
import type { Request } from './message.js'
import { NO_PORT } from './port-number.js'
import { unexpected } from './protocol-error.js'
import { encodeStatsRequest, STATS } from './stats.js'

/** A flow that the switch has. */
export interface Flow {
  /** Packets go through table 0 first. */
  tableId: number
  match: ToldMatch
  priority: number
  cookie: bigint
  /** Seconds without a packet after which it goes; 0: it stays. */
  idleTimeout: number
  /** Seconds after which it goes; 0: it stays. */
  hardTimeout: number
  /** How long it has been there, in whole ms. */
  ageMs: number
  packets: bigint
  bytes: bigint
  actions: ToldAction[]
}

/** Bytes of `struct ofp_flow_stats` without its actions. */
const FLOW_BYTES = 88
const ALL_TABLES = 0xff

/** Asks for all flows whose packets `match` takes in, of all tables. Throws USAGE and MAC_INVALID. */
export function encodeFlowStatsRequest(match: FlowMatch): Request {
  const rest = Buffer.alloc(4)
  rest.writeUInt8(ALL_TABLES, 0)
  rest.writeUInt16BE(NO_PORT, 2)
  return encodeStatsRequest(STATS.flow, Buffer.concat([encodeMatch(match), rest]))
}

/** The flows of one message. Throws OPENFLOW_PROTOCOL. */
export function decodeFlows(bytes: Buffer): Flow[] {
  const flows: Flow[] = []
  for (let at = 0; at < bytes.length; ) {
    const length = at + FLOW_BYTES <= bytes.length ? bytes.readUInt16BE(at) : 0
    if (length < FLOW_BYTES || at + length > bytes.length) {
      throw unexpected(`a flow of ${length} bytes where ${bytes.length - at} are left`)
    }
    flows.push(decodeFlow(bytes.subarray(at, at + length)))
    at += length
  }
  return flows
}

function decodeFlow(bytes: Buffer): Flow {
  return {
    tableId: bytes.readUInt8(2),
    match: decodeMatch(bytes, 4),
    ageMs: bytes.readUInt32BE(44) * 1000 + Math.floor(bytes.readUInt32BE(48) / 1e6),
    priority: bytes.readUInt16BE(52),
    idleTimeout: bytes.readUInt16BE(54),
    hardTimeout: bytes.readUInt16BE(56),
    cookie: bytes.readBigUInt64BE(64),
    packets: bytes.readBigUInt64BE(72),
    bytes: bytes.readBigUInt64BE(80),
    actions: decodeActions(bytes.subarray(FLOW_BYTES)),
  }
}
