/**
 * Clients of VDE switches (Virtual Distributed Ethernet), as `ecdock-fast/vde`. See docs/vde.md.
 */
export { EcdockError, ERROR_CODES, type ErrorCode, type ErrorDetails } from '../errors.js'
export { type ConnectionStats, type ConnectOptions, connect, type VdeConnection } from './connection.js'
