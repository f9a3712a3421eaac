/**
 * Clients of VDE switches (Virtual Distributed Ethernet), as `ecdock-fast/vde`. See docs/vde.md.
 */
export { EcdockError, ERROR_CODES, type ErrorCode, type ErrorDetails } from '../errors.js'
export { type ConnectionStats, type ConnectOptions, connect, type VdeConnection } from './connection.js'
export { type ConsoleOptions, VdeConsole } from './console.js'
export type {
  ConsoleEvent,
  ConsolePort,
  Endpoint,
  HashEntry,
  PortCounters,
  PortSettings,
  SwitchInfo,
} from './console-tables.js'
