import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { EcdockError } from '../../errors.js'
import type { Answer } from '../command.js'
import { EXIT_DONE, EXIT_FAILED } from '../exit-status.js'
import { cancelled, type Invocation } from '../invocation.js'
import { errorDocument } from '../render/error.js'
import { type Line, LineSplitter } from './lines.js'
import { parseOperation } from './operation.js'
import { type Outcome, performGroup } from './perform.js'
import { type Item, takeGroup } from './queue.js'

/** A longer line is refused, and not kept in memory either. */
const LONGEST_LINE = 1024 * 1024
/** How many operations are done together at most. */
const LARGEST_GROUP = 64
/** With so many operations waiting, nothing more is read. */
const LONGEST_QUEUE = 1024

/** Runs the operations in `file` (stdin without one) and writes their results as they come. */
export async function runBatch(invocation: Invocation, file: string | undefined): Promise<Answer> {
  const { stdin, stderr } = invocation.io
  const fromStdin = file === undefined || file === '-'
  if (fromStdin && stdin.isTTY === true && invocation.talkative) {
    stderr.write('Reading operations from the terminal, one JSON object a line; ctrl-d ends.\n')
  }
  const input = fromStdin ? stdin : createReadStream(file)
  const reader = new OperationReader(input, invocation.signal)
  try {
    return await invocation.withWorld(async (world) => {
      let failed = false
      while (await reader.ready()) {
        const group = takeGroup(reader.queue, LARGEST_GROUP)
        if (group === undefined) continue
        const outcomes = await performGroup(group, world, invocation)
        failed ||= outcomes.some((outcome) => !outcome.ok)
        const results = group.items.map((item, index) => resultLine(item, outcomes[index]))
        if (!(await written(invocation, results.join('')))) return { status: EXIT_FAILED }
      }
      if (invocation.signal.aborted) return { errors: [cancelled('batch', invocation.signal)] }
      if (reader.error !== undefined) {
        const what = `${fromStdin ? 'stdin' : file} cannot be read: ${reader.error.message}`
        throw new EcdockError('USAGE', 'batch', what, { cause: reader.error })
      }
      return { status: failed ? EXIT_FAILED : EXIT_DONE }
    })
  } finally {
    input.destroy()
  }
}

/** Reads ahead, so that what arrives while one group is being done makes the next one. */
class OperationReader {
  readonly queue: Item[] = []
  error: Error | undefined
  private ended = false
  private wake: () => void = () => {}
  private readonly splitter = new LineSplitter(LONGEST_LINE)

  constructor(
    private readonly input: Readable,
    private readonly signal: AbortSignal,
  ) {
    input.on('data', (chunk: Buffer) => this.take(this.splitter.push(chunk)))
    input.on('end', () => {
      this.take(this.splitter.end())
      this.finish()
    })
    input.on('error', (error) => {
      this.error = error
      this.finish()
    })
    input.on('close', () => this.finish())
    signal.addEventListener('abort', () => this.finish(), { once: true })
  }

  /** Waits for something in the queue; false when nothing will come any more. */
  async ready(): Promise<boolean> {
    if (this.queue.length < LONGEST_QUEUE && !this.ended) this.input.resume()
    while (this.queue.length === 0 && !this.ended) {
      await new Promise<void>((resolve) => {
        this.wake = resolve
      })
    }
    return this.queue.length > 0
  }

  private take(lines: Line[]): void {
    for (const line of lines) {
      if ('fault' in line) {
        const error = new EcdockError('USAGE', 'batch', line.fault)
        this.queue.push({ line: line.number, error })
      } else if (line.text.trim() !== '') {
        this.queue.push({ line: line.number, ...parseOperation(line.text) })
      }
    }
    if (this.queue.length >= LONGEST_QUEUE || this.signal.aborted) this.input.pause()
    this.wake()
  }

  private finish(): void {
    this.ended = true
    this.wake()
  }
}

function resultLine(item: Item, outcome: Outcome | undefined): string {
  const mark = item.id === undefined ? {} : { id: item.id }
  if (outcome?.ok === true) return `${JSON.stringify({ ok: true, ...mark, result: outcome.result })}\n`
  const error = outcome?.error ?? new EcdockError('INTERNAL', 'batch', 'the operation has no outcome')
  return `${JSON.stringify({ ok: false, ...mark, line: item.line, error: errorDocument(error) })}\n`
}

/** Writes and waits until there is room for more; false when nobody reads any more. */
async function written(invocation: Invocation, text: string): Promise<boolean> {
  const { stdout } = invocation.io
  if (stdout.destroyed || stdout.errored) return false
  if (stdout.write(text)) return true
  return new Promise((resolve) => {
    const settle = (): void => {
      stdout.off('drain', settle).off('close', settle).off('error', settle)
      resolve(!stdout.destroyed && !stdout.errored)
    }
    stdout.on('drain', settle).on('close', settle).on('error', settle)
  })
}
