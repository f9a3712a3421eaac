import { isUtf8 } from 'node:buffer'
import { EcdockError } from '../errors.js'

export interface FramerLimits {
  /** Longest message that is accepted, in bytes. Default 64 MiB. */
  maxBytes?: number
  /** Deepest nesting of objects and arrays that is accepted. Default 128. */
  maxDepth?: number
  /** Most values in one message: a small one, such as `[]`, takes ten times its length in memory. Default 8 million. */
  maxValues?: number
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const COMMA = 0x2c
const SMALLEST_STORE = 4096

/**
 * Cuts a byte stream into JSON objects and arrays. OVSDB's JSON-RPC has no length prefix (RFC 7047 section
 * 4), so the end of a value is found by counting brackets outside strings; the value is then parsed once.
 *
 * After an error nothing more can be made of the stream: close it.
 */
export class JsonFramer {
  readonly #maxBytes: number
  readonly #maxDepth: number
  readonly #maxValues: number
  #depth = 0
  #values = 0
  #inString = false
  #escaped = false
  /** Bytes of the unfinished value: one growing store, because a list of tiny chunks costs more than they hold. */
  #store = Buffer.alloc(0)
  #stored = 0

  constructor(limits: FramerLimits = {}) {
    this.#maxBytes = limits.maxBytes ?? 64 * 1024 * 1024
    this.#maxDepth = limits.maxDepth ?? 128
    this.#maxValues = limits.maxValues ?? 8_000_000
  }

  /** True when the bytes so far end inside a value. */
  get unfinished(): boolean {
    return this.#depth > 0
  }

  /** Bytes held for the unfinished value. */
  get heldBytes(): number {
    return this.#stored
  }

  /** The values that end in `chunk`, in order. Throws OVSDB_PROTOCOL. */
  push(chunk: Uint8Array): unknown[] {
    const values: unknown[] = []
    // Locals, because fields would be read and written once for every byte.
    let depth = this.#depth
    let inString = this.#inString
    let escaped = this.#escaped
    let count = this.#values
    let start = 0
    for (let index = 0; index < chunk.length; index++) {
      const byte = chunk[index]
      if (inString) {
        if (escaped) escaped = false
        else if (byte === BACKSLASH) escaped = true
        else if (byte === QUOTE) inString = false
      } else if (byte === QUOTE && depth > 0) {
        inString = true
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        if (depth === 0) {
          start = index
          count = 0
        }
        if (++depth > this.#maxDepth) throw protocolError(`nesting deeper than ${this.#maxDepth}`)
      } else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && depth > 0) {
        if (--depth === 0) values.push(this.#finish(chunk.subarray(start, index + 1)))
      } else if (byte === COMMA && depth > 0) {
        if (++count > this.#maxValues) throw protocolError(`a message of more than ${this.#maxValues} values`)
      } else if (depth === 0 && !isWhitespace(byte)) {
        throw protocolError('something that is not a JSON object')
      }
    }
    if (depth > 0) this.#keep(chunk.subarray(start))
    this.#depth = depth
    this.#inString = inString
    this.#escaped = escaped
    this.#values = count
    return values
  }

  #finish(tail: Uint8Array): unknown {
    if (this.#stored === 0) {
      this.#checkLength(tail.length)
      return parse(tail)
    }
    this.#keep(tail)
    const bytes = this.#store.subarray(0, this.#stored)
    this.#store = Buffer.alloc(0)
    this.#stored = 0
    return parse(bytes)
  }

  #keep(bytes: Uint8Array): void {
    const length = this.#stored + bytes.length
    this.#checkLength(length)
    if (length > this.#store.length) {
      const grown = Buffer.allocUnsafe(this.#grownLength(length))
      this.#store.copy(grown, 0, 0, this.#stored)
      this.#store = grown
    }
    this.#store.set(bytes, this.#stored)
    this.#stored = length
  }

  /** Twice as much each time, but never more than a message may have. */
  #grownLength(length: number): number {
    return Math.max(length, Math.min(2 * this.#store.length, this.#maxBytes), SMALLEST_STORE)
  }

  #checkLength(length: number): void {
    if (length > this.#maxBytes) throw protocolError(`a message longer than ${this.#maxBytes} bytes`)
  }
}

function parse(bytes: Uint8Array): unknown {
  if (!isUtf8(bytes)) throw protocolError('a message that is not UTF-8')
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'))
  } catch (cause) {
    throw protocolError('malformed JSON', cause)
  }
}

function isWhitespace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

function protocolError(what: string, cause?: unknown): EcdockError {
  return new EcdockError('OVSDB_PROTOCOL', 'ovsdb receive', `The OVSDB server sent ${what}.`, { cause })
}
