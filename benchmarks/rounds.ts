import type { Kernel } from '../src/kernel/kernel.js'
import type { VswitchKind } from '../src/vswitch/vswitch.js'
import type { Measurements } from './measurements.js'
import type { Contestant } from './peers/contestant.js'
import { checkTraffic } from './traffic.js'

export interface Rounds {
  /** How often each does it, and how often those do it that are slow. */
  rounds: number
  slowRounds: number
}

export interface Effort {
  /** A round is a series of so many ports, one after another. */
  one: Rounds & { series: number }
  bulk: (Rounds & { ports: number })[]
}

export interface Race {
  kind: VswitchKind
  kernel: Kernel
  contestants: readonly Contestant[]
  measurements: Measurements
  /** What is being done, for a person who waits. */
  progress(text: string): void
}

/** So many one by one, and so many in bulk: Node goes on compiling for as long. */
const WARM_UP_ROUNDS = 50
/** Each round in bulk has the largest number that is measured and is not above this. */
const BULK_WARM_UP_PORTS = 100

/** Lets all contestants do everything, in turns, so that the machine's drift hits all alike. */
export async function race(effort: Effort, race: Race): Promise<void> {
  for (const contestant of race.contestants) await rehearse(race, contestant)
  for (const contestant of race.contestants) await warmUp(race, contestant, effort)
  await inTurns(effort.one, race, 'one by one', (contestant) => one(race, contestant, effort.one.series))
  await allInBulk(effort.bulk, race)
}

/** As {@link race}, with nothing but ports in bulk. */
export async function raceInBulk(bulk: Effort['bulk'], race: Race): Promise<void> {
  for (const contestant of race.contestants) await rehearse(race, contestant)
  for (const contestant of race.contestants) {
    race.progress(`${race.kind}: warming up ${contestant.name}`)
    await warmUpInBulk(contestant, bulk)
  }
  await allInBulk(bulk, race)
}

async function allInBulk(bulk: Effort['bulk'], race: Race): Promise<void> {
  for (const { ports, ...rounds } of bulk) {
    await inTurns(rounds, race, `${ports} in bulk`, (contestant) => inBulk(race, contestant, ports))
  }
}

/** Each round begins with another contestant, because one may suffer from what the one before left to do. */
async function inTurns(
  { rounds, slowRounds }: Rounds,
  { kind, contestants, progress }: Race,
  what: string,
  turn: (contestant: Contestant) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const present = contestants.filter((contestant) => !contestant.slow || round < slowRounds)
    const first = round % present.length
    for (const contestant of [...present.slice(first), ...present.slice(0, first)]) {
      progress(`${kind}, ${what}: round ${round + 1} of ${rounds}, ${contestant.name}`)
      await turn(contestant)
    }
  }
}

/** Proves that the contestant's ports work, and warms everything up. */
async function rehearse({ kind, kernel, progress }: Race, contestant: Contestant): Promise<void> {
  progress(`${kind}: checking that ${contestant.name} makes ports that carry a ping`)
  await contestant.plug(1)
  await contestant.plug(2)
  await checkTraffic(kernel, contestant, 1, 2)
  await contestant.unplug(1)
  await contestant.unplug(2)
}

/** A program that has run for a few seconds has its code compiled and its caches filled, as a simulation's has. */
async function warmUp(
  { kind, progress }: Race,
  contestant: Contestant,
  { one, bulk }: Effort,
): Promise<void> {
  if (contestant.slow) return
  progress(`${kind}: warming up ${contestant.name}`)
  for (let round = 0; round < WARM_UP_ROUNDS; round++) {
    for (let slot = 1; slot <= one.series; slot++) await contestant.plug(slot)
    await contestant.unplugAll(one.series)
  }
  await warmUpInBulk(contestant, bulk)
}

async function warmUpInBulk(contestant: Contestant, bulk: Effort['bulk']): Promise<void> {
  const ports = Math.max(...bulk.map((row) => row.ports).filter((count) => count <= BULK_WARM_UP_PORTS))
  for (let round = 0; round < WARM_UP_ROUNDS; round++) {
    await contestant.plugAll(ports)
    await contestant.unplugAll(ports)
  }
}

/**
 * One port after another, each waited for, as whoever starts many containers does it. A turn is a series, so
 * that it is measured what a plug takes, and not what waking up takes after the others had the machine for
 * 100 ms: that shows in the row "1 in bulk".
 */
async function one({ kind, measurements }: Race, contestant: Contestant, series: number): Promise<void> {
  const subject = { kind, contestant: contestant.name, ports: 'one' } as const
  for (let slot = 1; slot <= series; slot++) {
    measurements.add({ ...subject, operation: 'plug' }, await contestant.plug(slot))
  }
  for (let slot = 1; slot <= series; slot++) {
    measurements.add({ ...subject, operation: 'unplug' }, await contestant.unplug(slot))
  }
}

async function inBulk(
  { kind, kernel, measurements }: Race,
  contestant: Contestant,
  ports: number,
): Promise<void> {
  const subject = { kind, contestant: contestant.name, ports }
  measurements.add({ ...subject, operation: 'plug' }, await contestant.plugAll(ports))
  if (ports > 1) await checkTraffic(kernel, contestant, 1, ports)
  measurements.add({ ...subject, operation: 'unplug' }, await contestant.unplugAll(ports))
}
