import { EcdockError, type ErrorCode } from '../../errors.js'
import type { Kernel, Link } from '../../kernel/kernel.js'
import { slotOfStandingName, vswitchNetns } from '../names.js'
import { LINK_GROUP, parseSlotAlias, parseSlotsAlias } from '../record.js'
import { deleteStandingNetns, standingNetns } from './standing-ports.js'

/** What this host has of the standing ports of a vswitch, whether or not Open vSwitch knows them. */
export interface StandingRemains {
  vswitch: string
  /** The database that the vswitch is in, or was, as marks name it. */
  ovsdb: string | undefined
  /** In ascending order. */
  slots: number[]
}

/** All that there is, by its marks. */
export async function findStanding(kernel: Kernel): Promise<StandingRemains[]> {
  const found = new Map<string, StandingRemains & { seen: Set<number> }>()
  const of = (vswitch: string, ovsdb: string | undefined) => {
    const key = `${vswitch} ${ovsdb}`
    const known = found.get(key) ?? { vswitch, ovsdb, slots: [], seen: new Set() }
    found.set(key, known)
    return known
  }
  const outer = await kernel.links('')
  const prefix = vswitchNetns('')
  for (const { name, path } of await kernel.namespaces()) {
    if (!name.startsWith(prefix)) continue
    const inner = await kernel.links(path).catch(unlessGone)
    const record = parseSlotsAlias(inner.find((link) => link.name === 'lo')?.alias ?? '')
    if (record === undefined || vswitchNetns(record.vswitch) !== name) continue
    const { seen } = of(record.vswitch, record.ovsdb)
    for (const link of [...inner, ...outer]) {
      const slot = slotOf(link, record.vswitch)
      if (slot !== undefined) seen.add(slot)
    }
  }
  // Should the namespace have lost its name, these are still known by their own marks.
  for (const { alias } of outer) {
    const record = parseSlotAlias(alias)
    if (record !== undefined) of(record.vswitch, record.ovsdb).seen.add(record.slot)
  }
  return [...found.values()].map(({ seen, ...rest }) => ({
    ...rest,
    slots: [...seen].sort((a, b) => a - b),
  }))
}

/** Removes all of them, and with them what is plugged in there. */
export async function removeStandingRemains(kernel: Kernel, remains: StandingRemains): Promise<void> {
  await deleteStandingNetns(kernel, remains.vswitch, remains.ovsdb)
  await removeIn(kernel, '', remains.vswitch, remains.slots)
}

/** Removes those of one slot. */
export async function removeSlotRemains(kernel: Kernel, vswitch: string, slot: number): Promise<void> {
  for (const netns of ['', standingNetns(vswitch)]) await removeIn(kernel, netns, vswitch, [slot])
}

async function removeIn(kernel: Kernel, netns: string, vswitch: string, slots: number[]): Promise<void> {
  const links = await kernel.links(netns).catch(unlessGone)
  const ours = links.filter((link) => slots.includes(slotOf(link, vswitch) ?? 0))
  await kernel.deleteLinks(
    netns,
    ours.map(({ ifindex }) => ifindex),
  )
}

/** The slot whose standing port this link is of; what a crash has kept from being marked is known by its group. */
function slotOf({ name, alias, group }: Link, vswitch: string): number | undefined {
  const ours = alias === '' ? group === LINK_GROUP : parseSlotAlias(alias)?.vswitch === vswitch
  return ours ? slotOfStandingName(vswitch, name) : undefined
}

const GONE: ReadonlySet<ErrorCode> = new Set(['TARGET_NOT_FOUND', 'NOT_A_NETNS'])

/** Between the listing and the look a namespace may have been deleted. */
function unlessGone(error: unknown): Link[] {
  if (error instanceof EcdockError && GONE.has(error.code)) return []
  throw error
}
