import { PassThrough } from 'node:stream'
import { waitUntil } from './process.js'

/** A person's terminal, as far as a program can tell: it types, it shows, and it can be resized. */
export class FakeTerminal {
  readonly stdin = Object.assign(new PassThrough(), {
    isTTY: true,
    isRaw: false,
    setRawMode: (raw: boolean): void => {
      this.stdin.isRaw = raw
    },
  })
  readonly stdout = Object.assign(new PassThrough(), { isTTY: true, rows: 24, columns: 80 })
  /** All that has been shown. */
  screen = ''

  constructor() {
    this.stdout.on('data', (chunk: Buffer) => {
      this.screen += chunk.toString()
    })
  }

  type(text: string): void {
    this.stdin.write(text)
  }

  resize(rows: number, columns: number): void {
    Object.assign(this.stdout, { rows, columns })
    this.stdout.emit('resize')
  }

  /** Waits until this text has been shown, in ms. */
  async shows(text: string, timeoutMs = 10_000): Promise<void> {
    const seen = () => this.screen.includes(text)
    await waitUntil(`the terminal shows ${text}`, seen, timeoutMs).catch((error: Error) => {
      throw new Error(`${error.message}; it shows:\n${this.screen}`)
    })
  }
}
