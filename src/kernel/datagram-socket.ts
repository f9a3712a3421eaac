import { type Addon, fromNative, loadAddon, type NativeError } from './addon.js'

export interface DatagramSocketOptions {
  /** How many datagrams may wait to be taken; what comes when there are so many is dropped and counted. */
  maxDatagrams: number
  /** How many bytes they may have together. */
  maxBytes: number
  /** Called when there is something to take, once until it is taken, and when what could not be sent may be now. */
  onReady: () => void
}

/**
 * A unix datagram socket, which Node itself does not have. Datagrams are received by a thread of the addon and
 * taken many at a time. Methods throw an EcdockError with an `errno`. It does not keep Node alive.
 */
export class DatagramSocket {
  readonly #addon: Addon
  readonly #socket: number
  #dropped = 0
  #open = true

  private constructor(addon: Addon, socket: number) {
    this.#addon = addon
    this.#socket = socket
  }

  /** Makes the socket file, which is the caller's to remove. Throws ADDON_MISSING; ENAMETOOLONG above 107 bytes. */
  static bind(path: string, { maxDatagrams, maxBytes, onReady }: DatagramSocketOptions): DatagramSocket {
    const addon = loadAddon()
    return new DatagramSocket(
      addon,
      call(() => addon.datagramBind(path, maxDatagrams, maxBytes, onReady)),
    )
  }

  connect(path: string): void {
    call(() => this.#addon.datagramConnect(this.#socket, path))
  }

  /** Sends to whom it is connected to. How many were taken, from the first; `onReady` tells when to try the others. */
  send(datagrams: readonly Uint8Array[]): number {
    return call(() => this.#addon.datagramSend(this.#socket, datagrams))
  }

  /** All that has come, each with its own length; they share one piece of memory. */
  take(): Buffer[] {
    const { bytes, lengths, dropped } = call(() => this.#addon.datagramTake(this.#socket))
    this.#dropped = dropped
    let at = 0
    return Array.from(lengths, (length) => {
      const datagram = bytes.subarray(at, at + length)
      at += length
      return datagram
    })
  }

  /** How many were dropped up to the last {@link take}, for want of room or because they had more than 64 KiB. */
  get dropped(): number {
    return this.#dropped
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#addon.datagramClose(this.#socket)
  }
}

function call<T>(native: () => T): T {
  try {
    return native()
  } catch (error) {
    throw fromNative(error as NativeError)
  }
}
