import { switchAddress } from '../../addressing/slot.js'
import type { Subnet } from '../../addressing/subnet.js'
import { EcdockError } from '../../errors.js'
import type { Kernel } from '../../kernel/kernel.js'
import type { Step } from '../../kernel/plan.js'
import { existingSocketDir } from '../../vde/socket-dir.js'
import { findSwitch, startSwitch, stopSwitch } from '../../vde/switch-process.js'
import type { Backend, Surroundings } from '../backend.js'
import { vswitchDeleted } from '../host-side.js'
import { LINK_GROUP, parseVswitchAlias, portMark, vswitchAlias } from '../record.js'
import { creationFailure, requireVacant, vacantStep } from '../vacancy.js'
import { tapFailure } from './backend.js'
import {
  homeOf,
  isUnfinished,
  listHomes,
  makeHome,
  readRecord,
  removeHome,
  type VdeRecord,
  writeRecord,
} from './home.js'
import { switchOptions } from './mending.js'
import { ownPort } from './own-port.js'

/**
 * Makes a vswitch: starts its process, and gives the host a tap with the switch's own address. Throws VSWITCH_EXISTS,
 * ADDRESS_TAKEN, USAGE, PERMISSION, KERNEL, VDE_START_FAILED; and for a switch of somebody else VDE_UNREACHABLE and
 * VDE_REFUSED. Nothing is left behind then.
 */
export async function createVde(
  kernel: Kernel,
  asked: VdeRecord,
  subnet: Subnet,
  { runDir, hasIpv6 }: { runDir: string; hasIpv6: boolean },
): Promise<VdeRecord> {
  const { socketDir } = asked
  const record = socketDir === undefined ? asked : { ...asked, socketDir: await existingSocketDir(socketDir) }
  const home = homeOf(runDir, record.name)
  await requireVacant(kernel, record, subnet, { hasIpv6 })
  await makeHome(home, record.name)
  try {
    await startSwitch(switchOptions(record, home))
    const [outcome] = await kernel.execute([{ steps: ownSteps(record, subnet, home.control, hasIpv6) }])
    if (outcome?.ok === false) {
      throw tapFailure(outcome, record) ?? creationFailure(outcome, record)
    }
    // It comes last: what a crash leaves half done is known by having none.
    await writeRecord(home, record)
    return record
  } catch (error) {
    await removeOwnTap(kernel, record.name).catch(() => {})
    await stopSwitch(home.control).catch(() => {})
    await removeHome(home)
    throw error
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

/** Ends the switch process, and takes away all taps and files. Throws VSWITCH_NOT_FOUND. */
export async function deleteVde(backend: Backend, around: Surroundings, runDir: string): Promise<void> {
  const { name } = backend
  const home = homeOf(runDir, name)
  if ((await readRecord(runDir, name)) === undefined) throw vswitchDeleted(name)
  const ports = await backend.places.ports(around)
  await backend.places.remove(
    around,
    ports.map(({ slot }) => ({ slot, mark: portMark(name, slot) })),
  )
  await removeUnfinishedVde(around.kernel, runDir, name)
  await removeHome(home)
}

/** Takes away a vswitch that was never whole, or whose file has been lost. */
export async function removeUnfinishedVde(kernel: Kernel, runDir: string, name: string): Promise<void> {
  const home = homeOf(runDir, name)
  await removeOwnTap(kernel, name)
  await stopSwitch(home.control)
  await removeHome(home)
}

async function removeOwnTap(kernel: Kernel, name: string): Promise<void> {
  const [link] = await kernel.linksByName('', [name])
  if (link?.kind !== 'tun' || parseVswitchAlias(link.alias)?.name !== name) return
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

/** Names of vswitches that are being created, or whose creation a crash cut short. */
export async function listUnfinishedVdes(runDir: string): Promise<string[]> {
  const names = await listHomes(runDir)
  const unfinished = await Promise.all(names.map((name) => isUnfinished(runDir, name)))
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
  const running = await findSwitch(home.control)
  return {
    socketDir: record.socketDir ?? home.sock,
    own: record.socketDir === undefined,
    ...(record.socketDir === undefined && { mgmt: home.mgmt }),
    ...(running !== undefined && { pid: running.pid }),
  }
}
