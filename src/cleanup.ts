import { setTimeout } from 'node:timers/promises'
import type { SlotContainers } from './containers/slot-containers.js'
import { EcdockError } from './errors.js'
import type { Kernel } from './kernel/kernel.js'
import { deleteBridge } from './vswitch/bridge.js'
import { slotOfHostIfname, vswitchNetns } from './vswitch/names.js'
import { LINK_GROUP, parsePortAlias } from './vswitch/record.js'
import type { Vswitch } from './vswitch/vswitch.js'

/** Between the two looks that decide what is left behind, in ms. */
const SECOND_LOOK_MS = 1000

export interface Removal {
  /** `port`: with its rows; `link`: an interface that belongs to no port; `vswitch`: one that is half made. */
  kind: 'port' | 'link' | 'vswitch'
  name: string
  /** For people, such as `its device is gone`. */
  why: string
}

export interface CleanupReport {
  dryRun: boolean
  /** What was removed, or would be. */
  removed: Removal[]
  /** What could not be looked at, and why: one sentence each. */
  skipped: string[]
}

interface World {
  kernel: Kernel
  vswitches: readonly Vswitch[]
  containers: SlotContainers
}

/** A removal, and how it is done. */
interface Finding extends Removal {
  remove: () => Promise<void>
}

/**
 * Removes what crashes and ended containers left behind: ports without a device, ports of containers that
 * have ended, interfaces without a port, vswitches that are only half there. Everything is known to be ours
 * by the mark that it carries.
 */
export async function cleanup(world: World, dryRun: boolean): Promise<CleanupReport> {
  const report: CleanupReport = { dryRun, removed: [], skipped: [] }
  for (const { remove, ...removal } of await lasting(world, report.skipped)) {
    if (!dryRun) await remove()
    report.removed.push(removal)
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

async function look(world: World, skipped: string[]): Promise<Finding[]> {
  return [
    ...(await halfMadeVswitches(world)),
    ...(await brokenPorts(world)),
    ...(await endedContainers(world, skipped)),
    ...(await strayLinks(world)),
  ]
}

async function halfMadeVswitches({ kernel, vswitches }: World): Promise<Finding[]> {
  const found: Finding[] = []
  for (const { kind, name } of vswitches) {
    if (kind !== 'bridge') continue
    const [bridge] = await kernel.linksByName(netnsOf(name), [name])
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

async function brokenPorts({ vswitches }: World): Promise<Finding[]> {
  const found: Finding[] = []
  for (const vswitch of vswitches) {
    for (const port of await vswitch.ports()) {
      if (port.state === 'ghost') found.push(portFinding(vswitch, port, 'its device is gone'))
      if (port.state === 'stray') found.push(portFinding(vswitch, port, 'OVSDB does not know it'))
    }
  }
  return found
}

/** A container's namespace can outlive it, held by a file or another process; its port then stays. */
async function endedContainers({ vswitches, containers }: World, skipped: string[]): Promise<Finding[]> {
  const found: Finding[] = []
  try {
    for (const container of await containers.list()) {
      if (container.state !== 'exited' && container.state !== 'dead') continue
      const vswitch = vswitches.find(({ name }) => name === container.vswitch)
      const port = await vswitch?.port(container.slot)
      if (vswitch === undefined || port === undefined || port.state === 'ghost' || port.state === 'stray')
        continue
      if (port.target !== `container:${container.name}`) continue
      found.push(portFinding(vswitch, port, `container ${container.name} has ended`))
    }
  } catch (error) {
    if (!(error instanceof EcdockError)) throw error
    skipped.push(`Ended containers were not looked for: ${error.message}`)
  }
  return found
}

/** What a crash left between making an interface and connecting it. */
async function strayLinks({ kernel, vswitches }: World): Promise<Finding[]> {
  const found: Finding[] = []
  const places = ['', ...vswitches.filter(({ kind }) => kind === 'bridge').map(({ name }) => netnsOf(name))]
  for (const netns of places) {
    for (const link of await kernel.links(netns)) {
      if (link.kind !== 'veth' || !isStray(link, netns, vswitches)) continue
      found.push({
        kind: 'link',
        name: link.name,
        why: 'it belongs to no port',
        remove: () => kernel.deleteLinks(netns, [link.ifindex]),
      })
    }
  }
  return found
}

function isStray(
  link: { name: string; alias: string; group: number },
  netns: string,
  vswitches: readonly Vswitch[],
): boolean {
  const record = parsePortAlias(link.alias)
  if (record !== undefined) return netns === '' && !vswitches.some(({ name }) => name === record.vswitch)
  // Made, but not yet marked: our group, and a name that only a slot of this vswitch can have.
  const owner = vswitches.find(
    ({ kind, name }) =>
      netns === (kind === 'bridge' ? netnsOf(name) : '') && slotOfHostIfname(name, link.name) !== undefined,
  )
  return link.alias === '' && link.group === LINK_GROUP && owner !== undefined
}

function portFinding(vswitch: Vswitch, port: { slot: number; hostIfname: string }, why: string): Finding {
  return { kind: 'port', name: port.hostIfname, why, remove: () => vswitch.unplug(port.slot) }
}

function netnsOf(name: string): string {
  return `/run/netns/${vswitchNetns(name)}`
}
