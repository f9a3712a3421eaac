import { LineProgram } from '../peers/line-program.js'
import { compile } from '../program.js'

/** Compiles what makes the traffic into the directory and gives the path of the program. */
export function buildLoad(directory: string): string {
  return compile('benchmarks/load', `${directory}/load`)
}

/** Traffic from one network namespace to an address in the other, and what has arrived of it. */
export class Load {
  readonly #child: LineProgram

  constructor(program: string, from: string, to: string, address: string) {
    this.#child = new LineProgram(program, [from, to, address])
  }

  /** Bytes of one TCP connection in a second. */
  tcp(ms: number): Promise<number> {
    return this.#child.number(`tcp ${ms}`)
  }

  /** How many frames of 64 bytes arrive, when `rate` are sent in a second. */
  udp(rate: number, ms: number): Promise<number> {
    return this.#child.number(`udp ${rate} ${ms}`)
  }

  /** Frames of 64 bytes that arrive in a second between two clients of the VDE switch in the directory. */
  vde(directory: string, ms: number): Promise<number> {
    return this.#child.number(`vde ${directory} ${ms}`)
  }

  close(): Promise<void> {
    return this.#child.close()
  }
}
