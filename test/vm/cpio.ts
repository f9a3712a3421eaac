import { createReadStream, createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** File types of stat(2), st_mode. */
const TYPES = { directory: 0o040000, file: 0o100000, link: 0o120000 } as const

interface Entry {
  mode: number
  /** Bytes, or the path of the file on this machine that has them. */
  content: Buffer | { path: string; bytes: number }
}

/**
 * An archive in cpio's `newc` format, which is what Linux unpacks into its first root file system
 * (Documentation/driver-api/early-userspace/buffer-format.rst). Paths are absolute, as in the file system to be, and
 * the directories above them come along by themselves. Everything belongs to root.
 */
export class CpioArchive {
  readonly #entries = new Map<string, Entry>()

  has(path: string): boolean {
    return this.#entries.has(path)
  }

  directory(path: string, permissions = 0o755): void {
    this.#add(path, { mode: TYPES.directory | permissions, content: Buffer.alloc(0) })
  }

  text(path: string, content: string, permissions = 0o644): void {
    this.#add(path, { mode: TYPES.file | permissions, content: Buffer.from(content) })
  }

  /** A copy of `source`, a regular file of `bytes` bytes; it is read when the archive is written. */
  file(path: string, source: string, bytes: number, permissions: number): void {
    this.#add(path, { mode: TYPES.file | permissions, content: { path: source, bytes } })
  }

  link(path: string, target: string): void {
    this.#add(path, { mode: TYPES.link | 0o777, content: Buffer.from(target) })
  }

  /** Writes the archive to a file of this machine. Throws when a file that goes into it has changed its size. */
  async writeTo(path: string): Promise<void> {
    await pipeline(Readable.from(this.#bytes()), createWriteStream(path))
  }

  #add(path: string, entry: Entry): void {
    const above = path.slice(0, path.lastIndexOf('/'))
    // The kernel makes nothing that lies in a directory which it has not made yet.
    if (above !== '' && !this.#entries.has(above)) this.directory(above)
    this.#entries.set(path, entry)
  }

  async *#bytes(): AsyncGenerator<Buffer> {
    let number = 0
    for (const [path, { mode, content }] of this.#entries) {
      number++
      if (Buffer.isBuffer(content)) {
        yield header(number, path.slice(1), mode, content.length)
        yield padded(content)
        continue
      }
      yield header(number, path.slice(1), mode, content.bytes)
      let bytes = 0
      for await (const chunk of createReadStream(content.path) as AsyncIterable<Buffer>) {
        bytes += chunk.length
        yield chunk
      }
      if (bytes !== content.bytes) throw new Error(`${content.path} has changed while it was being copied`)
      yield padding(bytes)
    }
    yield header(0, 'TRAILER!!!', 0, 0)
  }
}

/** Thirteen numbers of eight hexadecimal digits after the magic one, then the name and its NUL, padded to four bytes. */
function header(number: number, name: string, mode: number, bytes: number): Buffer {
  const nameBytes = Buffer.byteLength(name) + 1
  const [owner, group, links, time, device, checksum] = [0, 0, 1, 0, 0, 0]
  const fields = [number, mode, owner, group, links, time, bytes, device, device, device, device, nameBytes]
  const digits = [...fields, checksum].map((field) => field.toString(16).padStart(8, '0'))
  return padded(Buffer.from(`070701${digits.join('')}${name}\0`))
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, padding(bytes.length)])
}

function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4)
}
