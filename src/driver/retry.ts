/** In ms. */
const SHORTEST_MS = 50
const LONGEST_MS = 2000

/** Work that is to be done whenever something asks for it, and again until it does not fail. */
export class Retry {
  #timer: NodeJS.Timeout | undefined
  #failures = 0
  #running: Promise<void> | undefined
  #again = false
  #stopped = false

  constructor(
    private readonly work: () => Promise<void>,
    /** Told of the first failure in a row, and of no other. */
    private readonly onFailure: (error: unknown) => void,
  ) {}

  /** Does it at once; the promise is kept when it has been tried. */
  now(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#stopped) return Promise.resolve()
    if (this.#running !== undefined) {
      this.#again = true
      return this.#running
    }
    this.#running = this.#run().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  /** Does it at once, and nobody waits. */
  soon(): void {
    this.now()
  }

  /** Does it in a moment, together with what else asks for it until then. */
  later(): void {
    if (this.#timer === undefined && !this.#stopped) {
      this.#timer = setTimeout(() => this.soon(), Math.min(SHORTEST_MS * 2 ** this.#failures, LONGEST_MS))
    }
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  async #run(): Promise<void> {
    do {
      this.#again = false
      try {
        await this.work()
        this.#failures = 0
      } catch (error) {
        if (this.#failures === 0) this.onFailure(error)
        this.#failures++
        this.later()
      }
    } while (this.#again && !this.#stopped)
  }
}
