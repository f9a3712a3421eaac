import { EcdockError } from '../errors.js'
import type { Kernel, Link } from '../kernel/kernel.js'
import { bridgeNetns } from '../vswitch/bridge.js'
import { hostIfname, slotOfHostIfname, standingNames, vswitchNetns } from '../vswitch/names.js'
import { findStanding, removeSlotRemains, removeStandingRemains } from '../vswitch/ovs/standing-remains.js'
import { LINK_GROUP, type PortRecord, parsePortAlias } from '../vswitch/record.js'
import type { Vswitch } from '../vswitch/vswitch.js'
import type { Finding, Sight } from './finding.js'

/** Names that a sentence about many of them shows. */
const NAMES_SHOWN = 5

/** What a crash left between making an interface and connecting it, and what somebody has deleted a bridge from under. */
export async function strayLinks(kernel: Kernel, sight: Sight, skipped: string[]): Promise<Finding[]> {
  const doubtful: string[] = []
  const found = [
    ...(await standingRemains(kernel, sight, doubtful)),
    ...(await strayPortLinks(kernel, sight, doubtful)),
  ]
  if (doubtful.length > 0) skipped.push(leftAlone(doubtful, sight.database))
  return found
}

/** What Open vSwitch has no ports of. */
async function standingRemains(kernel: Kernel, { database }: Sight, doubtful: string[]): Promise<Finding[]> {
  const found: Finding[] = []
  for (const remains of await findStanding(kernel)) {
    const { vswitch, slots } = remains
    if (database instanceof EcdockError || !database.isNamedBy(remains)) {
      doubtful.push(vswitchNetns(vswitch))
    } else if (!database.hasBridge(vswitch)) {
      const why = 'Open vSwitch has no bridge of that name any more'
      const remove = () => removeStandingRemains(kernel, remains)
      found.push({ kind: 'vswitch', name: vswitch, why, remove })
    } else {
      for (const slot of slots) {
        if (database.hasPort(standingNames(vswitch, slot).port)) continue
        const why = 'Open vSwitch does not know its port'
        const remove = () => removeSlotRemains(kernel, vswitch, slot)
        found.push({ kind: 'slot', name: hostIfname(vswitch, slot), why, remove })
      }
    }
  }
  return found
}

async function strayPortLinks(
  kernel: Kernel,
  { vswitches, database }: Sight,
  doubtful: string[],
): Promise<Finding[]> {
  const found: Finding[] = []
  const finding = (netns: string, { name, ifindex }: Link): Finding => {
    const remove = () => kernel.deleteLinks(netns, [ifindex])
    return { kind: 'link', name, why: 'it belongs to no port', remove }
  }
  for (const link of await kernel.links('')) {
    const record = link.kind === 'veth' ? parsePortAlias(link.alias) : undefined
    if (record === undefined) {
      if (isUnmarked(link, vswitches, 'ovs')) found.push(finding('', link))
    } else if (!vswitches.some(({ name }) => name === record.vswitch)) {
      if (isLeftOver(link.name, record, database)) found.push(finding('', link))
      else doubtful.push(link.name)
    }
  }
  for (const vswitch of vswitches) {
    if (vswitch.kind !== 'bridge') continue
    const netns = bridgeNetns(vswitch.name)
    for (const link of await kernel.links(netns)) {
      if (isUnmarked(link, [vswitch], 'bridge')) found.push(finding(netns, link))
    }
  }
  return found
}

/**
 * Only what its own database says is left over. A port of a vswitch that the database does not know may as well belong to
 * another one on this host.
 */
function isLeftOver(name: string, record: PortRecord, database: Sight['database']): boolean {
  if (database instanceof EcdockError || !database.isNamedBy(record)) return false
  return !database.hasBridge(record.vswitch) && !database.hasPort(name)
}

/** Made, but not yet marked: our group, and a name that only a slot of such a vswitch can have. */
function isUnmarked(link: Link, vswitches: readonly Vswitch[], kind: Vswitch['kind']): boolean {
  if (link.kind !== 'veth' || link.alias !== '' || link.group !== LINK_GROUP) return false
  return vswitches.some(
    (vswitch) => vswitch.kind === kind && slotOfHostIfname(vswitch.name, link.name) !== undefined,
  )
}

function leftAlone(names: readonly string[], database: Sight['database']): string {
  const more = names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : ''
  const shown = names.slice(0, NAMES_SHOWN).join(', ') + more
  return database instanceof EcdockError
    ? `What may be ports of Open vSwitch was left alone (${shown}): ${database.message}`
    : `Ports of a vswitch that this Open vSwitch database does not know were left alone (${shown}): they may belong to another database.`
}
