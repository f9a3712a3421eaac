/** A line of input, numbered from 1; `fault` says why a line cannot be used. */
export type Line = { number: number; text: string } | { number: number; fault: string }

const LINE_FEED = 0x0a

/**
 * Cuts a stream of bytes into lines. However long a line is, no more than `maxBytes` of it are kept: a longer
 * one becomes a fault, and what follows it is read as if nothing had happened.
 */
export class LineSplitter {
  private number = 0
  /** The line so far is the first `bytes` of it, when that many fit. */
  private kept = Buffer.alloc(4096)
  private bytes = 0
  private readonly decoder = new TextDecoder('utf-8', { fatal: true })

  constructor(private readonly maxBytes: number) {}

  push(chunk: Uint8Array): Line[] {
    const lines: Line[] = []
    let begin = 0
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, begin)) {
      this.keep(chunk.subarray(begin, end))
      lines.push(this.take())
      begin = end + 1
    }
    this.keep(chunk.subarray(begin))
    return lines
  }

  /** The last line, when it has no line feed. */
  end(): Line[] {
    return this.bytes === 0 ? [] : [this.take()]
  }

  private keep(part: Uint8Array): void {
    const bytes = this.bytes + part.length
    if (bytes <= this.maxBytes) {
      if (bytes > this.kept.length) {
        const larger = Buffer.alloc(Math.max(bytes, 2 * this.kept.length))
        larger.set(this.kept.subarray(0, this.bytes))
        this.kept = larger
      }
      this.kept.set(part, this.bytes)
    }
    this.bytes = bytes
  }

  private take(): Line {
    const { bytes } = this
    this.bytes = 0
    const number = ++this.number
    if (bytes > this.maxBytes) return { number, fault: `the line is longer than ${this.maxBytes} bytes` }
    try {
      return { number, text: this.decoder.decode(this.kept.subarray(0, bytes)) }
    } catch {
      return { number, fault: 'the line is not UTF-8' }
    }
  }
}
