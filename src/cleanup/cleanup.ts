import { setTimeout } from 'node:timers/promises'
import type { SlotContainers } from '../containers/slot-containers.js'
import { asEcdockError, EcdockError } from '../errors.js'
import type { Kernel } from '../kernel/kernel.js'
import { bridgeNetns, deleteBridge, listUnfinishedBridges } from '../vswitch/bridge.js'
import { hostIfname } from '../vswitch/names.js'
import { homeOf } from '../vswitch/vde/home.js'
import { mendSwitch } from '../vswitch/vde/mending.js'
import { strandedTaps } from '../vswitch/vde/stranded.js'
import { endedVdes, listUnfinishedVdes, listVdes, removeUnfinishedVde } from '../vswitch/vde/vswitches.js'
import type { Vswitch } from '../vswitch/vswitch.js'
import type { Finding, Removal, Sight } from './finding.js'
import { strayLinks } from './stray-links.js'

/** Between the two looks that decide what is left behind, in ms. */
const SECOND_LOOK_MS = 1000

export interface FailedRemoval extends Removal {
  error: EcdockError
}

export interface CleanupOptions {
  /** Only say what would be removed. */
  dryRun?: boolean
  /** Remove what Open vSwitch keeps of empty slots, too: it makes the next plug into each of them quicker. */
  slots?: boolean
}

export interface CleanupReport {
  dryRun: boolean
  /** What was removed, or would be. */
  removed: Removal[]
  /** What should have been removed and could not be. */
  failed: FailedRemoval[]
  /** What could not be looked at or told to be ours to remove, and why: one sentence each. */
  skipped: string[]
}

interface World {
  kernel: Kernel
  containers: SlotContainers
  /** Where the files of vswitches of kind `vde` are. */
  runDir: string
  look: () => Promise<Sight>
}

/**
 * Removes what crashes and ended containers left behind: ports without a device, ports of containers that
 * have ended, interfaces without a port, vswitches that are only half there. Everything is known to be ours
 * by the mark that it carries, and to be left over by what the kernel and OVSDB say: where they say nothing, it stays.
 */
export async function cleanup(world: World, options: CleanupOptions = {}): Promise<CleanupReport> {
  const { dryRun = false, slots = false } = options
  const report: CleanupReport = { dryRun, removed: [], failed: [], skipped: [] }
  const findings = await lasting(world, report.skipped)
  if (slots) findings.push(...(await emptySlots((await world.look()).vswitches, report.skipped)))
  for (const { remove, ...removal } of findings) {
    try {
      if (!dryRun) await remove()
      report.removed.push(removal)
    } catch (cause) {
      const error = asEcdockError(cause, 'cleanup')
      // Somebody else was faster, or the kernel: it is gone.
      if (error.code !== 'SLOT_EMPTY' && error.code !== 'VSWITCH_NOT_FOUND')
        report.failed.push({ ...removal, error })
    }
  }
  return report
}

/** What another process is just making or taking down looks the same for some ms: only what stays counts. */
async function lasting(world: World, skipped: string[]): Promise<Finding[]> {
  const first = await look(world, skipped)
  if (first.length === 0) return []
  await setTimeout(SECOND_LOOK_MS)
  const again = new Map(
    (await look(world, [])).map((finding) => [`${finding.kind} ${finding.name}`, finding]),
  )
  return first.flatMap((finding) => again.get(`${finding.kind} ${finding.name}`) ?? [])
}

async function look({ kernel, containers, runDir, look }: World, skipped: string[]): Promise<Finding[]> {
  const sight = await look()
  const { vswitches } = sight
  return [
    ...(await halfMadeVswitches(kernel, vswitches)),
    ...(await brokenVdes(kernel, runDir)),
    ...(await strandedFindings(kernel, runDir, skipped)),
    ...(await brokenPorts(vswitches, skipped)),
    ...(await emptyMirrors(vswitches, skipped)),
    ...(await endedContainers(containers, vswitches, skipped)),
    ...(await strayLinks(kernel, sight, skipped)),
  ]
}

async function halfMadeVswitches(kernel: Kernel, vswitches: readonly Vswitch[]): Promise<Finding[]> {
  const found: Finding[] = (await listUnfinishedBridges(kernel)).map((name) => ({
    kind: 'vswitch',
    name,
    why: 'its creation was cut short',
    remove: () => deleteBridge(kernel, name),
  }))
  for (const { kind, name } of vswitches) {
    if (kind !== 'bridge') continue
    const [bridge] = await kernel.linksByName(bridgeNetns(name), [name])
    if (bridge !== undefined) continue
    found.push({
      kind: 'vswitch',
      name,
      why: 'its bridge is gone, or was never made',
      remove: () => deleteBridge(kernel, name),
    })
  }
  return found
}

/** Those that were never whole, and those whose process has ended while their taps are where they were. */
async function brokenVdes(kernel: Kernel, runDir: string): Promise<Finding[]> {
  const unfinished = (await listUnfinishedVdes(runDir)).map((name): Finding => {
    const remove = () => removeUnfinishedVde(kernel, runDir, name)
    return { kind: 'vswitch', name, why: 'its creation or deletion was cut short', remove }
  })
  const ended = (await endedVdes(runDir)).map(({ name }): Finding => {
    const remove = () => mendAll(name, runDir, kernel)
    return { kind: 'process', name, why: 'its switch had ended, and is started again', remove }
  })
  return [...unfinished, ...ended]
}

