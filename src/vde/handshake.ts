import { endianness } from 'node:os'
import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'
import { unexpected } from './failure.js'

/**
 * What is said on a VDE switch's socket `ctl` when a client plugs in, as vde-2's datasock.c and libvdeplug have it. All
 * numbers are in the machine's own byte order.
 */

/** Longest description of a client, in bytes. */
export const MAX_DESCRIPTION_BYTES = 127
/** Longest path of a unix socket, in bytes: sun_path of unix(7) without its closing NUL. */
export const MAX_SOCKET_PATH_BYTES = 107
/** The reply is one struct sockaddr_un (unix(7)). */
export const REPLY_BYTES = 110
/** The highest port that fits above the type's low byte and that a switch could number. */
export const MAX_PORT = 65535

const MAGIC = 0xfeedface
const AF_UNIX = 1
const MAC_BYTES = 6
const NEW_CONTROL = 0
const NEW_PORT0 = 1

export interface PlugRequest {
  /** 3, or 1 for switches older than VDE 2. */
  version: 1 | 3
  /** The port that is wanted; 0 is the switch's own, undefined any. */
  port: number | undefined
  /** Of the client's datagram socket. */
  path: string
  /** What the switch shows of the client; at most 127 bytes. */
  description: string
}

/** The one message that a client sends. It has to go out in one write. Throws USAGE. */
export function encodeRequest({ version, port, path, description }: PlugRequest): Buffer {
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= MAX_PORT)) {
    throw wrong(`${quoted(port)} is no port of a switch`, `Give a whole number from 0 to ${MAX_PORT}.`)
  }
  checkDescription(description)
  const type = port === 0 ? NEW_PORT0 : NEW_CONTROL | ((port ?? 0) << 8)
  // The first version has a MAC address where the third has its number, which nobody reads.
  const head =
    version === 3
      ? Buffer.concat([u32(MAGIC), u32(3), u32(type)])
      : Buffer.concat([u32(MAGIC), u32(type), Buffer.alloc(MAC_BYTES)])
  return Buffer.concat([head, encodeAddress(path), Buffer.from(description)])
}

/** Takes the reply, wherever it comes apart. It holds no more than one. */
export class ReplyReader {
  readonly #held = Buffer.alloc(REPLY_BYTES)
  #size = 0

  /** Whether a reply has begun and not ended. */
  get unfinished(): boolean {
    return this.#size > 0 && this.#size < REPLY_BYTES
  }

  /** The path of the switch's datagram socket for this port, once all has come. Throws VDE_PROTOCOL. */
  push(chunk: Uint8Array): string | undefined {
    if (this.#size + chunk.length > REPLY_BYTES) throw unexpected('more than a reply')
    this.#held.set(chunk, this.#size)
    this.#size += chunk.length
    return this.#size === REPLY_BYTES ? decodeAddress(this.#held) : undefined
  }
}

function encodeAddress(path: string): Buffer {
  const bytes = Buffer.from(path)
  if (bytes.length === 0 || bytes.length > MAX_SOCKET_PATH_BYTES || bytes.includes(0)) {
    throw wrong(
      `${quoted(path)} cannot be the path of a socket`,
      `It may have ${MAX_SOCKET_PATH_BYTES} bytes.`,
    )
  }
  const address = Buffer.alloc(REPLY_BYTES)
  address.set(u16(AF_UNIX))
  address.set(bytes, 2)
  return address
}

function decodeAddress(address: Buffer): string {
  const family = endianness() === 'LE' ? address.readUInt16LE(0) : address.readUInt16BE(0)
  if (family !== AF_UNIX) throw unexpected(`an address of family ${family} in place of a unix socket's`)
  const end = address.indexOf(0, 2)
  const path = address.subarray(2, end < 0 ? REPLY_BYTES : end).toString()
  if (!path.startsWith('/')) throw unexpected(`the socket path ${quoted(path)}, which is not absolute`)
  return path
}

/** It is printed on consoles as it is, so it must not hold what could be taken for more than text. */
function checkDescription(description: string): void {
  const hint = `Give a line of at most ${MAX_DESCRIPTION_BYTES} bytes.`
  if (typeof description !== 'string' || /\p{C}/u.test(description)) {
    throw wrong(`the description ${quoted(description)} holds characters that cannot be printed`, hint)
  }
  const bytes = Buffer.byteLength(description)
  if (bytes > MAX_DESCRIPTION_BYTES) throw wrong(`the description has ${bytes} bytes`, hint)
}

function u16(value: number): Buffer {
  return Buffer.from(Uint16Array.of(value).buffer)
}

function u32(value: number): Buffer {
  return Buffer.from(Uint32Array.of(value).buffer)
}

function wrong(message: string, hint: string): EcdockError {
  return new EcdockError('USAGE', 'vde connect', message, { hint })
}
