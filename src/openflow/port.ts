import { addressBytes, addressText } from './ethernet.js'
import { type Message, type Request, TYPE } from './message.js'
import { decodePort, encodePort, type PortNumber } from './port-number.js'
import { unexpected } from './protocol-error.js'

/** `enum ofp_port_config` (OpenFlow 1.0.0 section 5.2.1). */
const CONFIG = {
  /** The port is taken out of service. */
  down: 1 << 0,
  /** No spanning tree on it. */
  noStp: 1 << 1,
  /** What it receives is dropped, except for spanning tree. */
  noRecv: 1 << 2,
  /** What it receives of spanning tree is dropped. */
  noRecvStp: 1 << 3,
  /** Packets that are flooded do not go out by it. */
  noFlood: 1 << 4,
  /** Nothing goes out by it. */
  noFwd: 1 << 5,
  /** What it receives is not sent to a controller when no flow matches. */
  noPacketIn: 1 << 6,
} as const

export type PortConfig = Record<keyof typeof CONFIG, boolean>

/** States of a port in the spanning tree, as `enum ofp_port_state` has them in bits 8 and 9. */
const STP = ['listen', 'learn', 'forward', 'block'] as const

export interface OpenFlowPort {
  number: PortNumber
  /** The name of its interface, cut to 15 bytes. */
  name: string
  /** As `52:00:0a:00:00:01`. */
  hwAddr: string
  config: PortConfig
  state: { linkDown: boolean; stp: (typeof STP)[number] }
}

export interface Features {
  datapathId: bigint
  /** How many tables of flows it has. */
  tables: number
  /** As many as fit into one message; see OpenFlowClient.ports. */
  ports: OpenFlowPort[]
  /** The message has no room for another port, so there may be more. */
  portsCut: boolean
}

/** A change of a port's configuration: what is not named stays as it is. */
export interface PortMod {
  port: PortNumber
  /** The port's own address, by which the switch makes sure that the port is meant. */
  hwAddr: string
  config: Partial<PortConfig>
}

/** Bytes of `struct ofp_phy_port`, and of what is before the ports in OFPT_FEATURES_REPLY. */
const PORT_BYTES = 48
const FEATURES_BYTES = 24
const MAX_BODY_BYTES = 0xffff - 8

/** Throws OPENFLOW_PROTOCOL. */
export function decodeFeatures({ type, body }: Message): Features {
  if (type !== TYPE.featuresReply) throw unexpected(`a message of type ${type} in place of its features`)
  if (body.length < FEATURES_BYTES) throw unexpected(`features of ${body.length} bytes`)
  return {
    datapathId: body.readBigUInt64BE(0),
    tables: body.readUInt8(12),
    ports: decodePorts(body.subarray(FEATURES_BYTES)),
    portsCut: body.length + PORT_BYTES > MAX_BODY_BYTES,
  }
}

/** `struct ofp_phy_port`, as many as there are. Throws OPENFLOW_PROTOCOL. */
export function decodePorts(bytes: Buffer): OpenFlowPort[] {
  if (bytes.length % PORT_BYTES !== 0) {
    throw unexpected(`ports of ${PORT_BYTES} bytes each in ${bytes.length} bytes`)
  }
  return Array.from({ length: bytes.length / PORT_BYTES }, (_, index) =>
    decodePort48(bytes, index * PORT_BYTES),
  )
}

function decodePort48(bytes: Buffer, at: number): OpenFlowPort {
  const name = bytes.subarray(at + 8, at + 24)
  const end = name.indexOf(0)
  const state = bytes.readUInt32BE(at + 28)
  return {
    number: decodePort(bytes.readUInt16BE(at)),
    hwAddr: addressText(bytes, at + 2),
    name: name.toString('utf8', 0, end < 0 ? name.length : end),
    config: decodeConfig(bytes.readUInt32BE(at + 24)),
    state: { linkDown: (state & 1) !== 0, stp: STP[(state >> 8) & 3] ?? 'listen' },
  }
}

function decodeConfig(bits: number): PortConfig {
  const config: PortConfig = {
    down: false,
    noStp: false,
    noRecv: false,
    noRecvStp: false,
    noFlood: false,
    noFwd: false,
    noPacketIn: false,
  }
  for (const key of configKeys()) config[key] = (bits & CONFIG[key]) !== 0
  return config
}

/** OFPT_PORT_MOD. Throws USAGE and MAC_INVALID. */
export function encodePortMod({ port, hwAddr, config }: PortMod): Request {
  let bits = 0
  let mask = 0
  for (const key of configKeys()) {
    if (config[key] === undefined) continue
    mask |= CONFIG[key]
    if (config[key]) bits |= CONFIG[key]
  }
  const body = Buffer.alloc(24)
  body.writeUInt16BE(encodePort(port, ['LOCAL']), 0)
  body.set(addressBytes(hwAddr), 2)
  body.writeUInt32BE(bits, 8)
  body.writeUInt32BE(mask, 12)
  return { type: TYPE.portMod, body }
}

function configKeys(): (keyof PortConfig)[] {
  return Object.keys(CONFIG) as (keyof PortConfig)[]
}
