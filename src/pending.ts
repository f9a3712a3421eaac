import { EcdockError } from './errors.js'

export interface Limits {
  /** What is being done, for the error. */
  op: string
  /** In ms. */
  timeoutMs: number
  signal?: AbortSignal | undefined
  /** The error of a wait that took longer than `timeoutMs`. */
  expired: () => EcdockError
}

/**
 * Something that is awaited with a deadline and can be cancelled. It settles once, and then lets go of its
 * timer and its listener, so that thousands of waits on one signal leave nothing behind.
 */
export class Pending<T> {
  readonly promise: Promise<T>
  readonly #signal: AbortSignal | undefined
  readonly #timer: NodeJS.Timeout
  readonly #onAbort: () => void
  readonly #atEnd: (() => void)[] = []
  #resolve: (value: T) => void = () => {}
  #reject: (error: unknown) => void = () => {}
  #settled = false

  /** Throws CANCELLED when the signal has been aborted already. */
  constructor(limits: Limits) {
    throwIfCancelled(limits.op, limits.signal)
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#timer = setTimeout(() => this.reject(limits.expired()), limits.timeoutMs)
    this.#signal = limits.signal
    this.#onAbort = () => this.reject(cancelled(limits.op, limits.signal))
    if (this.#signal !== undefined) onAbort(this.#signal, this.#onAbort)
  }

  get settled(): boolean {
    return this.#settled
  }

  /** `action` is called once, as soon as this settles. */
  atEnd(action: () => void): void {
    if (this.#settled) action()
    else this.#atEnd.push(action)
  }

  resolve(value: T): void {
    if (this.#end()) this.#resolve(value)
  }

  reject(error: unknown): void {
    if (this.#end()) this.#reject(error)
  }

  #end(): boolean {
    if (this.#settled) return false
    this.#settled = true
    clearTimeout(this.#timer)
    if (this.#signal !== undefined) offAbort(this.#signal, this.#onAbort)
    for (const action of this.#atEnd) action()
    return true
  }
}

interface Abortion {
  actions: Set<() => void>
  listener: () => void
}

/** One listener a signal, however many wait on it: Node takes more than ten for a leak and warns. */
const abortions = new WeakMap<AbortSignal, Abortion>()

function onAbort(signal: AbortSignal, action: () => void): void {
  let abortion = abortions.get(signal)
  if (abortion === undefined) {
    const actions = new Set<() => void>()
    const listener = () => {
      for (const each of [...actions]) each()
    }
    abortion = { actions, listener }
    abortions.set(signal, abortion)
    signal.addEventListener('abort', listener, { once: true })
  }
  abortion.actions.add(action)
}

function offAbort(signal: AbortSignal, action: () => void): void {
  const abortion = abortions.get(signal)
  abortion?.actions.delete(action)
  if (abortion?.actions.size === 0) {
    signal.removeEventListener('abort', abortion.listener)
    abortions.delete(signal)
  }
}

/** Throws CANCELLED when `signal` has been aborted. */
export function throwIfCancelled(op: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancelled(op, signal)
}

function cancelled(op: string, signal: AbortSignal | undefined): EcdockError {
  return new EcdockError('CANCELLED', op, `${op} was cancelled.`, { cause: signal?.reason })
}
