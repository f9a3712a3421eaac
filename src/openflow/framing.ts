import { HEADER_BYTES, MAX_MESSAGE_BYTES, type Message } from './message.js'
import { unexpected } from './protocol-error.js'

/**
 * Cuts a stream into messages, wherever it comes apart. It holds one unfinished message at most, in memory
 * that does not grow.
 */
export class MessageFramer {
  readonly #held = Buffer.alloc(MAX_MESSAGE_BYTES)
  #size = 0

  /** Whether the stream has stopped in the middle of a message. */
  get unfinished(): boolean {
    return this.#size > 0
  }

  /** The messages that `chunk` completes. Throws OPENFLOW_PROTOCOL for a length that no message can have. */
  push(chunk: Uint8Array): Message[] {
    const messages: Message[] = []
    for (let at = 0; at < chunk.length; ) {
      const wanted = this.#size < HEADER_BYTES ? HEADER_BYTES : this.#held.readUInt16BE(2)
      const piece = chunk.subarray(at, at + wanted - this.#size)
      this.#held.set(piece, this.#size)
      this.#size += piece.length
      at += piece.length
      if (this.#size < HEADER_BYTES) break
      const length = this.#held.readUInt16BE(2)
      if (length < HEADER_BYTES) throw unexpected(`a message of ${length} bytes, shorter than its header`)
      if (this.#size === length) messages.push(this.#take(length))
    }
    return messages
  }

  #take(length: number): Message {
    this.#size = 0
    return {
      version: this.#held.readUInt8(0),
      type: this.#held.readUInt8(1),
      xid: this.#held.readUInt32BE(4),
      body: Buffer.from(this.#held.subarray(HEADER_BYTES, length)),
    }
  }
}
