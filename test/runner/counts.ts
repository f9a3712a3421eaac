/** What a test program said about itself. */
export interface Counts {
  passed: number
  failed: number
  skipped: number
}

/** All of them together. */
export function total(all: readonly Counts[]): Counts {
  const sum = (of: keyof Counts) => all.reduce((before, counts) => before + counts[of], 0)
  return { passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') }
}

/** Of what test/run.ts has printed until now: the counts of the files that it has told of. */
export function reportedCounts(output: string): Counts {
  const lines = output.matchAll(
    /^(?:ok {2}|FAIL|skip) .* (\d+) passed(?:, (\d+) failed)?(?:, (\d+) skipped)?$/gm,
  )
  return total(
    [...lines].map(([, passed, failed = 0, skipped = 0]) => ({
      passed: Number(passed),
      failed: Number(failed),
      skipped: Number(skipped),
    })),
  )
}

/**
 * The counts that uvu prints at the end of a file, undefined when there are none. What has not passed has
 * failed: uvu exits with 0 when a `before` hook throws and none of the tests has run.
 */
export function uvuCounts(output: string): Counts | undefined {
  const found = /^ {2}Total: +(\d+)\n {2}Passed: +(\d+)\n {2}Skipped: +(\d+)$/m.exec(withoutColours(output))
  if (found === null) return undefined
  const [total, passed, skipped] = found.slice(1).map(Number) as [number, number, number]
  return { passed, failed: total - passed, skipped }
}

/** The counts of doctest's closing lines, undefined when there are none. */
export function doctestCounts(output: string): Counts | undefined {
  const pattern =
    /^\[doctest\] test cases: +\d+ \| +(\d+) passed \| +(\d+) failed \|(?: +(\d+) skipped)?\s*$/m
  const found = pattern.exec(withoutColours(output))
  if (found === null) return undefined
  return { passed: Number(found[1]), failed: Number(found[2]), skipped: Number(found[3] ?? 0) }
}

function withoutColours(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: an escape sequence begins with a control character
  return text.replace(/\u001b\[[0-9;]*m/g, '')
}
