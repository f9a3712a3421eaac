import { unexpected } from './failure.js'

/** A line of the control socket of ecdock-switch: a word, perhaps a second one, and fields (docs/ecdock-switch.md). */
export interface ControlMessage {
  /** Such as `ok`, `error`, `port` or `event port-added`. */
  word: string
  fields: ReadonlyMap<string, string>
}

/** Longer than any line that the switch sends: a label of 512 bytes, each written as three characters. */
const LONGEST_LINE = 8192

/** A request as a line, with its end. A field that is undefined is left out. */
export function encodeControl(
  verb: string,
  fields: Readonly<Record<string, string | number | undefined>> = {},
): string {
  let line = verb
  for (const [key, value] of Object.entries(fields)) {
    if (value !== undefined) line += ` ${key}=${escapeControl(String(value))}`
  }
  return `${line}\n`
}

/** A value as it stands in a line: bytes up to 0x20, `%`, and from 0x7f on as %XX. */
export function escapeControl(value: string): string {
  return [...Buffer.from(value)]
    .map((byte) =>
      byte <= 0x20 || byte === 0x25 || byte >= 0x7f
        ? `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
        : String.fromCharCode(byte),
    )
    .join('')
}

/** Makes messages of what comes from the socket, in pieces of any size. */
export class ControlReader {
  #unfinished = ''

  /** Throws VDE_PROTOCOL. */
  push(chunk: Buffer): ControlMessage[] {
    // A byte is a character: only values hold others than ASCII, and there they are written %XX.
    const lines = (this.#unfinished + chunk.toString('latin1')).split('\n')
    this.#unfinished = lines.pop() ?? ''
    if ([this.#unfinished, ...lines].some(({ length }) => length > LONGEST_LINE)) {
      throw unexpected(`a line of more than ${LONGEST_LINE} bytes on its control socket`)
    }
    return lines.map(parse)
  }
}

function parse(line: string): ControlMessage {
  const words = line.split(' ')
  const first = words.findIndex((word) => word.includes('='))
  const count = first < 0 ? words.length : first
  const fields = new Map<string, string>()
  for (const word of words.slice(count)) {
    const equals = word.indexOf('=')
    if (equals < 1) throw unexpected('a line on its control socket that cannot be read')
    fields.set(word.slice(0, equals), decoded(word.slice(equals + 1)))
  }
  return { word: words.slice(0, count).join(' '), fields }
}

function decoded(value: string): string {
  if (!value.includes('%')) return value
  const bytes = value.replace(/%([0-9a-fA-F]{2})/g, (_, digits) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  )
  return Buffer.from(bytes, 'latin1').toString()
}
