/** What many samples of one thing come to; the unit is that of the samples. */
export interface Summary {
  samples: number
  min: number
  median: number
  p99: number
}

/**
 * The value below which a share `p` (0 to 1) of the samples lies, interpolated linearly between the two
 * nearest ones (definition 7 in Hyndman and Fan, Sample Quantiles in Statistical Packages, 1996). Throws
 * RangeError without samples.
 */
export function percentile(samples: readonly number[], p: number): number {
  if (p < 0 || p > 1) throw new RangeError(`a percentile is a share from 0 to 1, not ${p}`)
  const sorted = samples.toSorted((a, b) => a - b)
  const position = (sorted.length - 1) * p
  const below = sorted[Math.floor(position)]
  const above = sorted[Math.ceil(position)]
  if (below === undefined || above === undefined) throw new RangeError('no samples')
  return below + (above - below) * (position - Math.floor(position))
}

export function median(samples: readonly number[]): number {
  return percentile(samples, 0.5)
}

export function summarise(samples: readonly number[]): Summary {
  return {
    samples: samples.length,
    min: percentile(samples, 0),
    median: median(samples),
    p99: percentile(samples, 0.99),
  }
}
