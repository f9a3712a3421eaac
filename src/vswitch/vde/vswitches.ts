import { randomBytes } from 'node:crypto'
import { switchAddress } from '../../addressing/slot.js'
import type { Subnet } from '../../addressing/subnet.js'
import { EcdockError } from '../../errors.js'
import { DirectoryLock } from '../../kernel/directory-lock.js'
import type { Kernel } from '../../kernel/kernel.js'
import type { Step } from '../../kernel/plan.js'
import { existingSocketDir, isServed } from '../../vde/socket-dir.js'
import { findSwitch, startSwitch, stopSwitch } from '../../vde/switch-process.js'
import { vswitchDeleted } from '../host-side.js'
import { LINK_GROUP, parseVswitchAlias, portMark, vswitchAlias } from '../record.js'
import { creationFailure, requireVacant, vacantStep } from '../vacancy.js'
import { tapFailure } from './backend.js'
import {
  finishRecord,
  type Home,
  homeOf,
  isUnfinished,
  listHomes,
  lockHome,
  makeHome,
  readRecord,
  readUnfinished,
  removeHome,
  unfinishRecord,
  type VdeRecord,
  writeUnfinished,
} from './home.js'
import { type PortLabel, parsePortLabel } from './labels.js'
import { switchOptions } from './mending.js'
import { ownPort } from './own-port.js'
import { portsAt } from './switch-ports.js'
import { abandonedTaps, deleteTaps, type TapOwner } from './taps.js'

/** Of a vswitch's {@link VdeRecord.home}. */
const HOME_BYTES = 4

/**
 * Makes a vswitch: starts its process, and gives the host a tap with the switch's own address. Throws VSWITCH_EXISTS,
 * ADDRESS_TAKEN, USAGE, PERMISSION, KERNEL, VDE_START_FAILED; and for a switch of somebody else VDE_UNREACHABLE and
 * VDE_REFUSED. Nothing is left behind then.
 */
export async function createVde(
  kernel: Kernel,
  asked: Omit<VdeRecord, 'home'>,
  subnet: Subnet,
  { runDir, hasIpv6 }: { runDir: string; hasIpv6: boolean },
): Promise<VdeRecord> {
  const record: VdeRecord = { ...asked, home: randomBytes(HOME_BYTES).toString('hex') }
  if (asked.socketDir !== undefined) record.socketDir = await existingSocketDir(asked.socketDir)
  const home = homeOf(runDir, record.name)
  await requireVacant(kernel, record, subnet, { hasIpv6 })
  const lock = await makeHome(home, record.name)
  try {
    await writeUnfinished(home, record)
    await startSwitch(switchOptions(record, home))
    const [outcome] = await kernel.execute([{ steps: ownSteps(record, subnet, home.control, hasIpv6) }])
    if (outcome?.ok === false) {
      throw tapFailure(outcome, record) ?? creationFailure(outcome, record)
    }
    // It comes last: what a crash leaves half done is known by having none.
    await finishRecord(home)
    return record
  } catch (error) {
    await removeOwnTap(kernel, record).catch(() => {})
    await stopSwitch(home.control).catch(() => {})
    await removeHome(home)
    throw error
  } finally {
    await lock.release()
  }
}

/** The tap of the host, with the switch's own address. */
function ownSteps(record: VdeRecord, subnet: Subnet, control: string, hasIpv6: boolean): Step[] {
  const { name, socketDir } = record
  const own = switchAddress(subnet, record.ipv6Prefix)
  const alias = vswitchAlias(record)
  const steps: Step[] = [
    vacantStep(record, subnet, hasIpv6),
    {
      op: 'tap',
      netns: '',
      name,
      mac: own.mac,
      group: LINK_GROUP,
      alias,
      control,
      port: ownPort(subnet),
      label: alias,
      ...(socketDir !== undefined && { vde: socketDir }),
    },
    { op: 'address', netns: '', name, address: own.ipv4, prefix: own.prefix },
  ]
  if (hasIpv6) steps.push({ op: 'address', netns: '', name, address: own.ipv6, prefix: own.ipv6Prefix })
  steps.push({ op: 'link', netns: '', name, up: true }, { op: 'ready', netns: '', name })
  return steps
}

/** Ends the switch process, and takes away all taps and files. Throws VSWITCH_NOT_FOUND, TIMEOUT. */
export async function deleteVde(kernel: Kernel, runDir: string, name: string): Promise<void> {
  const home = homeOf(runDir, name)
  const lock = await lockHome(home, 'delete-vswitch')
  try {
    const record = lock && (await readRecord(runDir, name))
    if (record === undefined) throw vswitchDeleted(name)
    // A switch that does not answer is to be heard of while all is still there.
    const plugged = await pluggedTaps(home, name)
    // First of all: from now on nobody finds the vswitch, and what a crash leaves of it is known as unfinished.
    await unfinishRecord(home)
    await takeDown(kernel, home, record, plugged)
  } finally {
    await lock?.release()
  }
}

