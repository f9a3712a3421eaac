import { unexpected } from './failure.js'

/** What a command was answered. */
export interface ConsoleAnswer {
  /** What it printed between `0000 DATA` and the line with a dot, without line ends. */
  lines: string[]
  /** 0 for success, else an errno. */
  code: number
  /** Such as `Success`, or why not. */
  message: string
}

export type ConsoleItem =
  | { kind: 'banner'; lines: string[] }
  | { kind: 'answer'; answer: ConsoleAnswer }
  | { kind: 'event'; code: number; text: string }
  | { kind: 'end' }

/** More than a line of any switch has. */
const MAX_LINE_BYTES = 16 * 1024
/** `port/allprint` of a switch with 65,535 ports has some 20 MB. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024

const PROMPT = Buffer.from('vde$ ')
const NEWLINE = 0x0a

/**
 * Reads the stream of a management console (vde-2's consmgmt.c), wherever it comes apart, in bounded memory. A banner
 * comes first. An answer is whole when the prompt follows it; events come between two answers. Throws VDE_PROTOCOL for
 * what cannot be: after that the stream is out of step for good.
 *
 * A switch of vde-2 prints what clients call themselves as it is, line ends included. Such a text can pass for the end of
 * an answer; it then does not fit, and is found out here.
 */
export class ConsoleReader {
  #held: Buffer = Buffer.alloc(0)
  #banner: string[] | undefined = []
  #lines: string[] = []
  #inData = false
  #bytes = 0
  #result: Pick<ConsoleAnswer, 'code' | 'message'> | undefined

  push(chunk: Uint8Array): ConsoleItem[] {
    const items: ConsoleItem[] = []
    let rest = this.#held.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#held, chunk])
    for (;;) {
      if (!this.#inData && rest.subarray(0, PROMPT.length).equals(PROMPT)) {
        rest = rest.subarray(PROMPT.length)
        items.push(...this.#prompted())
        continue
      }
      const end = rest.indexOf(NEWLINE)
      if (end < 0) break
      if (end > MAX_LINE_BYTES) throw unexpected(`a line of ${end} bytes`)
      items.push(...this.#line(rest.toString('utf8', 0, end).replace(/\r$/, '')))
      rest = rest.subarray(end + 1)
    }
    if (rest.length > MAX_LINE_BYTES) throw unexpected(`a line of more than ${MAX_LINE_BYTES} bytes`)
    // What is held must not keep the memory of all that came with it.
    this.#held = Buffer.from(rest)
    return items
  }

  /** What the end of the stream makes of what is held: `9999 END OF SESSION` ends without a line end. */
  end(): ConsoleItem[] {
    return this.#held.toString().startsWith('9999 ') && !this.#inData ? [{ kind: 'end' }] : []
  }

  #line(line: string): ConsoleItem[] {
    const kept = this.#banner ?? (this.#inData ? this.#lines : undefined)
    if (kept !== undefined) {
      this.#bytes += line.length + 1
      if (this.#bytes > MAX_ANSWER_BYTES) throw unexpected(`more than ${MAX_ANSWER_BYTES} bytes at a time`)
      if (this.#banner === undefined && line === '.') this.#inData = false
      else kept.push(line)
      return []
    }
    return line === '' ? [] : this.#coded(line)
  }

  #coded(line: string): ConsoleItem[] {
    const [, number, text = ''] = /^(\d{4})(?: (.*))?$/.exec(line) ?? []
    if (number === undefined) throw unexpected(`the line ${JSON.stringify(line.slice(0, 80))}`)
    const code = Number(number)
    if (number.startsWith('3')) return [{ kind: 'event', code, text }]
    if (number === '9999') return [{ kind: 'end' }]
    if (this.#result !== undefined) throw unexpected('two results in one answer')
    if (number === '0000') {
      if (this.#lines.length > 0) throw unexpected('data twice in one answer')
      this.#inData = true
    } else if (number.startsWith('1')) {
      this.#result = { code: code - 1000, message: text }
    } else {
      throw unexpected(`the code ${number}`)
    }
    return []
  }

  #prompted(): ConsoleItem[] {
    const banner = this.#banner
    this.#banner = undefined
    this.#bytes = 0
    if (banner !== undefined) return [{ kind: 'banner', lines: banner.filter((line) => line !== '') }]
    const result = this.#result
    const lines = this.#lines
    this.#result = undefined
    this.#lines = []
    if (result === undefined) throw unexpected('a prompt without an answer')
    return [{ kind: 'answer', answer: { lines, ...result } }]
  }
}
