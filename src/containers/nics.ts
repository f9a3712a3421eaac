import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'
import type { Target } from '../target/target.js'
import { checkIfname } from '../vswitch/names.js'
import type { PlugOptions, Port, PortSettings, Vswitch } from '../vswitch/vswitch.js'
import { holds, isCode, mtuOf, takeOut } from './occupancy.js'
import type { SlotContainer } from './slot-container.js'

/** Finds a vswitch by its name; throws VSWITCH_NOT_FOUND. */
export type FindVswitch = (name: string) => Promise<Vswitch>

/** One of a container's interfaces. All of them are in the same slot, each on a vswitch of its own. */
export interface Nic {
  vswitch: Vswitch
  /** Undefined for the lowest free name, which an only interface gets. */
  ifname?: string
}

/** The first is that of the vswitch that the container was started on. */
export type Nics = readonly [Nic, ...Nic[]]

/** The interface that has the default route when there are several. */
const FIRST = 'eth0'
/** Far more than a simulated node has; a label has to hold them all. */
const MOST_NICS = 32

/**
 * The interfaces of a container that is on `first`, and on the vswitches that `further` names. Throws USAGE,
 * IFNAME_INVALID, and VSWITCH_NOT_FOUND.
 */
export async function findNics(
  first: Vswitch,
  further: Readonly<Record<string, string>> | undefined,
  find: FindVswitch,
): Promise<Nics> {
  if (further === undefined) return [{ vswitch: first }]
  checkNics(first, further)
  const names = Object.keys(further).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
  if (names.length === 0) return [{ vswitch: first }]
  const others = await Promise.all(
    names.map(async (ifname) => ({ ifname, vswitch: await find(further[ifname] ?? '') })),
  )
  return [{ vswitch: first, ifname: FIRST }, ...others]
}

function checkNics(first: Vswitch, further: Readonly<Record<string, string>>): void {
  const entries = typeof further === 'object' && further !== null ? Object.entries(further) : undefined
  if (entries === undefined || entries.length > MOST_NICS || entries.some((pair) => !isText(pair[1]))) {
    const message = `nics is ${quoted(further)}, which does not name a vswitch for each of some interfaces`
    throw new EcdockError('USAGE', 'start', message, {
      hint: `Such as { eth1: 'ovs1' }, ${MOST_NICS} at most.`,
    })
  }
  const seen = new Map([[first.name, FIRST]])
  for (const [ifname, vswitch] of entries) {
    checkIfname(ifname)
    if (ifname === FIRST) {
      const message = `${FIRST} is on ${first.name}; further interfaces have other names`
      throw new EcdockError('USAGE', 'start', message)
    }
    const other = seen.get(vswitch)
    if (other !== undefined) {
      const message = `${ifname} and ${other} cannot both be on ${vswitch}: they would be in the same slot`
      throw new EcdockError('USAGE', 'start', message, { hint: 'Give each interface a vswitch of its own.' })
    }
    seen.set(vswitch, ifname)
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

/** As {@link findNics}, for a container that there is: what has been deleted of its vswitches is left out. */
export async function nicsThere(
  first: Vswitch,
  { nics = {} }: SlotContainer,
  find: FindVswitch,
): Promise<Nics> {
  const found: [Nic, ...Nic[]] = [{ vswitch: first }]
  for (const [ifname, name] of Object.entries(nics)) {
    try {
      found.push({ ifname, vswitch: await find(name) })
    } catch (error) {
      if (!isCode(error, 'VSWITCH_NOT_FOUND')) throw error
    }
  }
  return found
}

/** The lowest slot that is free on all of the vswitches, besides those of `except`. Throws SLOTS_EXHAUSTED. */
export async function lowestFreeSlot(nics: readonly Nic[], except: ReadonlySet<number>): Promise<number> {
  const taken = new Set(except)
  for (;;) {
    const lowest = await Promise.all(nics.map(({ vswitch }) => vswitch.freeSlots(1, taken)))
    const slots = lowest.map(([slot]) => slot as number)
    const highest = Math.max(...slots)
    if (slots.every((slot) => slot === highest)) return highest
    // Below the highest of them, each slot is taken somewhere.
    for (let slot = Math.min(...slots); slot < highest; slot++) taken.add(slot)
  }
}

/** Plugs all of them in, or none. `mtus` are in bytes, for each interface. */
export async function plugIn(
  nics: readonly Nic[],
  slot: number,
  target: Target,
  {
    mtus,
    dualNic,
    port,
    ...options
  }: Pick<PlugOptions, 'internal' | 'dualNic' | 'signal'> & {
    mtus?: readonly (number | undefined)[]
    port?: PortSettings | undefined
  },
): Promise<Port[]> {
  const outcomes = await Promise.allSettled(
    nics.map(({ vswitch, ifname }, at) => {
      const mtu = mtus?.[at]
      return vswitch.plug(target, {
        ...options,
        slot,
        ...(ifname !== undefined && { ifname }),
        ...(mtu !== undefined && { mtu }),
        ...(at > 0 ? { defaultRoute: false } : { ...(dualNic === true && { dualNic }), ...port }),
      })
    }),
  )
  const failed = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failed === undefined) return outcomes.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
  const made = nics.filter((_, at) => outcomes[at]?.status === 'fulfilled')
  await takeOutAll(made, slot)
  throw failed.reason
}

/** Takes a container out of its slot, on all of the vswitches. */
export async function takeOutAll(nics: readonly Nic[], slot: number): Promise<void> {
  await Promise.all(nics.map(({ vswitch }) => takeOut(vswitch, slot)))
}

/** As {@link takeOutAll}, but for slots that something else has taken meanwhile. */
export async function takeOutHeld(
  nics: readonly Nic[],
  slot: number,
  container: SlotContainer,
): Promise<void> {
  const ports = await portsIn(nics, slot)
  const held = nics.filter((_, at) => {
    const port = ports[at]
    return port !== undefined && holds(port, container)
  })
  await takeOutAll(held, slot)
}

/** What is in the slot on each of the vswitches. */
export function portsIn(nics: readonly Nic[], slot: number): Promise<(Port | undefined)[]> {
  return Promise.all(nics.map(({ vswitch }) => vswitch.port(slot)))
}

/** In bytes, for each interface: as it was before, else what was asked for. */
export function mtusOf(
  before: readonly (Port | undefined)[],
  asked: number | undefined,
): (number | undefined)[] {
  return before.map((port) => mtuOf(port) ?? asked)
}
