import { asEcdockError, EcdockError } from '../../errors.js'
import type { Removal } from '../../kernel/kernel.js'
import { Control, type SwitchPort } from '../../vde/control.js'
import type { Backend, PortPlaces, PortRemoval, Surroundings } from '../backend.js'
import { vswitchDeleted } from '../host-side.js'
import { bySlot, portOf } from '../port-reading.js'
import type { Port } from '../vswitch.js'
import { type Home, readRecord } from './home.js'
import { parsePortLabel } from './labels.js'
import { namespaceIdAt, reachableNamespaces } from './namespaces.js'
import { strandedTaps } from './stranded.js'
import { portsAt } from './switch-ports.js'
import { abandonedTaps, deleteTaps, type MarkedTap, markedTaps, type TapOwner } from './taps.js'

interface Places {
  home: Home
  runDir: string
  backend: () => Backend
}

/** Ports that are told by the switch process; by the marks of their taps as long as it does not run. */
export function tapPlaces(places: Places): PortPlaces {
  const { backend, home } = places
  return {
    async ports(around, slot) {
      const listed = await list(places, slot)
      if (listed === undefined) return await orphans(places, around, slot)
      return listed.flatMap((port) => portFrom(backend(), around, port) ?? []).sort(bySlot)
    },
    async stranded(around) {
      const taps = await strandedAsFarAsSeen(places, around)
      return taps.map((tap) => portWithoutSwitch(backend(), around, tap))
    },
    hostIfname: () => '',
    async full(around) {
      const listed = await list(places)
      // A plug takes the slot from those whose targets are gone.
      if (listed !== undefined) {
        return new Set(listed.filter((port) => !isGhost(port)).map(({ port }) => port))
      }
      return new Set((await markedTaps(around.kernel, backend())).map(({ record }) => record.slot))
    },
    async holder(_around, slot) {
      const [port] = (await list(places, slot)) ?? []
      return port && holderOf(backend(), port)
    },
    async remove(around, ports) {
      const listed = await list(places)
      if (listed === undefined) return await removeOrphans(backend(), around, ports)
      const outcomes = await removeListed(home.control, listed, around, ports)
      // They may be in their targets all the same, when they could not be plugged in again.
      const missing = ports.filter((_, at) => outcomes[at] === 'absent')
      if (missing.length === 0) return outcomes
      // What is gone is gone, whether or not the others can be looked for.
      const orphans = await removeOrphans(backend(), around, missing).catch((error: unknown) =>
        missing.map(() => asEcdockError(error, 'unplug')),
      )
      return outcomes.map((outcome) => (outcome === 'absent' ? (orphans.shift() ?? outcome) : outcome))
    },
    async dropGhost(_around, slot) {
      const [port] = (await list(places, slot)) ?? []
      if (port === undefined || !isGhost(port)) return false
      await unplug(home.control, [slot])
      return true
    },
    requirePlace: () => requireThere(places),
  }
}

/** What is plugged in; undefined when the switch process does not run. Throws VSWITCH_NOT_FOUND. */
async function list(places: Places, slot?: number): Promise<SwitchPort[] | undefined> {
  const listed = await portsAt(places.home.control, slot)
  if (listed === undefined) await requireThere(places)
  return listed
}

async function requireThere({ runDir, backend }: Places): Promise<void> {
  const { name } = backend()
  if ((await readRecord(runDir, name)) === undefined) throw vswitchDeleted(name)
}

function portFrom(backend: Backend, around: Surroundings, listed: SwitchPort): Port | undefined {
  const record = parsePortLabel(listed)
  if (record === undefined || record.vswitch !== backend.name || record.slot !== listed.port) return undefined
  return {
    ...portOf(backend, around, record, record.mtu),
    state: isGhost(listed) ? 'ghost' : 'up',
    stats: {
      rxPackets: listed.rxPackets,
      txPackets: listed.txPackets,
      rxBytes: listed.rxBytes,
      txBytes: listed.txBytes,
      rxErrors: 0,
      txErrors: 0,
      rxDropped: 0,
      txDropped: listed.drops,
    },
  }
}

async function orphans({ backend }: Places, around: Surroundings, slot?: number): Promise<Port[]> {
  const taps = await markedTaps(around.kernel, backend())
  return taps
    .filter(({ record }) => slot === undefined || record.slot === slot)
    .map((tap) => portWithoutSwitch(backend(), around, tap))
}

