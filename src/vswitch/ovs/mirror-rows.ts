import { EcdockError } from '../../errors.js'
import type { OvsdbClient } from '../../ovsdb/client.js'
import { insert, mutate, type Operation, rowIs } from '../../ovsdb/operations.js'
import type { ReplicaRow } from '../../ovsdb/replica.js'
import { type NamedUuid, named, type Uuid } from '../../ovsdb/value.js'
import { MIRROR_KEYS } from './marks.js'
import type { BridgeRow } from './own-rows.js'

/** As many as a bridge can have (MAX_MIRRORS in ofproto/ofproto-dpif-mirror.h). */
const MOST_MIRRORS = 32
/** Their OpenFlow port numbers, so that Open vSwitch does not give them a slot's: below ecDock's for an uplink, 65261. */
const FIRST_OFPORT = 65_200

/** A Mirror row of ours. */
export interface OwnMirror {
  row: ReplicaRow<'Mirror'>
  /** The interface that the copies come out of. */
  to: string
  /**
   * Whether or not they have a port at this time: Open vSwitch takes a port that is deleted out of the mirror, and the
   * next one of the slot is put in again.
   */
  slots: number[]
}

export function ownMirrors(client: OvsdbClient, bridge: BridgeRow): OwnMirror[] {
  return [...bridge.mirrors].flatMap((uuid) => {
    const row = client.replica.get('Mirror', uuid)
    const to = row?.external_ids.get(MIRROR_KEYS.to)
    if (row === undefined || to === undefined) return []
    const marks = [...row.external_ids.keys()].filter((key) => key.startsWith(MIRROR_KEYS.slot))
    return [{ row, to, slots: marks.map((key) => Number(key.slice(MIRROR_KEYS.slot.length))) }]
  })
}

export function ownMirror(client: OvsdbClient, bridge: BridgeRow, to: string): OwnMirror | undefined {
  return ownMirrors(client, bridge).find((mirror) => mirror.to === to)
}

/** What makes a new mirror. Throws IFNAME_TAKEN and UNSUPPORTED. */
export function mirrorInsertion(
  client: OvsdbClient,
  bridge: BridgeRow,
  mirrored: { slot: number; port: Uuid },
  output: { to: string; type: 'internal' | ''; label: string },
): Operation[] {
  const { to, type, label } = output
  if (client.replica.byName('Port', to) !== undefined) {
    throw new EcdockError('IFNAME_TAKEN', 'mirror', `${to} is a port of Open vSwitch already`, {
      hint: 'Choose another name; an interface that is not there is made.',
    })
  }
  if (bridge.mirrors.size >= MOST_MIRRORS) {
    const message = `${bridge.name} has ${MOST_MIRRORS} mirrors, and can have no more`
    throw new EcdockError('UNSUPPORTED', 'mirror', message, {
      hint: 'Mirror several slots to the same interface.',
    })
  }
  const [input, port, mirror] = [`${label}i`, `${label}p`, `${label}m`]
  const mark = { [MIRROR_KEYS.to]: to }
  return [
    insert('Interface', { name: to, type, ofport_request: freeOfport(client, bridge) }, input),
    insert('Port', { name: to, interfaces: [named(input)], external_ids: mark }, port),
    insert(
      'Mirror',
      {
        name: `ecdock-fast ${to}`,
        select_src_port: [mirrored.port],
        select_dst_port: [mirrored.port],
        output_port: named(port),
        external_ids: { ...mark, [slotKey(mirrored.slot)]: '' },
      },
      mirror,
    ),
    mutate('Bridge', rowIs(bridge.uuid), {
      ports: { insert: [named(port)] },
      mirrors: { insert: [named(mirror)] },
    }),
  ]
}

/** What adds a slot to a mirror. */
export function slotAddition({ row }: OwnMirror, slot: number, port: Uuid | NamedUuid): Operation {
  return mutate('Mirror', rowIs(row.uuid), {
    select_src_port: { insert: [port] },
    select_dst_port: { insert: [port] },
    external_ids: { insert: { [slotKey(slot)]: '' } },
  })
}

/** What takes a slot out of a mirror; without a port there is nothing to take out but the mark. */
export function slotRemoval({ row }: OwnMirror, slot: number, port: Uuid | undefined): Operation {
  const ports = port === undefined ? [] : [port]
  return mutate('Mirror', rowIs(row.uuid), {
    select_src_port: { delete: ports },
    select_dst_port: { delete: ports },
    external_ids: { delete: [slotKey(slot)] },
  })
}

/** Mirror and Port rows are not root rows (RFC 7047 section 5.1): the server deletes what nobody refers to. */
export function mirrorDeletion(client: OvsdbClient, bridge: BridgeRow, { row, to }: OwnMirror): Operation {
  const port = client.replica.byName('Port', to)
  const ours = port !== undefined && bridge.ports.has(port.uuid) && port.external_ids.has(MIRROR_KEYS.to)
  return mutate('Bridge', rowIs(bridge.uuid), {
    mirrors: { delete: [row.uuid] },
    ...(ours && { ports: { delete: [port.uuid] } }),
  })
}

/** What lets the mirrors of a slot follow it to a port that the same transaction inserts. */
export function followingMirrors(
  client: OvsdbClient,
  bridge: BridgeRow,
  slot: number,
  port: NamedUuid,
): Operation[] {
  return ownMirrors(client, bridge)
    .filter(({ slots }) => slots.includes(slot))
    .map((mirror) => slotAddition(mirror, slot, port))
}

function slotKey(slot: number): string {
  return `${MIRROR_KEYS.slot}${slot}`
}

function freeOfport(client: OvsdbClient, bridge: BridgeRow): number {
  const taken = new Set<number | undefined>()
  for (const uuid of bridge.ports) {
    for (const each of client.replica.get('Port', uuid)?.interfaces ?? []) {
      const row = client.replica.get('Interface', each)
      taken.add(row?.ofport).add(row?.ofport_request)
    }
  }
  let ofport = FIRST_OFPORT
  while (taken.has(ofport)) ofport++
  return ofport
}
