/** How long it took, in ms. */
export async function timed(operation: () => Promise<unknown>): Promise<number> {
  const begin = performance.now()
  await operation()
  return performance.now() - begin
}

/** Throws the first error of a bulk call: a benchmark never skips a number. */
export function checked(outcomes: readonly ({ ok: true } | { ok: false; error: Error })[]): void {
  for (const outcome of outcomes) if (!outcome.ok) throw outcome.error
}