function portWithoutSwitch(backend: Backend, around: Surroundings, { record, link }: MarkedTap): Port {
  return { ...portOf(backend, around, record, link.mtu), state: 'down' }
}

/** What the switch has can be told all the same when the rest cannot. */
async function strandedAsFarAsSeen(
  { home, backend }: Places,
  { kernel }: Surroundings,
): Promise<MarkedTap[]> {
  try {
    return await strandedTaps(kernel, home.control, backend())
  } catch (error) {
    if (!(error instanceof EcdockError)) throw error
    const message = `Taps that are not plugged into ${backend().name} were not looked for: ${error.message}`
    process.emitWarning(message, 'EcdockWarning')
    return []
  }
}

/**
 * Whether the namespace of a port's target cannot be reached any more. It lives on, because the switch has a tap open
 * there, but nobody is in it.
 */
function isGhost(port: SwitchPort): boolean {
  const record = parsePortLabel(port)
  if (record === undefined || namespaceIdAt(record.netns) === record.netnsId) return false
  return !reachableNamespaces().has(record.netnsId)
}

function holderOf(backend: Backend, port: SwitchPort): string {
  const record = parsePortLabel(port)
  if (record !== undefined) return `${record.target} (${record.ifname})`
  if (port.kind === 'vde') return `a client of the switch (${port.description || `process ${port.pid}`})`
  return port.name === backend.name ? 'the vswitch itself' : `the tap ${port.name}`
}

type Asked = readonly { slot: number; mark: string }[]

/**
 * First the links, many at the same time: when they are gone, the switch has little left to close, and to take their ports
 * out takes no time. `deleted` is a port that the switch had; an interface that no longer carries the mark stays. So does
 * a port whose tap could not be looked for: while the switch has it, it can be found again.
 */
async function removeListed(
  path: string,
  listed: readonly SwitchPort[],
  { kernel }: Surroundings,
  asked: Asked,
): Promise<PortRemoval[]> {
  const bySlot = new Map(listed.map((port) => [port.port, port]))
  const found = asked.flatMap(({ slot, mark }, at) => {
    const port = bySlot.get(slot)
    const record = port && parsePortLabel(port)
    return record !== undefined && port?.label.startsWith(mark) ? [{ at, slot, mark, record }] : []
  })
  const outcomes: PortRemoval[] = asked.map(({ slot }) => (bySlot.has(slot) ? 'foreign' : 'absent'))
  if (found.length === 0) return outcomes
  const removals = await deleteTaps(kernel, found)
  const looked = found.flatMap((port, index) => {
    const removal = removals[index]
    if (!(removal instanceof EcdockError)) return [{ ...port, removal }]
    outcomes[port.at] = removal
    return []
  })
  const taken = await unplug(
    path,
    looked.map(({ slot }) => slot),
  )
  for (const [index, { at, removal }] of looked.entries()) {
    outcomes[at] = removal === 'deleted' || taken[index] ? 'deleted' : 'absent'
  }
  return outcomes
}

/** Takes out what is at these ports; false, in order, where nothing was (any more). */
async function unplug(path: string, slots: readonly number[]): Promise<boolean[]> {
  const control = await Control.connect(path)
  try {
    const gone = (error: unknown) => {
      if (error instanceof EcdockError && (error.errno === 'ENXIO' || error.code === 'VDE_LOST')) return false
      throw error
    }
    return await Promise.all(slots.map((slot) => control.unplug(slot).then(() => true, gone)))
  } finally {
    control.close()
  }
}

async function removeOrphans(owner: TapOwner, { kernel }: Surroundings, asked: Asked): Promise<Removal[]> {
  const taps = new Map<number, MarkedTap>()
  for (const tap of await abandonedTaps(kernel, owner)) taps.set(tap.record.slot, tap)
  const links = asked.flatMap(({ slot, mark }) => {
    const tap = taps.get(slot)
    return tap === undefined ? [] : [{ slot, netns: tap.netns, name: tap.link.name, mark }]
  })
  const removals = await kernel.deleteScatteredLinks(links)
  const bySlot = new Map(links.map(({ slot }, at) => [slot, removals[at]]))
  return asked.map(({ slot }) => bySlot.get(slot) ?? 'absent')
}
