import type { Kernel, Probe } from '../../src/kernel/kernel.js'
import { targetPath } from '../targets.js'

/** Pings that are under way at the same time: each begins with a frame that goes to all ports. */
const AT_ONCE = 16
const TIMEOUT_MS = 3000
const PATIENCE_MS = 120_000
/** One that is plugged in again answers at once or, before its port is ready, not at all. */
const SHORT_MS = 10

/**
 * Waits until each of the slots has answered a ping from the target beside it: first the odd ones ping, then the even ones,
 * to whom those have become known by that. Throws when some do not answer in two minutes.
 */
export async function untilAllAnswer(kernel: Kernel, count: number): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  for (const asking of [1, 0]) {
    const pairs: Pair[] = []
    for (let from = 2 - asking; from <= count; from += 2) pairs.push({ from, to: neighbour(from, count) })
    await untilAnswered(kernel, pairs, deadline)
  }
}

/** The first answer from one target to another, asked for again and again. Throws after two minutes. */
export async function firstAnswer(kernel: Kernel, from: number, to: number): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  for (;;) {
    const [outcome] = await kernel.probe([probe({ from, to }, SHORT_MS)])
    if (outcome?.reply === true) return
    if (performance.now() > deadline) throw silent([{ from, to }], outcome?.error)
  }
}

interface Pair {
  from: number
  to: number
}

function neighbour(slot: number, count: number): number {
  const beside = slot % 2 === 1 ? slot + 1 : slot - 1
  return beside > count ? slot - 1 : beside
}

async function untilAnswered(kernel: Kernel, pairs: readonly Pair[], deadline: number): Promise<void> {
  let waiting = pairs
  let why: string | undefined
  while (waiting.length > 0) {
    if (performance.now() > deadline) throw silent(waiting, why)
    const again: Pair[] = []
    for (let at = 0; at < waiting.length; at += AT_ONCE) {
      const some = waiting.slice(at, at + AT_ONCE)
      const outcomes = await kernel.probe(some.map((pair) => probe(pair, TIMEOUT_MS)))
      again.push(...some.filter((_, index) => outcomes[index]?.reply !== true))
      why = outcomes.find(({ error }) => error !== undefined)?.error ?? why
    }
    waiting = again
  }
}

function probe({ from, to }: Pair, timeoutMs: number): Probe {
  return { netns: targetPath(from), address: `10.0.${to >> 8}.${to & 255}`, timeoutMs }
}

function silent(pairs: readonly Pair[], why = 'no reply'): Error {
  const [first] = pairs
  return new Error(
    `${pairs.length} slots do not answer, such as ${first?.to} when slot ${first?.from} asks: ${why}`,
  )
}
