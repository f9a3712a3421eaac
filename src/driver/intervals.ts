/** First and last number of a run. */
export type Interval = readonly [first: bigint, last: bigint]

/**
 * A set of numbers, kept as the runs that they form: few, even when there are many numbers, and as many as can be
 * written down for an IPv6 subnet.
 */
export class Intervals {
  /** In ascending order, with at least one number between two of them. */
  readonly #runs: Interval[] = []

  constructor(numbers: Iterable<Interval> = []) {
    for (const [first, last] of numbers) this.#insert(first, last)
  }

  /** How many runs there are. */
  get runs(): number {
    return this.#runs.length
  }

  has(number: bigint): boolean {
    const run = this.#runs[this.#runBefore(number)]
    return run !== undefined && number <= run[1]
  }

  /** False when it was there already. */
  add(number: bigint): boolean {
    if (this.has(number)) return false
    this.#insert(number, number)
    return true
  }

  /** False when it was not there. */
  delete(number: bigint): boolean {
    const index = this.#runBefore(number)
    const run = this.#runs[index]
    if (run === undefined || number > run[1]) return false
    const [first, last] = run
    const rest: Interval[] = []
    if (first < number) rest.push([first, number - 1n])
    if (number < last) rest.push([number + 1n, last])
    this.#runs.splice(index, 1, ...rest)
    return true
  }

  /** The lowest number from `low` to `high` that is neither here nor `excluded`; undefined when there is none. */
  lowestAbsent(low: bigint, high: bigint, excluded: ReadonlySet<bigint>): bigint | undefined {
    let number = low
    let index = Math.max(0, this.#runBefore(low))
    while (number <= high) {
      const run = this.#runs[index]
      if (run !== undefined && run[1] < number) index++
      else if (run !== undefined && run[0] <= number) number = run[1] + 1n
      else if (excluded.has(number)) number++
      else return number
    }
    return undefined
  }

  [Symbol.iterator](): Iterator<Interval> {
    return this.#runs[Symbol.iterator]()
  }

  /** Index of the last run that begins at `number` or before; -1 when all begin behind it. */
  #runBefore(number: bigint): number {
    let low = 0
    let high = this.#runs.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const run = this.#runs[middle]
      if (run !== undefined && run[0] <= number) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  /** Joins it with the runs that it touches. */
  #insert(first: bigint, last: bigint): void {
    let from = this.#runBefore(first)
    const before = this.#runs[from]
    if (before === undefined || before[1] < first - 1n) from++
    let to = from
    let [low, high] = [first, last]
    for (let run = this.#runs[to]; run !== undefined && run[0] <= last + 1n; run = this.#runs[++to]) {
      if (run[0] < low) low = run[0]
      if (run[1] > high) high = run[1]
    }
    this.#runs.splice(from, to - from, [low, high])
  }
}
