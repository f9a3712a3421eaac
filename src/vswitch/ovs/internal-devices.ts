import { EcdockError } from '../../errors.js'
import type { Link, LinkStats } from '../../kernel/kernel.js'
import type { OvsdbClient } from '../../ovsdb/client.js'
import type { HostSidedBackend, Surroundings } from '../backend.js'
import { hostSide } from '../host-side.js'
import { portOf } from '../port-reading.js'
import { parsePortAlias } from '../record.js'
import type { Port } from '../vswitch.js'
import type { InternalRows } from './internal-rows.js'
import type { PortRow } from './own-rows.js'

/**
 * The devices of these slots: internal ones in their targets, others on the host. A slot without one has lost it.
 * vswitchd does not tell: on the userspace datapath it sees no device that has left its namespace.
 */
export async function devicesOf(
  backend: HostSidedBackend,
  found: readonly InternalRows[],
  around: Surroundings,
): Promise<Map<number, Link>> {
  const devices = new Map<number, Link>()
  const internal = found.filter(({ first }) => first !== undefined)
  for (const { slot, first } of found) {
    const link = first === undefined ? await hostSide(backend, around, slot) : undefined
    if (link !== undefined) devices.set(slot, link)
  }
  for (const netns of new Set(internal.map((rows) => rows.netns))) {
    for (const link of await linksIn(netns, around)) {
      const record = parsePortAlias(link.alias)
      if (record?.vswitch === backend.name) devices.set(record.slot, link)
    }
  }
  return devices
}

async function linksIn(netns: string, { kernel }: Surroundings): Promise<Link[]> {
  try {
    return await kernel.links(netns)
  } catch (error) {
    if (isGone(error)) return []
    throw error
  }
}

/** Whether an error says that a namespace is not there, or that its path leads to something else now. */
export function isGone(error: unknown): boolean {
  if (!(error instanceof EcdockError)) return false
  return error.code === 'TARGET_NOT_FOUND' || error.code === 'NOT_A_NETNS' || error.errno === 'ESRCH'
}

/** The port of these rows with its device, if it still has one. */
export function portWith(
  client: OvsdbClient,
  backend: HostSidedBackend,
  { slot, first, second, target }: InternalRows,
  link: Link | undefined,
  around: Surroundings,
): Port {
  const mac = macOf(client, first) ?? ''
  const none = { vswitch: backend.name, slot, ifname: '', netnsId: 0, mac, target }
  const record = (link && parsePortAlias(link.alias)) ?? none
  const ofport = client.replica.byName('Interface', first?.name ?? '')?.ofport
  const port: Port = {
    ...portOf(backend, around, record, link?.mtu ?? 0),
    internal: true,
    ...(second && { dualNic: true }),
    ...(ofport !== undefined && { ofport }),
  }
  if (link === undefined) return { ...port, state: 'ghost' }
  return { ...port, state: link.up && link.carrier ? 'up' : 'down', stats: fromTheHost(link.stats) }
}

export function macOf(client: OvsdbClient, row: PortRow | undefined): string | undefined {
  return client.replica.byName('Interface', row?.name ?? '')?.external_ids.get('attached-mac')
}

/** The counters of a port are those of its host side: what that has received, the target has sent. */
function fromTheHost(stats: LinkStats): LinkStats {
  return {
    rxPackets: stats.txPackets,
    txPackets: stats.rxPackets,
    rxBytes: stats.txBytes,
    txBytes: stats.rxBytes,
    rxErrors: stats.txErrors,
    txErrors: stats.rxErrors,
    rxDropped: stats.txDropped,
    txDropped: stats.rxDropped,
  }
}
