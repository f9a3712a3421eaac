/** A time in ms that something took when there were so many ports. */
export interface AtFill {
  ports: number
  ms: number
}

/**
 * What the ports from the first to the `count`th take together, in ms, when each takes what lies on the straight line
 * between the two nearest samples. Throws RangeError when the samples, which are ascending, do not reach from 0 to
 * `count`.
 */
export function summedOver(samples: readonly AtFill[], count: number): number {
  let sum = 0
  for (let ports = 0; ports < count; ports++) sum += interpolated(samples, ports)
  return sum
}

function interpolated(samples: readonly AtFill[], ports: number): number {
  const at = samples.findIndex((sample) => sample.ports > ports)
  const above = samples[at]
  const below = samples[at - 1]
  if (above === undefined || below === undefined) throw new RangeError(`no samples around ${ports} ports`)
  return below.ms + ((above.ms - below.ms) * (ports - below.ports)) / (above.ports - below.ports)
}