/** Takes away a vswitch that was never whole, or is half deleted, unless somebody is at work on it. */
export async function removeUnfinishedVde(kernel: Kernel, runDir: string, name: string): Promise<void> {
  const home = homeOf(runDir, name)
  const lock = await lockHome(home, 'cleanup')
  try {
    if (lock === undefined || !(await isUnfinished(home))) return
    const record = (await readUnfinished(home, name)) ?? { name }
    await takeDown(kernel, home, record, await pluggedTaps(home, name))
  } finally {
    await lock?.release()
  }
}

async function takeDown(
  kernel: Kernel,
  home: Home,
  owner: TapOwner,
  plugged: Awaited<ReturnType<typeof pluggedTaps>>,
): Promise<void> {
  const failed = (await deleteTaps(kernel, plugged)).find((removal) => removal instanceof EcdockError)
  if (failed !== undefined) throw failed
  await removeOwnTap(kernel, owner)
  await stopSwitch(home.control)
  // Plugs that were under way have plugged in more until then. From now on one that is has to undo itself.
  const late = await abandonedTaps(kernel, owner)
  await kernel.deleteScatteredLinks(
    late.map(({ netns, link }) => ({ netns, name: link.name, mark: link.alias })),
  )
  await removeHome(home)
}

/** What the switch has of ours; nothing when its process has ended. */
async function pluggedTaps(home: Home, name: string): Promise<{ mark: string; record: PortLabel }[]> {
  const ports = (await portsAt(home.control)) ?? []
  return ports.flatMap((port) => {
    const record = parsePortLabel(port)
    return record?.vswitch === name ? [{ mark: portMark(name, record.slot, record.home), record }] : []
  })
}

async function removeOwnTap(kernel: Kernel, { name, home }: TapOwner): Promise<void> {
  const [link] = await kernel.linksByName('', [name])
  const record = link?.kind === 'tun' ? parseVswitchAlias(link.alias) : undefined
  if (link === undefined || record?.name !== name || record.home !== home) return
  await kernel.deleteLinks('', [link.ifindex])
}

/** Vswitches whose process has ended. */
export async function endedVdes(runDir: string): Promise<VdeRecord[]> {
  const records = await listVdes(runDir)
  const running = await Promise.all(
    records.map(({ name }) => findSwitch(homeOf(runDir, name).control).catch(() => undefined)),
  )
  return records.filter((_, at) => running[at] === undefined)
}

export async function listVdes(runDir: string): Promise<VdeRecord[]> {
  const records = await Promise.all((await listHomes(runDir)).map((name) => readRecord(runDir, name)))
  return records.filter((record) => record !== undefined)
}

/** Names of vswitches whose creation or deletion was cut short; those that somebody is at work on are none of them. */
export async function listUnfinishedVdes(runDir: string): Promise<string[]> {
  const names = await listHomes(runDir)
  const unfinished = await Promise.all(
    names.map(async (name) => {
      const home = homeOf(runDir, name)
      return (await isUnfinished(home)) && !(await DirectoryLock.isTaken(home.dir))
    }),
  )
  return names.filter((_, at) => unfinished[at])
}

export interface VdeSockets {
  /** What programs that speak VDE, such as QEMU, plug into. */
  socketDir: string
  /** The switch is the vswitch's own, and its ports are numbered as the slots are. */
  own: boolean
  /** The socket of its management console, when it is its own. */
  mgmt?: string
  /** Of the process that has the taps; absent when it has ended. */
  pid?: number
  /** There is a switch that programs can plug into. */
  running: boolean
}

/** Throws VSWITCH_NOT_FOUND. */
export async function vdeSockets(runDir: string, name: string): Promise<VdeSockets> {
  const record = await readRecord(runDir, name)
  if (record === undefined) {
    throw new EcdockError('VSWITCH_NOT_FOUND', 'find vswitch', `there is no vswitch ${name} of kind vde`, {
      hint: '"ecdock-fast ls" shows the vswitches.',
    })
  }
  const home = homeOf(runDir, name)
  const process = await findSwitch(home.control)
  const own = record.socketDir === undefined
  return {
    socketDir: record.socketDir ?? home.sock,
    own,
    ...(own && { mgmt: home.mgmt }),
    ...(process !== undefined && { pid: process.pid }),
    running: await isServed(record.socketDir ?? home.sock),
  }
}
