import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'

/**
 * Ports that stand for something else than a port of the switch (`enum ofp_port`, OpenFlow 1.0.0 section
 * 5.2.1).
 */
const RESERVED = {
  IN_PORT: 0xfff8,
  TABLE: 0xfff9,
  NORMAL: 0xfffa,
  FLOOD: 0xfffb,
  ALL: 0xfffc,
  CONTROLLER: 0xfffd,
  LOCAL: 0xfffe,
} as const

export type ReservedPort = keyof typeof RESERVED
/** A port of the switch, 1 to 65279, or one that stands for something else. */
export type PortNumber = number | ReservedPort

/** In place of a port: none, or any. */
export const NO_PORT = 0xffff

/** OFPP_MAX is 0xff00; Open vSwitch gives no port that number either. */
const LAST_PORT = 0xfeff

const NAMES = new Map<number, ReservedPort>(
  Object.entries(RESERVED).map(([name, number]) => [number, name as ReservedPort]),
)

/**
 * As it is on the wire. Throws USAGE for what is no port, or not one of the reserved ports that are
 * `allowed`.
 */
export function encodePort(port: PortNumber, allowed?: readonly ReservedPort[]): number {
  if (typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= LAST_PORT) return port
  const reserved = Object.hasOwn(RESERVED, port) ? (port as ReservedPort) : undefined
  if (reserved !== undefined && (allowed === undefined || allowed.includes(reserved)))
    return RESERVED[reserved]
  const names = allowed ?? Object.keys(RESERVED)
  throw new EcdockError('USAGE', 'openflow', `${quoted(port)} is no OpenFlow port here`, {
    hint: `Give a number from 1 to ${LAST_PORT}, or ${names.join(', ')}.`,
  })
}

export function decodePort(number: number): PortNumber {
  return NAMES.get(number) ?? number
}
