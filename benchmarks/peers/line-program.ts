import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/**
 * A program that runs as long as the benchmark does, takes one command a line, times it by itself and
 * answers with one line, a whole number: the ns that it took, or what else it has measured. So nobody pays for the start of a process but those who start
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

  /** How many ms the command took. Throws when the program ends instead of answering. */
  async ask(command: string): Promise<number> {
    return (await this.number(command)) / 1e6
  }

  /** The answer as it is. Throws as {@link ask}. */
  async number(command: string): Promise<number> {
    this.#child.stdin.write(`${command}\n`)
    const answer = await this.#answers.next()
    if (answer.done === true) {
      throw new Error(`${this.#command}: "${command}" failed: ${this.#errors.trim() || 'no reason given'}`)
    }
    if (!/^\d+$/.test(answer.value)) throw new Error(`${this.#command}: "${command}" gave ${answer.value}`)
    return Number(answer.value)
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#child.once('close', resolve))
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.stdin.end()
    await closed
  }
}
