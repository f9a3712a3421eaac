import { switchAddress } from '../../addressing/slot.js'
import type { Subnet } from '../../addressing/subnet.js'
import { EcdockError } from '../../errors.js'
import type { Kernel } from '../../kernel/kernel.js'
import type { Step } from '../../kernel/plan.js'
import type { OvsdbClient } from '../../ovsdb/client.js'
import { insert, mutate, type Operation } from '../../ovsdb/operations.js'
import { named, type Uuid } from '../../ovsdb/value.js'
import { parsePortAlias, parseSlotAlias, type VswitchRecord, vswitchRecord } from '../record.js'
import { creationFailure, requireVacant } from '../vacancy.js'
import { BRIDGE_KEYS, databaseMark } from './marks.js'
import { suppressesNeighbours, UPLINK_OFPORT } from './neighbours.js'
import { requireBridge } from './own-rows.js'
import { deleteStandingNetns } from './standing-ports.js'
import { undoMs, undoUnlessRefused } from './undo.js'

export interface OvsBridge extends VswitchRecord {
  usermode: boolean
  neighSuppress: boolean
}

export interface OvsBridgeOptions {
  usermode: boolean
  neighSuppress: boolean
  /** An interface of the host that joins as uplink. */
  device?: string | undefined
}

/**
 * Creates the bridge as ecDock did: with the switch's MAC, its IPv4 and IPv6 address on the bridge's own
 * interface, and the uplink. Throws VSWITCH_EXISTS, DEVICE_NOT_FOUND, UNSUPPORTED (no such datapath),
 * ADDRESS_TAKEN, PERMISSION, or what OVSDB gives; nothing is left behind then.
 */
export async function createOvsBridge(
  kernel: Kernel,
  client: OvsdbClient,
  record: VswitchRecord,
  subnet: Subnet,
  options: OvsBridgeOptions & { hasIpv6: boolean },
): Promise<void> {
  const own = switchAddress(subnet, record.ipv6Prefix)
  await checkVacant(kernel, client, record, subnet, options)
  try {
    await client.transactAndWait(rows(record, own.mac, options))
    checkTakenIn(client, record.name, options)
    const [outcome] = await kernel.execute([{ steps: ownInterface(record, subnet, options) }])
    if (outcome?.ok === false) {
      throw creationFailure(
        outcome,
        record,
        'Does ovs-vswitchd run in the same network namespace as this program?',
      )
    }
  } catch (error) {
    await undoUnlessRefused(client, error, async () => {
      const made = listOvsBridges(client).some(
        ({ name, subnet }) => name === record.name && subnet === record.subnet,
      )
      if (made) await deleteRow(client, requireBridge(client, record.name).uuid, undoMs(client))
    })
    throw error
  }
}

export async function deleteOvsBridge(kernel: Kernel, client: OvsdbClient, name: string): Promise<void> {
  const bridge = requireBridge(client, name)
  await Promise.all([deleteInterfaces(kernel, name, databaseMark(client)), deleteRow(client, bridge.uuid)])
}

/** Those of all ports of a bridge, and the namespace of its standing ports. */
async function deleteInterfaces(kernel: Kernel, name: string, ovsdb: string | undefined): Promise<void> {
  await deleteStandingNetns(kernel, name, ovsdb)
  const links = (await kernel.links('')).filter(
    ({ alias }) => parsePortAlias(alias)?.vswitch === name || parseSlotAlias(alias)?.vswitch === name,
  )
  await kernel.deleteLinks(
    '',
    links.map((link) => link.ifindex),
  )
}

/** The bridges that are vswitches of ours. */
export function listOvsBridges(client: OvsdbClient): OvsBridge[] {
  const bridges: OvsBridge[] = []
  for (const row of client.replica.rows('Bridge')) {
    const ids = row.external_ids
    const record = vswitchRecord(row.name, ids.get(BRIDGE_KEYS.subnet), ids.get(BRIDGE_KEYS.ipv6Prefix))
    if (record !== undefined) {
      const neighSuppress = suppressesNeighbours(row)
      bridges.push({ ...record, usermode: row.datapath_type === 'netdev', neighSuppress })
    }
  }
  return bridges.sort((a, b) => a.name.localeCompare(b.name))
}

