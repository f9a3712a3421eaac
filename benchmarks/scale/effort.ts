/** How much is done at scale. */
export interface ScaleEffort {
  /** Slots of a full vswitch, and how often it is filled from nothing. */
  full: { slots: number; rounds: number }
  /** Rounds of what takes tens of seconds on a full vswitch; the first of those of `full`. */
  slowRounds: number
  /** In bulk against the floor, in turns. */
  bulk: readonly { ports: number; rounds: number }[]
  /** How many ports there are when ovs-docker is timed, ascending, and how many ports it makes each time. */
  fills: { ports: readonly number[]; samples: number }
  /** Cycles of `out` targets out and as many in, of `slots` that are plugged in; one of `fills`, for the peer. */
  churn: { slots: number; out: number; cycles: number }
  /** Slots that are plugged in, how many of them are plugged in again and again, and how often. */
  replug: { slots: number; of: number; times: number }
  /** Flows, how often they are set, and how many calls of ovs-ofctl are timed each time. */
  flows: { count: number; rounds: number; calls: number }
}

export const EFFORT: ScaleEffort = {
  full: { slots: 1000, rounds: 2 },
  slowRounds: 1,
  bulk: [
    { ports: 100, rounds: 21 },
    { ports: 1000, rounds: 6 },
  ],
  fills: { ports: [0, 250, 500, 750, 1000], samples: 3 },
  churn: { slots: 500, out: 32, cycles: 12 },
  replug: { slots: 100, of: 10, times: 3 },
  flows: { count: 1000, rounds: 5, calls: 4 },
}

export const QUICK_EFFORT: ScaleEffort = {
  full: { slots: 40, rounds: 2 },
  slowRounds: 1,
  bulk: [{ ports: 10, rounds: 1 }],
  fills: { ports: [0, 20, 40], samples: 1 },
  churn: { slots: 20, out: 4, cycles: 2 },
  replug: { slots: 10, of: 2, times: 1 },
  flows: { count: 50, rounds: 1, calls: 2 },
}

/** How many targets all that needs. */
export function targetsFor({ full, fills, bulk }: ScaleEffort): number {
  return Math.max(full.slots, ...fills.ports, ...bulk.map(({ ports }) => ports)) + fills.samples
}
