import { parseSubnet } from '../../addressing/subnet.js'
import type { Kernel } from '../../kernel/kernel.js'
import type { Plan } from '../../kernel/plan.js'
import { lost } from '../../vde/failure.js'
import { findSwitch, type SwitchOptions, startSwitch } from '../../vde/switch-process.js'
import { portMark, vswitchAlias } from '../record.js'
import { type Home, homeOf, lockHome, readRecord, type VdeRecord } from './home.js'
import { aliasOf, labelled } from './labels.js'
import { MAX_PORT, ownPort } from './own-port.js'
import { portsAt } from './switch-ports.js'
import { type MarkedTap, markedTaps } from './taps.js'

/** What a mending came to. */
export interface Mended {
  /** The switch runs; false when somebody has deleted the vswitch. */
  runs: boolean
  /** Slots whose taps are where they were, but could not be plugged in again. */
  missing: MissingTap[]
}

export interface MissingTap {
  slot: number
  /** For people. */
  why: string
}

/** A tap may be busy for a moment, in a plug that is under way or is being undone. */
const ATTEMPTS = 2

/**
 * Starts the process of a vswitch again, when it has ended, and plugs in again those of its taps that are not: they are
 * where they were. Several may ask for it at the same time, and one after the other does it.
 */
export async function mendSwitch(name: string, runDir: string, kernel: Kernel): Promise<Mended> {
  const home = homeOf(runDir, name)
  const lock = await lockHome(home, 'mend vswitch')
  try {
    // Whoever had the lock may have deleted it.
    const record = lock && (await readRecord(runDir, name))
    if (record === undefined) return { runs: false, missing: [] }
    if ((await findSwitch(home.control)) === undefined) await startSwitch(switchOptions(record, home))
    return { runs: true, missing: await plugInAgain(kernel, record, home) }
  } finally {
    await lock?.release()
  }
}

async function plugInAgain(kernel: Kernel, record: VdeRecord, home: Home): Promise<MissingTap[]> {
  let missing: MissingTap[] = []
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const plugged = await pluggedIn(home)
    const taps = (await markedTaps(kernel, record)).filter(({ link }) => !plugged.has(link.alias))
    const wanted = taps.map((tap) => ({ slot: tap.record.slot, plan: planFor(tap, record, home) }))
    if (!plugged.has(vswitchAlias(record))) wanted.push(ownTap(record, home))
    if (wanted.length === 0) return []
    const outcomes = await kernel.execute(wanted.map(({ plan }) => plan))
    missing = wanted.flatMap(({ slot }, at) => {
      const outcome = outcomes[at]
      return outcome?.ok === false ? [{ slot, why: outcome.message }] : []
    })
    if (missing.length === 0) break
  }
  return missing
}

/** The marks of the taps that are plugged in: the label of a port begins with it. Throws VDE_LOST when the switch has ended. */
async function pluggedIn(home: Home): Promise<Set<string>> {
  const ports = await portsAt(home.control)
  if (ports === undefined) throw lost(`the switch at ${home.control}`, 'it has ended again')
  return new Set(ports.map(aliasOf))
}

function planFor({ netns, link, record: { slot } }: MarkedTap, record: VdeRecord, home: Home): Plan {
  const label = labelled(link.alias, link.mtu, netns)
  const mark = portMark(record.name, slot, record.home)
  return { steps: [{ op: 'tap', netns, name: link.name, label, mark, port: slot, ...into(record, home) }] }
}

/** The tap of the host, with the switch's own address. */
function ownTap(record: VdeRecord, home: Home): { slot: number; plan: Plan } {
  const mark = vswitchAlias(record)
  const slot = ownPort(parseSubnet(record.subnet))
  const step = { op: 'tap', netns: '', name: record.name, label: mark, mark, port: slot } as const
  return { slot, plan: { steps: [{ ...step, ...into(record, home) }] } }
}

function into({ socketDir }: VdeRecord, { control }: Home): { control: string; vde?: string } {
  return { control, ...(socketDir !== undefined && { vde: socketDir }) }
}

export function switchOptions(record: VdeRecord, home: Home): SwitchOptions {
  const { socketDir } = record
  return {
    dir: socketDir === undefined ? home.sock : undefined,
    control: home.control,
    mgmt: socketDir === undefined ? home.mgmt : undefined,
    ports: MAX_PORT,
    label: vswitchAlias(record),
  }
}
