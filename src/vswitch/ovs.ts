import { parseSubnet } from '../addressing/subnet.js'
import { EcdockError } from '../errors.js'
import type { OvsdbClient } from '../ovsdb/client.js'
import { insert, mutate, type Operation, rowIs } from '../ovsdb/operations.js'
import type { ReplicaRow } from '../ovsdb/replica.js'
import { refusalOf } from '../ovsdb/result.js'
import { named, type Uuid } from '../ovsdb/value.js'
import type { Backend, MadePort } from './backend.js'
import { hostIfname, slotOfHostIfname } from './names.js'
import { PORT_KEYS } from './ovs-marks.js'
import { LINK_GROUP, type VswitchRecord } from './record.js'
import type { Port } from './vswitch.js'
import type { Wiring } from './wiring.js'

/** OFPP_MAX of OpenFlow 1.0 is 0xff00; Open vSwitch takes 1 to 65279 as ofport_request (vswitch.xml). */
const MAX_OFPORT = 65279
/** How long vswitchd may take over a transaction, in ms. */
const TAKE_IN_MS = 30_000

/** A vswitch of kind `ovs`: a bridge of Open vSwitch. A slot's number is its OpenFlow port number. */
export function ovsBackend(record: VswitchRecord, usermode: boolean, client: OvsdbClient): Backend {
  const { name } = record
  return {
    kind: 'ovs',
    name,
    subnet: parseSubnet(record.subnet),
    ipv6Prefix: record.ipv6Prefix,
    maxSlot: MAX_OFPORT,
    netns: '',
    interfaces: (wiring) => [
      {
        op: 'veth',
        netns: '',
        name: wiring.hostIfname,
        group: LINK_GROUP,
        alias: wiring.alias,
        mtu: wiring.mtu,
        peer: { netns: wiring.target.netns, name: wiring.ifname, mac: wiring.mac, mtu: wiring.mtu },
      },
    ],
    finish: (wiring) =>
      usermode ? [{ op: 'tx-checksum-off', netns: wiring.target.netns, name: wiring.ifname }] : [],
    connect: (made, signal) => new Connecting(client, name).connect(made, signal),
    disconnect: (slots) => disconnect(client, name, slots),
    remembered: async () => remembered(client, name),
    foreign: async () => foreignSlots(client, name),
    explain: (wiring) => [explainPort(name, wiring)],
  }
}

class Connecting {
  readonly #client: OvsdbClient
  readonly #name: string

  constructor(client: OvsdbClient, name: string) {
    this.#client = client
    this.#name = name
  }

