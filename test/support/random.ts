/** Chance that can be repeated: mulberry32, from a seed of 32 bits. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** A whole number from 0 to `count` - 1. */
  below(count: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * count)
  }

  oneIn(count: number): boolean {
    return this.below(count) === 0
  }

  /** One of them, which are not none. */
  of<T>(choices: readonly T[]): T {
    const [first, ...others] = choices
    const chosen = this.below(choices.length)
    return (chosen === 0 ? first : others[chosen - 1]) as T
  }

  bytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.below(256)))
  }
}
