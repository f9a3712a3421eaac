import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'
import { encodeActions, type Output } from './action.js'
import { encodeMatch, type FlowMatch, needsNicira } from './match.js'
import { HEADER_BYTES, MAX_MESSAGE_BYTES, type Request, TYPE } from './message.js'
import { encodeNiciraMatch } from './nicira-match.js'
import { u64, within } from './number-range.js'
import { NO_PORT } from './port-number.js'

/** `enum ofp_flow_mod_command` (OpenFlow 1.0.0 section 5.3.3). */
const COMMANDS = { add: 0, modify: 1, 'modify-strict': 2, delete: 3, 'delete-strict': 4 } as const

/** A change of the switch's flow table. */
export interface FlowMod {
  /**
   * `add` replaces a flow that has the same match and priority, whoever made it. `modify` changes the actions
   * of all flows that the match takes in, and adds one when there is none; `delete` deletes those flows. The
   * strict ones mean the flow of exactly this match and priority.
   */
  command: keyof typeof COMMANDS
  match: FlowMatch
  /** 0 to 65535, default 32768, as ovs-ofctl's. Of no meaning to `modify` and `delete`. */
  priority?: number
  /**
   * What the flow is known by: 64 bits, default 0. `modify` gives it to the flows, too, unless all bits are
   * set.
   */
  cookie?: bigint
  /**
   * To delete only flows whose cookie is `cookie` in these bits. It needs a Nicira extension, which Open
   * vSwitch has: OpenFlow 1.0 itself passes the cookie over when it deletes.
   */
  cookieMask?: bigint
  /** Seconds without a packet after which the flow goes, 1 to 65535. Default: it stays. */
  idleTimeout?: number
  /** Seconds after which the flow goes, 1 to 65535. Default: it stays. */
  hardTimeout?: number
  /**
   * To refuse `add` when a packet could match both this flow and another of the same priority. Open vSwitch
   * does not take a flow of the very same match for another.
   */
  checkOverlap?: boolean
  /** Default none: the packets are dropped. */
  actions?: readonly Output[]
}

export const DEFAULT_PRIORITY = 32768

const NO_BUFFER = 0xffffffff
const CHECK_OVERLAP = 1 << 1

/** NX_VENDOR_ID and NXT_FLOW_MOD of nicira-ext.h. */
const NICIRA = 0x00002320
const NXT_FLOW_MOD = 13

/**
 * OFPT_FLOW_MOD, or NXT_FLOW_MOD with `cookieMask` and for what OpenFlow 1.0 cannot match. Throws USAGE, MAC_INVALID and
 * ADDRESS_INVALID.
 */
export function encodeFlowMod(mod: FlowMod): Request {
  if (!Object.hasOwn(COMMANDS, mod.command)) {
    throw new EcdockError('USAGE', 'openflow', `${quoted(mod.command)} is no command for a flow`, {
      hint: `Give ${Object.keys(COMMANDS).join(', ')}.`,
    })
  }
  const request = mod.cookieMask === undefined && !needsNicira(mod.match) ? standard(mod) : nicira(mod)
  if (HEADER_BYTES + request.body.length > MAX_MESSAGE_BYTES) {
    throw new EcdockError('USAGE', 'openflow', 'the flow has more actions than fit into a message')
  }
  return request
}

function standard(mod: FlowMod): Request {
  return {
    type: TYPE.flowMod,
    body: Buffer.concat([encodeMatch(mod.match), settings(mod, mod.cookie ?? 0n), actionsOf(mod)]),
  }
}

/**
 * `struct nx_flow_mod`: as OFPT_FLOW_MOD, but with the match after the settings, and a cookie that is asked for as a part
 * of it.
 */
function nicira(mod: FlowMod): Request {
  const { cookie = 0n, cookieMask } = mod
  if (cookieMask !== undefined && mod.command !== 'delete' && mod.command !== 'delete-strict') {
    throw new EcdockError('USAGE', 'openflow', 'cookieMask goes with delete and delete-strict only')
  }
  const vendor = Buffer.alloc(8)
  vendor.writeUInt32BE(NICIRA, 0)
  vendor.writeUInt32BE(NXT_FLOW_MOD, 4)
  const match = encodeNiciraMatch(mod.match, cookieMask === undefined ? undefined : { cookie, cookieMask })
  const lengths = Buffer.alloc(8)
  lengths.writeUInt16BE(match.length, 0)
  const padding = Buffer.alloc(-match.length & 7)
  return {
    type: TYPE.vendor,
    body: Buffer.concat([
      vendor,
      settings(mod, cookieMask === undefined ? cookie : 0n),
      lengths,
      match,
      padding,
      actionsOf(mod),
    ]),
  }
}

/**
 * What both kinds have in common: cookie, command, time-outs, priority, buffer, output port, flags; 24 bytes.
 */
function settings(mod: FlowMod, cookie: bigint): Buffer {
  const bytes = Buffer.alloc(24)
  bytes.writeBigUInt64BE(u64('cookie', cookie), 0)
  bytes.writeUInt16BE(COMMANDS[mod.command], 8)
  bytes.writeUInt16BE(within('idleTimeout', mod.idleTimeout ?? 0, 0, 0xffff), 10)
  bytes.writeUInt16BE(within('hardTimeout', mod.hardTimeout ?? 0, 0, 0xffff), 12)
  bytes.writeUInt16BE(within('priority', mod.priority ?? DEFAULT_PRIORITY, 0, 0xffff), 14)
  bytes.writeUInt32BE(NO_BUFFER, 16)
  bytes.writeUInt16BE(NO_PORT, 20)
  bytes.writeUInt16BE(mod.checkOverlap === true ? CHECK_OVERLAP : 0, 22)
  return bytes
}

function actionsOf(mod: FlowMod): Buffer {
  return encodeActions(mod.actions ?? [])
}