/** Taps that could not be plugged in again when their switch was started anew. */
async function strandedFindings(kernel: Kernel, runDir: string, skipped: string[]): Promise<Finding[]> {
  const found: Finding[] = []
  for (const vswitch of await listVdes(runDir)) {
    const { name } = vswitch
    try {
      for (const { record } of await strandedTaps(kernel, homeOf(runDir, name).control, vswitch)) {
        const remove = () => mendAll(name, runDir, kernel, record.slot)
        const why = 'it was not plugged into the switch, and is again'
        found.push({ kind: 'tap', name: hostIfname(name, record.slot), why, remove })
      }
    } catch (error) {
      if (!(error instanceof EcdockError)) throw error
      skipped.push(`The taps of ${name} were not looked for: ${error.message}`)
    }
  }
  return found
}

/** Mends the switch; throws VDE_REFUSED when one of its taps, or that of this slot, is still not plugged in. */
async function mendAll(name: string, runDir: string, kernel: Kernel, slot?: number): Promise<void> {
  const { missing } = await mendSwitch(name, runDir, kernel)
  const failed = missing.find((each) => slot === undefined || each.slot === slot)
  if (failed === undefined) return
  const message = `slot ${failed.slot} of ${name} cannot be plugged in again: ${failed.why}`
  throw new EcdockError('VDE_REFUSED', 'cleanup', message, {
    hint: `Does a client of the switch hold that port, or another process the tap? When none has it open: ecdock-fast --vswitch ${name} unplug ${failed.slot}`,
  })
}

async function brokenPorts(vswitches: readonly Vswitch[], skipped: string[]): Promise<Finding[]> {
  const found: Finding[] = []
  for (const vswitch of vswitches) {
    try {
      for (const port of await vswitch.ports()) {
        if (port.state === 'ghost') found.push(portFinding(vswitch, port, 'its device is gone'))
        if (port.state === 'stray') found.push(portFinding(vswitch, port, 'OVSDB does not know it'))
      }
    } catch (error) {
      if (!(error instanceof EcdockError)) throw error
      skipped.push(`The ports of ${vswitch.name} were not looked at: ${error.message}`)
    }
  }
  return found
}

async function emptySlots(vswitches: readonly Vswitch[], skipped: string[]): Promise<Finding[]> {
  const found: Finding[] = []
  for (const vswitch of vswitches) {
    try {
      const slots = await vswitch.reservedSlots()
      // All at once: Open vSwitch takes as long over one as over many.
      let released: Promise<number[]> | undefined
      const remove = async () => {
        released ??= vswitch.release(slots)
        await released
      }
      for (const slot of slots) {
        found.push({ kind: 'slot', name: hostIfname(vswitch.name, slot), why: 'the slot is empty', remove })
      }
    } catch (error) {
      if (!(error instanceof EcdockError)) throw error
      skipped.push(`The empty slots of ${vswitch.name} were not looked for: ${error.message}`)
    }
  }
  return found
}

/** What they mirrored has lost its rows; a mirror of nothing only takes a place that others could have. */
async function emptyMirrors(vswitches: readonly Vswitch[], skipped: string[]): Promise<Finding[]> {
  const found: Finding[] = []
  for (const vswitch of vswitches) {
    try {
      for (const { to, slots } of await vswitch.mirrors()) {
        if (slots.length > 0) continue
        const remove = () => vswitch.removeMirror(to)
        found.push({ kind: 'mirror', name: to, why: 'the slots that it mirrored are no more', remove })
      }
    } catch (error) {
      if (!(error instanceof EcdockError)) throw error
      skipped.push(`The mirrors of ${vswitch.name} were not looked at: ${error.message}`)
    }
  }
  return found
}

/** A container's namespace can outlive it, held by a file or another process; its port then stays. */
async function endedContainers(
  containers: SlotContainers,
  vswitches: readonly Vswitch[],
  skipped: string[],
): Promise<Finding[]> {
  const found: Finding[] = []
  try {
    for (const container of await containers.list()) {
      if (container.state !== 'exited' && container.state !== 'dead') continue
      for (const name of [container.vswitch, ...Object.values(container.nics ?? {})]) {
        const vswitch = vswitches.find((each) => each.name === name)
        const port = await vswitch?.port(container.slot)
        if (vswitch === undefined || port === undefined || port.state === 'ghost' || port.state === 'stray')
          continue
        if (port.target !== `container:${container.name}`) continue
        found.push(portFinding(vswitch, port, `container ${container.name} has ended`))
      }
    }
  } catch (error) {
    if (!(error instanceof EcdockError)) throw error
    skipped.push(`Ended containers were not looked for: ${error.message}`)
  }
  return found
}

function portFinding(vswitch: Vswitch, port: { slot: number }, why: string): Finding {
  return {
    kind: 'port',
    name: hostIfname(vswitch.name, port.slot),
    why,
    remove: () => vswitch.unplug(port.slot),
  }
}
