import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/**
 * A program that runs as long as the benchmark does, takes one command a line, times it by itself and
 * answers with one line, a JSON array of ns. So nobody pays for the start of a process but those who start
 * processes to do the work.
 */
export class LineProgram {
  readonly #command: string
  readonly #child: ChildProcessWithoutNullStreams
  readonly #answers: AsyncIterator<string>
  #errors = ''

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    this.#command = command
    this.#child = spawn(command, args, { env })
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-4000)
    })
    // A program that is gone shows in the answer that does not come.
    this.#child.on('error', (error) => {
      this.#errors += error.message
    })
    this.#child.stdin.on('error', () => {})
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  /** The answer in ms. Throws when the program ends instead of giving one. */
  async ask(command: string): Promise<number[]> {
    this.#child.stdin.write(`${command}\n`)
    const answer = await this.#answers.next()
    if (answer.done === true) {
      throw new Error(`${this.#command}: "${command}" failed: ${this.#errors.trim() || 'no reason given'}`)
    }
    const ns: unknown = JSON.parse(answer.value)
    if (!Array.isArray(ns) || ns.length === 0 || !ns.every((n): n is number => typeof n === 'number')) {
      throw new Error(`${this.#command}: "${command}" gave ${answer.value}`)
    }
    return ns.map((n) => n / 1e6)
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#child.once('close', resolve))
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.stdin.end()
    await closed
  }
}

export function sum(times: readonly number[]): number {
  return times.reduce((total, time) => total + time, 0)
}

/** The only time that a command for one thing was answered with. */
export function only(times: readonly number[]): number {
  const [time] = times
  if (time === undefined || times.length !== 1) throw new Error(`one time was expected, not ${times.length}`)
  return time
}
