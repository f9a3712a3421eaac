import { parseSubnet } from '../../addressing/subnet.js'
import { asEcdockError, EcdockError } from '../../errors.js'
import type { Kernel } from '../../kernel/kernel.js'
import type { OvsdbClient } from '../../ovsdb/client.js'
import { mutate, rowIs } from '../../ovsdb/operations.js'
import type { ReplicaRow } from '../../ovsdb/replica.js'
import { refusalOf } from '../../ovsdb/result.js'
import type { Uuid } from '../../ovsdb/value.js'
import type { Backend, MadePort, Surroundings } from '../backend.js'
import { vswitchDeleted } from '../host-side.js'
import { hostIfname, slotOfHostIfname } from '../names.js'
import { slotTaken } from '../plug-failure.js'
import { LINK_GROUP, type VswitchRecord } from '../record.js'
import type { Port } from '../vswitch.js'
import type { Wiring } from '../wiring.js'
import { databaseMark, PORT_KEYS } from './marks.js'
import { explainPort, insertion } from './port-rows.js'
import { undoMs, undoUnlessRefused } from './undo.js'

/** OFPP_MAX of OpenFlow 1.0 is 0xff00; Open vSwitch takes 1 to 65279 as ofport_request (vswitch.xml). */
const MAX_OFPORT = 65279

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
    ovsdb: databaseMark(client),
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
    foreign: () => foreignPorts(client, requireBridge(client, name)),
    dropGhosts: (slots, around) => dropGhosts(client, name, slots, around),
    explain: (wiring, netnsId) => [explainPort(name, wiring, netnsId)],
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
    // vswitchd gives a port whose number is taken another one, perhaps that which the next of the batch asks for.
    const foreign = foreignPorts(this.#client, bridge)
    const outcomes = new Map<MadePort, EcdockError | undefined>()
    for (const port of made) {
      const holder = foreign.get(port.wiring.slot)
      if (holder !== undefined) outcomes.set(port, slotTaken(this.#name, port.wiring.slot, holder))
    }
    const free = made.filter((port) => !outcomes.has(port))
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
      await this.#client.transactAndWait(operations, { signal })
    } catch (error) {
      if (refusalOf(error) !== undefined && made.length > 1) {
        const each = new Map<MadePort, EcdockError | undefined>()
        for (const port of made) {
          for (const [one, outcome] of await this.#insert(bridge, [port], signal)) each.set(one, outcome)
        }
        return each
      }
      await undoUnlessRefused(this.#client, error, () => this.#takeBack(made))
      const failure = asEcdockError(error, 'plug')
      return new Map(made.map((port) => [port, failure]))
    }
    return this.#verdicts(made)
  }

  /** vswitchd has taken the rows in: what does Interface.ofport say? */
  async #verdicts(made: readonly MadePort[]): Promise<Map<MadePort, EcdockError | undefined>> {
    const verdicts = new Map<MadePort, EcdockError | undefined>()
    const failed: MadePort[] = []
    const bridgeGone = this.#client.replica.byName('Bridge', this.#name) === undefined
    for (const port of made) {
      const row = this.#client.replica.byName('Interface', port.wiring.hostIfname)
      const error = bridgeGone ? vswitchDeleted(this.#name) : portError(this.#name, port.wiring, row)
      verdicts.set(port, error)
      if (error !== undefined) failed.push(port)
      else if (row?.ofport !== undefined) port.port.ofport = row.ofport
    }
    if (failed.length > 0) await undoUnlessRefused(this.#client, undefined, () => this.#takeBack(failed))
    return verdicts
  }

  /** Removes the rows of these ports, as far as they are there. */
  #takeBack(made: readonly MadePort[]): Promise<void> {
    const slots = made.map((port) => port.wiring.slot)
    return disconnect(this.#client, this.#name, slots, undoMs(this.#client))
  }
}

function portError(
  vswitch: string,
  wiring: Wiring,
  row: ReplicaRow<'Interface'> | undefined,
): EcdockError | undefined {
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
    return slotTaken(vswitch, wiring.slot, `another port; ${wiring.hostIfname} got the number ${row.ofport}`)
  }
  return new EcdockError(
    'OVS_PORT_FAILED',
    'plug',
    `Open vSwitch could not add ${wiring.hostIfname}: ${said === '' ? 'it gave the port no number' : said}`,
    { hint: 'Does ovs-vswitchd run in the same network namespace as this program? Its log says more.' },
  )
}

/** Ports that are not ours, by the slots that they keep from us: by their number, or by their name. */
function foreignPorts(client: OvsdbClient, bridge: ReplicaRow<'Bridge'>): Map<number, string> {
  const holders = new Map<number, string>()
  for (const port of client.replica.rows('Port')) {
    const here = bridge.ports.has(port.uuid)
    if (here && port.external_ids.has(PORT_KEYS.slot)) continue
    const named = slotOfHostIfname(bridge.name, port.name)
    if (named !== undefined) holders.set(named, `a port ${port.name} of Open vSwitch that is not ours`)
    for (const uuid of here ? port.interfaces : []) {
      const row = client.replica.get('Interface', uuid)
      if (row?.ofport !== undefined && row.ofport > 0)
        holders.set(row.ofport, `the port ${row.name}, which is not ours`)
    }
  }
  return holders
}

/**
 * Before a device of the same name appears: vswitchd would take the new row for the old one, keep what it had opened,
 * and no frame would pass. The rows are told apart by their identity, so that a port that another process has made of
 * the slot meanwhile stays.
 */
function dropGhosts(
  client: OvsdbClient,
  name: string,
  slots: readonly number[],
  { kernel }: Surroundings,
): Promise<void> | undefined {
  const bridge = requireBridge(client, name)
  const rows = slots.flatMap((slot) => ownPort(client, bridge, slot) ?? [])
  return rows.length === 0 ? undefined : dropUnlessThere(client, bridge, rows, kernel)
}

async function dropUnlessThere(
  client: OvsdbClient,
  bridge: ReplicaRow<'Bridge'>,
  rows: readonly ReplicaRow<'Port'>[],
  kernel: Kernel,
): Promise<void> {
  const links = await kernel.linksByName(
    '',
    rows.map((row) => row.name),
  )
  const ghosts = rows.filter((_, at) => links[at] === undefined).map((row) => row.uuid)
  await removePorts(client, bridge, ghosts)
}

async function disconnect(
  client: OvsdbClient,
  name: string,
  slots: readonly number[],
  timeoutMs?: number,
): Promise<void> {
  const bridge = client.replica.byName('Bridge', name)
  if (bridge === undefined) return
  const rows = slots.flatMap((slot) => ownPort(client, bridge, slot)?.uuid ?? [])
  await removePorts(client, bridge, rows, timeoutMs)
}

/** Port and Interface rows are not root rows (RFC 7047 section 5.1): the server deletes what nobody refers to. */
async function removePorts(
  client: OvsdbClient,
  bridge: ReplicaRow<'Bridge'>,
  rows: readonly Uuid[],
  timeoutMs?: number,
): Promise<void> {
  if (rows.length === 0) return
  await client.transactAndWait([mutate('Bridge', rowIs(bridge.uuid), { ports: { delete: rows } })], {
    timeoutMs,
  })
}

function ownPort(
  client: OvsdbClient,
  bridge: ReplicaRow<'Bridge'>,
  slot: number,
): ReplicaRow<'Port'> | undefined {
  const port = client.replica.byName('Port', hostIfname(bridge.name, slot))
  const ours = port !== undefined && bridge.ports.has(port.uuid) && port.external_ids.has(PORT_KEYS.slot)
  return ours ? port : undefined
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
      netnsId: Number(port.external_ids.get(PORT_KEYS.netns)) || 0,
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
