import { slotAddress } from '../../addressing/slot.js'
import { asEcdockError, EcdockError } from '../../errors.js'
import { mutate, type Operation, rowIs } from '../../ovsdb/operations.js'
import type { Surroundings } from '../backend.js'
import { hostIfname, standingNames } from '../names.js'
import { databaseMark } from './marks.js'
import { flowOf } from './neighbours.js'
import { directPort, requireBridge, standingPort } from './own-rows.js'
import { type SlotConfiguration, standingRows } from './port-rows.js'
import { makeStanding, removeStanding } from './standing-ports.js'
import type { OvsSwitch } from './switch.js'
import { portError } from './verdict.js'

/** How long another process that makes the same standing port may take, in ms. */
const OTHERS_MS = 2000
/** Slots whose interfaces are made before their rows are written. */
const SLOTS_AT_A_TIME = 256

type Ended = EcdockError | undefined

/**
 * Gives slots their standing ports, rows and flows, those that have none yet. What went wrong, by slot; the others have
 * theirs. A slot that another call is just making ready is waited for.
 */
export async function makeReady(
  sw: OvsSwitch,
  slots: readonly number[],
  around: Surroundings,
): Promise<Map<number, EcdockError>> {
  const { client, reservations } = sw.ovs
  const bridge = requireBridge(client, sw.name)
  const missing = slots.filter((slot) => standingPort(client, bridge, slot) === undefined)
  const key = (slot: number) => `${sw.name}/${slot}`
  const own = [...new Set(missing)].filter((slot) => !reservations.has(key(slot)))
  if (own.length > 0) {
    const making = makeAll(sw, own, around)
    for (const slot of own) {
      const one = making.then((errors) => errors.get(slot)).finally(() => reservations.delete(key(slot)))
      reservations.set(key(slot), one)
    }
  }
  const errors = new Map<number, EcdockError>()
  const waiting = missing.map(async (slot) => {
    const error = await reservations.get(key(slot))
    if (error !== undefined) errors.set(slot, error)
  })
  await Promise.all(waiting)
  return errors
}

/** What has interfaces and no rows for long would be taken for what a crash has left. Never throws. */
async function makeAll(
  sw: OvsSwitch,
  slots: readonly number[],
  around: Surroundings,
): Promise<Map<number, EcdockError>> {
  const errors = new Map<number, EcdockError>()
  for (let at = 0; at < slots.length; at += SLOTS_AT_A_TIME) {
    const some = await makeSome(sw, slots.slice(at, at + SLOTS_AT_A_TIME), around)
    for (const [slot, error] of some) errors.set(slot, error)
  }
  return errors
}

/** Never throws. */
async function makeSome(
  sw: OvsSwitch,
  slots: readonly number[],
  around: Surroundings,
): Promise<Map<number, EcdockError>> {
  const errors = new Map<number, EcdockError>()
  const flows = sw.ovs
    .flows(sw.name)
    .set(slots.map((slot) => flowOf(sw.ovs.client, sw.name, configuration(sw, slot))))
  try {
    const made = await makeStanding(around, sw.name, slots, interfaceOptions(sw))
    await Promise.all(
      slots.map(async (slot, at) => {
        const error = await written(sw, slot, made[at], around)
        if (error !== undefined) errors.set(slot, error)
      }),
    )
  } catch (error) {
    for (const slot of slots) errors.set(slot, asEcdockError(error, 'reserve slots'))
  }
  for (const [at, error] of (await flows).entries()) {
    const slot = slots[at]
    if (error !== undefined && slot !== undefined && !errors.has(slot)) errors.set(slot, error)
  }
  return errors
}

/** The rows of one whose interfaces were made, or were not because of `error`. */
async function written(sw: OvsSwitch, slot: number, error: Ended, around: Surroundings): Promise<Ended> {
  const made = error?.errno === 'EEXIST' ? await takeOver(sw, slot, error, around) : error
  if (made === 'by another') return undefined
  if (made !== undefined) return made
  const wrong = await write(sw, slot).catch((cause: unknown) => asEcdockError(cause, 'reserve slots'))
  if (wrong !== undefined) await removeStanding(around, sw.name, [slot]).catch(() => {})
  return wrong
}

/** Its interfaces are there: another process is just making it ready, or a crash has left them without rows. */
async function takeOver(
  sw: OvsSwitch,
  slot: number,
  error: EcdockError,
  around: Surroundings,
): Promise<Ended | 'by another'> {
  const { client } = sw.ovs
  const isThere = () => standingPort(client, requireBridge(client, sw.name), slot) !== undefined
  try {
    await client.replica.until(isThere, { timeoutMs: OTHERS_MS })
    return 'by another'
  } catch (cause) {
    if (!(cause instanceof EcdockError) || cause.code !== 'TIMEOUT') return asEcdockError(cause, error.op)
  }
  try {
    await removeStanding(around, sw.name, [slot])
    const [again] = await makeStanding(around, sw.name, [slot], interfaceOptions(sw))
    return again
  } catch (cause) {
    return asEcdockError(cause, error.op)
  }
}

function interfaceOptions({ ovs, usermode }: OvsSwitch) {
  return { usermode, ovsdb: databaseMark(ovs.client) }
}

/** The rows of a standing port in place of those that the slot may have. What went wrong, or undefined. */
async function write(sw: OvsSwitch, slot: number): Promise<Ended> {
  const { client, commits } = sw.ovs
  const wanted = configuration(sw, slot)
  let wasConfined = false
  let mac: string | undefined
  await commits.commit((label) => {
    const bridge = requireBridge(client, sw.name)
    const old = directPort(client, bridge, slot)
    wasConfined = old?.vlan_mode !== undefined
    mac = old && client.replica.byName('Interface', old.name)?.external_ids.get('attached-mac')
    const removal: Operation[] =
      old === undefined ? [] : [mutate('Bridge', rowIs(bridge.uuid), { ports: { delete: [old.uuid] } })]
    return [...removal, ...standingRows(client, bridge, wanted, label)]
  })
  if (mac !== undefined && mac !== wanted.mac) {
    await sw.ovs.flows(sw.name).remove([flowOf(client, sw.name, { slot, mac })])
  }
  if (wasConfined) await sw.ovs.flows(sw.name).setFree([slot])
  const names = { slot, hostIfname: standingNames(sw.name, slot).port }
  return portError(sw.name, names, client.replica.byName('Interface', names.hostIfname))
}

function configuration({ name, subnet }: OvsSwitch, slot: number): SlotConfiguration {
  // The rows say nothing of the IPv6 address.
  const { mac } = slotAddress(subnet, slot, '2001:db8')
  return { slot, mac, hostIfname: hostIfname(name, slot) }
}
