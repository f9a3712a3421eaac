import type { Link } from '../kernel/kernel.js'
import type { HostSidedBackend, KeptSlot, PortPlaces, Surroundings } from './backend.js'
import { deleteHostSides, hostSide, hostSideLinks, vswitchDeleted } from './host-side.js'
import { hostIfname, slotOfHostIfname } from './names.js'
import { bySlot, portOf } from './port-reading.js'
import { LINK_GROUP, type PortRecord, parsePortAlias } from './record.js'
import type { Port } from './vswitch.js'

/** Ports that are told by their interface on the host's side, its name and its mark. */
export function hostSidePlaces(backend: () => HostSidedBackend): PortPlaces {
  return {
    async ports(around, slot) {
      const self = backend()
      if (slot === undefined) return merge(self, around, await hostSideLinks(self, around), self.kept?.())
      const link = await hostSide(self, around, slot)
      if (link === undefined) return []
      return merge(self, around, [link], self.kept?.()).filter((port) => port.slot === slot)
    },
    hostIfname: (slot) => hostIfname(backend().name, slot),
    async full(around) {
      const self = backend()
      const slots = (await hostSideLinks(self, around)).flatMap(
        (link) => slotOfHostIfname(self.name, link.name) ?? [],
      )
      return new Set(slots)
    },
    async holder(around, slot) {
      const link = await hostSide(backend(), around, slot)
      return link && holderOf(link)
    },
    remove: (around, ports) => deleteHostSides(backend(), around, ports),
    async requirePlace(around, slot) {
      const self = backend()
      const netns = self.hostNetns(slot)
      if (netns === '') return
      try {
        await around.kernel.namespaceId(netns)
      } catch {
        throw vswitchDeleted(self.name)
      }
    },
  }
}

function holderOf(link: Link): string {
  const record = parsePortAlias(link.alias)
  if (record !== undefined) return `${record.target} (${record.ifname})`
  const underWay = link.alias === '' && link.group === LINK_GROUP
  return underWay
    ? 'a plug that is under way, or that a crash cut short (cleanup removes that)'
    : `a foreign interface ${link.name}`
}

function merge(
  backend: HostSidedBackend,
  around: Surroundings,
  links: readonly Link[],
  kept: ReadonlyMap<number, KeptSlot> | undefined,
): Port[] {
  const ports = new Map<number, Port>()
  for (const link of links) {
    const record = ownRecord(backend, link)
    if (record === undefined) continue
    const known = kept?.get(record.slot)
    const connected = kept === undefined || known !== undefined
    const state = !connected ? 'stray' : link.up && link.carrier ? 'up' : 'down'
    ports.set(record.slot, {
      ...portOf(backend, around, record, link.mtu),
      state,
      stats: link.stats,
      ...known,
    })
  }
  return [...ports.values()].sort(bySlot)
}

/** The record of a link that is a port of this vswitch, undefined for every other. */
function ownRecord(backend: HostSidedBackend, link: Link): PortRecord | undefined {
  const record = parsePortAlias(link.alias)
  if (record?.vswitch !== backend.name || link.name !== hostIfname(backend.name, record.slot))
    return undefined
  return record.slot >= 1 && record.slot <= backend.subnet.lastSlot ? record : undefined
}
