/** How many events may wait to be read. */
const MAX_WAITING = 10_000

/** Events between whoever tells of them and one who reads them by `for await`, in bounded memory. */
export class EventQueue<T> implements AsyncIterableIterator<T> {
  readonly #onClose: () => void
  #waiting: T[] = []
  #readers: { resolve: (result: IteratorResult<T>) => void; reject: (error: unknown) => void }[] = []
  #end: { error?: unknown } | undefined

  /** `onClose` is called when nobody will read any more. */
  constructor(onClose: () => void) {
    this.#onClose = onClose
  }

  /** False when there is no room. */
  put(event: T): boolean {
    const reader = this.#readers.shift()
    if (reader !== undefined) reader.resolve({ done: false, value: event })
    else if (this.#waiting.length >= MAX_WAITING) return false
    else this.#waiting.push(event)
    return true
  }

  /** What waits can still be read; then comes `error`. */
  end(error: unknown): void {
    if (this.#end !== undefined) return
    const [first, ...others] = this.#readers.splice(0)
    this.#end = first === undefined ? { error } : {}
    first?.reject(error)
    for (const reader of others) reader.resolve({ done: true, value: undefined })
    this.#onClose()
  }

  next(): Promise<IteratorResult<T>> {
    const event = this.#waiting.shift()
    if (event !== undefined) return Promise.resolve({ done: false, value: event })
    if (this.#end === undefined) {
      return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }))
    }
    if (!('error' in this.#end)) return Promise.resolve({ done: true, value: undefined })
    const { error } = this.#end
    this.#end = {}
    return Promise.reject(error)
  }

  return(): Promise<IteratorResult<T>> {
    this.#waiting = []
    if (this.#end === undefined) {
      this.#end = {}
      for (const reader of this.#readers.splice(0)) reader.resolve({ done: true, value: undefined })
      this.#onClose()
    }
    this.#end = {}
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