async function checkVacant(
  kernel: Kernel,
  client: OvsdbClient,
  record: VswitchRecord,
  subnet: Subnet,
  options: OvsBridgeOptions & { hasIpv6: boolean },
): Promise<void> {
  const { name } = record
  const foreign = client.replica.byName('Bridge', name)
  if (foreign !== undefined) {
    throw new EcdockError('VSWITCH_EXISTS', 'create-vswitch', `Open vSwitch already has a bridge ${name}`, {
      hint: 'Choose another name; "ecdock-fast ls" shows the vswitches.',
    })
  }
  await requireVacant(kernel, record, subnet, { hasIpv6: options.hasIpv6, uplink: options.device })
  if (options.device === undefined) return
  const [device] = await kernel.linksByName('', [options.device])
  if (device === undefined) {
    throw new EcdockError(
      'DEVICE_NOT_FOUND',
      'create-vswitch',
      `there is no interface ${options.device} on this host`,
    )
  }
  if (client.replica.byName('Port', options.device) !== undefined) {
    throw new EcdockError(
      'VSWITCH_EXISTS',
      'create-vswitch',
      `${options.device} already belongs to an Open vSwitch bridge`,
    )
  }
}

function rows(record: VswitchRecord, mac: string, options: OvsBridgeOptions): Operation[] {
  const operations: Operation[] = [
    insert('Interface', { name: record.name, type: 'internal' }, 'ownInterface'),
    insert('Port', { name: record.name, interfaces: [named('ownInterface')] }, 'ownPort'),
  ]
  const ports = [named('ownPort')]
  if (options.device !== undefined) {
    operations.push(
      insert('Interface', { name: options.device, ofport_request: UPLINK_OFPORT }, 'uplinkInterface'),
      insert('Port', { name: options.device, interfaces: [named('uplinkInterface')] }, 'uplinkPort'),
    )
    ports.push(named('uplinkPort'))
  }
  operations.push(
    insert(
      'Bridge',
      {
        name: record.name,
        datapath_type: options.usermode ? 'netdev' : '',
        ports,
        other_config: { hwaddr: mac },
        external_ids: {
          [BRIDGE_KEYS.subnet]: record.subnet,
          [BRIDGE_KEYS.ipv6Prefix]: record.ipv6Prefix,
          ...(options.neighSuppress && { [BRIDGE_KEYS.neighSuppress]: 'true' }),
        },
      },
      'bridge',
    ),
    mutate('Open_vSwitch', [], { bridges: { insert: [named('bridge')] } }),
  )
  return operations
}

/** vswitchd says what it could not do in Interface.error, and by giving a port no number. */
function checkTakenIn(client: OvsdbClient, name: string, options: OvsBridgeOptions): void {
  for (const port of options.device === undefined ? [name] : [name, options.device]) {
    const row = client.replica.byName('Interface', port)
    if (row?.ofport !== undefined && row.ofport >= 0 && (row.error ?? '') === '') continue
    const said = row?.error ?? ''
    const message = `Open vSwitch could not create ${port}: ${said === '' ? 'it gave the port no number' : said}`
    if (options.usermode) throw new EcdockError('OVS_PORT_FAILED', 'create-vswitch', message)
    throw new EcdockError('UNSUPPORTED', 'create-vswitch', message, {
      hint: 'Has this kernel the module openvswitch ("modprobe openvswitch")? If not, use --usermode.',
    })
  }
}

function ownInterface(
  record: VswitchRecord,
  subnet: Subnet,
  options: OvsBridgeOptions & { hasIpv6: boolean },
): Step[] {
  const { name } = record
  const own = switchAddress(subnet, record.ipv6Prefix)
  const steps: Step[] = [{ op: 'address', netns: '', name, address: own.ipv4, prefix: own.prefix }]
  if (options.hasIpv6) {
    steps.push({ op: 'address', netns: '', name, address: own.ipv6, prefix: own.ipv6Prefix })
  }
  // On the userspace datapath the host is a station as good as any: its checksums must be filled in too.
  if (options.usermode) steps.push({ op: 'tx-checksum-off', netns: '', name })
  steps.push({ op: 'link', netns: '', name, up: true })
  if (options.device !== undefined) steps.push({ op: 'link', netns: '', name: options.device, up: true })
  return steps
}

async function deleteRow(client: OvsdbClient, bridge: Uuid, timeoutMs?: number): Promise<void> {
  await client.transactAndWait([mutate('Open_vSwitch', [], { bridges: { delete: [bridge] } })], { timeoutMs })
}