  /** All in one transaction; when the server refuses it, one by one, so that each hears its own outcome. */
  async connect(
    made: readonly MadePort[],
    signal: AbortSignal | undefined,
  ): Promise<(EcdockError | undefined)[]> {
    const bridge = requireBridge(this.#client, this.#name)
    const foreign = made.map((port) => foreignPort(this.#client, bridge, port.wiring.hostIfname))
    const free = made.filter((_, at) => foreign[at] === undefined)
    const outcomes = new Map<MadePort, EcdockError | undefined>()
    made.forEach((port, at) => {
      if (foreign[at] !== undefined) outcomes.set(port, foreign[at])
    })
    for (const [port, error] of await this.#insert(bridge.uuid, free, signal)) outcomes.set(port, error)
    return made.map((port) => outcomes.get(port))
  }

  async #insert(
    bridge: Uuid,
    made: readonly MadePort[],
    signal: AbortSignal | undefined,
  ): Promise<Map<MadePort, EcdockError | undefined>> {
    if (made.length === 0) return new Map()
    const operations = made.flatMap((port, at) => insertion(this.#client, bridge, port, `p${at}`))
    try {
      await this.#client.transactAndWait(operations, {
        timeoutMs: TAKE_IN_MS,
        ...(signal === undefined ? {} : { signal }),
      })
    } catch (error) {
      if (refusalOf(error) !== undefined && made.length > 1) {
        const each = new Map<MadePort, EcdockError | undefined>()
        for (const port of made) {
          for (const [one, outcome] of await this.#insert(bridge, [port], signal)) each.set(one, outcome)
        }
        return each
      }
      await this.#takeBack(made)
      const failure = error as EcdockError
      return new Map(made.map((port) => [port, failure]))
    }
    return this.#verdicts(made)
  }

  /** vswitchd has taken the rows in: what does Interface.ofport say? */
  async #verdicts(made: readonly MadePort[]): Promise<Map<MadePort, EcdockError | undefined>> {
    const verdicts = new Map<MadePort, EcdockError | undefined>()
    const failed: MadePort[] = []
    for (const port of made) {
      const row = this.#client.replica.byName('Interface', port.wiring.hostIfname)
      const error = portError(port.wiring, row)
      verdicts.set(port, error)
      if (error !== undefined) failed.push(port)
      else if (row?.ofport !== undefined) port.port.ofport = row.ofport
    }
    await this.#takeBack(failed)
    return verdicts
  }

  /**
   * Removes the rows of ports that failed. The transaction may have been committed although its answer was
   * lost, so this looks at what is there; when the server is away, `cleanup` finds them later by their marks.
   */
  async #takeBack(made: readonly MadePort[]): Promise<void> {
    if (made.length === 0) return
    try {
      await disconnect(
        this.#client,
        this.#name,
        made.map((port) => port.wiring.slot),
      )
    } catch {
      // The caller is told the first error, which is the one that matters.
    }
  }
}

/** The rows of one port; a row that outlived the device of an earlier plug gives way in the same transaction. */
function insertion(client: OvsdbClient, bridge: Uuid, made: MadePort, label: string): Operation[] {
  const { wiring, port } = made
  const operations: Operation[] = []
  const old = client.replica.byName('Port', wiring.hostIfname)
  if (old !== undefined) operations.push(mutate('Bridge', rowIs(bridge), { ports: { delete: [old.uuid] } }))
  operations.push(
    insert(
      'Interface',
      {
        name: wiring.hostIfname,
        ofport_request: wiring.slot,
        external_ids: {
          ...(wiring.target.containerId === undefined ? {} : { container_id: wiring.target.containerId }),
          container_iface: port.ifname,
          'attached-mac': wiring.mac,
        },
      },
      `${label}i`,
    ),
    insert(
      'Port',
      {
        name: wiring.hostIfname,
        interfaces: [named(`${label}i`)],
        external_ids: {
          [PORT_KEYS.slot]: String(wiring.slot),
          [PORT_KEYS.target]: wiring.target.label,
          [PORT_KEYS.ifname]: port.ifname,
          [PORT_KEYS.netns]: String(port.netnsId),
        },
      },
      `${label}p`,
    ),
    mutate('Bridge', rowIs(bridge), { ports: { insert: [named(`${label}p`)] } }),
  )
  return operations
}

function portError(wiring: Wiring, row: ReplicaRow<'Interface'> | undefined): EcdockError | undefined {
  if (row === undefined) {
    return new EcdockError(
      'OVS_PORT_FAILED',
      'plug',
      `port ${wiring.hostIfname} was deleted while it was being added`,
    )
  }
  const said = row.error ?? ''
  if (said === '' && row.ofport !== undefined && row.ofport >= 0) {
    if (row.ofport === wiring.slot) return undefined
    return new EcdockError(
      'SLOT_TAKEN',
      'plug',
      `OpenFlow port ${wiring.slot}, the number of the slot, is another port's: ${wiring.hostIfname} got ${row.ofport}`,
      {
        hint: 'Choose another slot, or see who has it with "ovs-vsctl --columns=name,ofport list Interface".',
      },
    )
  }
  return new EcdockError(
    'OVS_PORT_FAILED',
    'plug',
    `Open vSwitch could not add ${wiring.hostIfname}: ${said === '' ? 'it gave the port no number' : said}`,
    { hint: 'Does ovs-vswitchd run in the same network namespace as this program? Its log says more.' },
  )
}

/** A port of that name that is not ours, or not on this bridge: it is never touched. */
function foreignPort(
  client: OvsdbClient,
  bridge: ReplicaRow<'Bridge'>,
  name: string,
): EcdockError | undefined {
  const port = client.replica.byName('Port', name)
  if (port === undefined) return undefined
  if (bridge.ports.has(port.uuid) && port.external_ids.has(PORT_KEYS.slot)) return undefined
  return new EcdockError('SLOT_TAKEN', 'plug', `Open vSwitch already has a port ${name} that is not ours`, {
    hint: 'Choose another slot, or delete that port with ovs-vsctl del-port if nobody needs it.',
  })
}

/** Slots whose port name or OpenFlow port number belongs to a port that is not ours. */
function foreignSlots(client: OvsdbClient, name: string): Set<number> {
  const slots = new Set<number>()
  const bridge = requireBridge(client, name)
  for (const port of client.replica.rows('Port')) {
    const here = bridge.ports.has(port.uuid)
    if (here && port.external_ids.has(PORT_KEYS.slot)) continue
    const named = slotOfHostIfname(name, port.name)
    if (named !== undefined) slots.add(named)
    for (const uuid of here ? port.interfaces : []) {
      const ofport = client.replica.get('Interface', uuid)?.ofport
      if (ofport !== undefined && ofport > 0) slots.add(ofport)
    }
  }
  return slots
}

async function disconnect(client: OvsdbClient, name: string, slots: readonly number[]): Promise<void> {
  const bridge = client.replica.byName('Bridge', name)
  if (bridge === undefined) return
  const rows = slots.flatMap((slot) => {
    const port = client.replica.byName('Port', hostIfname(name, slot))
    const ours = port !== undefined && bridge.ports.has(port.uuid) && port.external_ids.has(PORT_KEYS.slot)
    return ours ? [port.uuid] : []
  })
  if (rows.length === 0) return
  // Port and Interface rows are not root rows (RFC 7047 section 5.1): the server deletes what nobody refers to.
  await client.transactAndWait([mutate('Bridge', rowIs(bridge.uuid), { ports: { delete: rows } })], {
    timeoutMs: TAKE_IN_MS,
  })
}

function remembered(client: OvsdbClient, name: string): Map<number, Partial<Port>> {
  const slots = new Map<number, Partial<Port>>()
  const bridge = requireBridge(client, name)
  for (const uuid of bridge.ports) {
    const port = client.replica.get('Port', uuid)
    const slot = port === undefined ? undefined : slotOfHostIfname(name, port.name)
    if (port === undefined || slot === undefined || port.external_ids.get(PORT_KEYS.slot) !== String(slot))
      continue
    const row = client.replica.byName('Interface', port.name)
    slots.set(slot, {
      target: port.external_ids.get(PORT_KEYS.target) ?? '',
      ifname: port.external_ids.get(PORT_KEYS.ifname) ?? '',
      netnsId: Number(port.external_ids.get(PORT_KEYS.netns) ?? 0),
      mac: row?.external_ids.get('attached-mac') ?? '',
      ...(row?.ofport === undefined ? {} : { ofport: row.ofport }),
    })
  }
  return slots
}

export function requireBridge(client: OvsdbClient, name: string): ReplicaRow<'Bridge'> {
  const bridge = client.replica.byName('Bridge', name)
  if (bridge !== undefined) return bridge
  throw new EcdockError('VSWITCH_NOT_FOUND', 'ovs', `Open vSwitch has no bridge ${name}`, {
    hint: '"ecdock-fast ls" shows the vswitches.',
  })
}

function explainPort(name: string, wiring: Wiring): string {
  return (
    `ovs-vsctl add-port ${name} ${wiring.hostIfname} -- set Interface ${wiring.hostIfname} ` +
    `ofport_request=${wiring.slot} external_ids:attached-mac='"${wiring.mac}"'`
  )
}
