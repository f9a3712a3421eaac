import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'
import type { CallOptions, OpenFlowClient } from './client.js'
import { DEFAULT_PRIORITY, type FlowMod } from './flow-mod.js'
import type { Flow } from './flow-stats.js'
import type { FlowMatch } from './match.js'
import { matchText } from './match-text.js'
import { linkLocalFlow, type NeighbourAddresses, neighbourFlows } from './neigh-suppress.js'
import {
  addition,
  foreignIn,
  isOurs,
  type OwnFlow,
  type Place,
  removal,
  removeOwnFlows,
  SLOT_FLOW_COOKIE,
} from './own-flow.js'

/**
 * The flow of a slot, as ecDock sets it: `dl_dst=MAC actions=output:SLOT`, so that what is sent to the slot's
 * address never goes to a wrong port, whatever the switch has learned.
 */
export interface SlotFlow {
  mac: string
  /** The slot's OpenFlow port number. */
  slot: number
  /** On a switch that suppresses neighbours' questions: how the slot is asked for, and whether it is asked alone. */
  neighbour?: NeighbourAddresses & { askedAlone: boolean }
}

/** The cookie in full. Open vSwitch finds flows by a whole cookie without looking at the others. */
const WHOLE_COOKIE = 0xffffffff_ffffffffn

/**
 * Sets the flows of each slot. One answer for each, in order: what was wrong with it, or undefined. A flow of
 * ours for the same address is replaced. Adding would replace anybody's flow of the same match and priority,
 * too, and CHECK_OVERLAP does not keep Open vSwitch from that; so the flows are looked at first, and what is
 * not ours stays: SLOT_TAKEN. (Between looking and adding somebody else's flow can still come and be
 * replaced: OpenFlow 1.0 has no way to do both at once.) An address that is given twice is MAC_TAKEN the
 * second time.
 */
export async function setSlotFlows(
  client: OpenFlowClient,
  flows: readonly SlotFlow[],
  options: CallOptions = {},
): Promise<(EcdockError | undefined)[]> {
  const wanted = flows.map(flowsOf)
  const foreign = await foreignIn(client, wanted.flat(), options)
  const seen = new Map<string, number>()
  let place = 0
  const errors = flows.map(({ mac, slot }, at) => {
    const own = wanted[at]?.length ?? 0
    const holder = foreign.slice(place, place + own).findIndex((flow) => flow !== undefined)
    const flow = foreign[place + holder]
    place += own
    const key = String(mac).toLowerCase()
    const earlier = seen.get(key)
    if (earlier !== undefined) return givenTwice(mac, earlier)
    seen.set(key, slot)
    const match = wanted[at]?.[holder]?.match
    return flow === undefined || match === undefined ? undefined : taken(slot, match, flow)
  })
  const free = flows.flatMap((flow, at) => {
    if (errors[at] !== undefined) return []
    const additions = (wanted[at] ?? []).map((own) => ({ at, change: addition(own) }))
    return [...additions, ...unwanted(flow).map((other) => ({ at, change: removal(other) }))]
  })
  const outcomes = await client.apply(
    free.map(({ change }) => change),
    options,
  )
  for (const [index, { at }] of free.entries()) errors[at] ??= outcomes[index]
  return errors
}

/**
 * Removes the slot flows of these addresses, or all flows of slots that there are; only ours, and those that are not there
 * are no error. Throws what a call of the client throws.
 */
export async function removeSlotFlows(
  client: OpenFlowClient,
  macs: readonly string[] | 'all',
  options: CallOptions = {},
): Promise<void> {
  if (macs !== 'all') return await removeOwnFlows(client, macs.map(slotFlowPlace), options)
  const [error] = await client.apply([REMOVE_ALL], options)
  if (error !== undefined) throw error
}

/** The slot flows of ours that the switch has. */
export async function slotFlows(client: OpenFlowClient, options: CallOptions = {}): Promise<SlotFlow[]> {
  return (await client.flows({}, options)).flatMap((flow) => slotFlow(flow) ?? [])
}

/** Whether the switch has a flow of ours with this match. */
export async function hasOwnFlow(
  client: OpenFlowClient,
  match: FlowMatch,
  options: CallOptions = {},
): Promise<boolean> {
  return (await client.flows(match, options)).some(isOurs)
}

/** All flows that a slot is to have. */
export function flowsOf({ mac, slot, neighbour }: SlotFlow): OwnFlow[] {
  const own = { ...slotFlowPlace(mac), actions: [{ output: slot }] }
  return neighbour?.askedAlone === true ? [own, ...neighbourFlows(slot, neighbour)] : [own]
}

/** The places of those that go with its MAC. */
export function placesOfMac({ mac, slot, neighbour }: SlotFlow): Place[] {
  return [slotFlowPlace(mac), ...(neighbour === undefined ? [] : [linkLocalFlow(slot, neighbour)])]
}

/** The places of all that it has while it has no VLAN. */
export function placesLost({ mac, slot, neighbour }: SlotFlow): Place[] {
  return [slotFlowPlace(mac), ...(neighbour === undefined ? [] : neighbourFlows(slot, neighbour))]
}

/** The places of those that it may have had and is not to have any more. */
export function unwanted({ slot, neighbour }: SlotFlow): Place[] {
  return neighbour === undefined || neighbour.askedAlone ? [] : neighbourFlows(slot, neighbour)
}

/** Where the slot flow of an address is in the table. */
function slotFlowPlace(mac: string): Place {
  return { match: { dlDst: mac }, priority: DEFAULT_PRIORITY }
}

const REMOVE_ALL: FlowMod = {
  command: 'delete',
  match: {},
  cookie: SLOT_FLOW_COOKIE,
  cookieMask: WHOLE_COOKIE,
}

function slotFlow(flow: Flow): SlotFlow | undefined {
  const { tableId, match, priority, cookie, actions } = flow
  const alone = Object.keys(match).length === 1
  const mac = tableId === 0 && priority === DEFAULT_PRIORITY && alone ? match.dlDst : undefined
  const [action] = actions
  if (mac === undefined || cookie !== SLOT_FLOW_COOKIE) return undefined
  if (action === undefined || !('output' in action) || typeof action.output !== 'number') return undefined
  return { mac, slot: action.output }
}

function taken(slot: number, match: FlowMatch, { priority, cookie }: Flow): EcdockError {
  const shown = `${matchText(match)},priority=${priority}`
  return new EcdockError(
    'SLOT_TAKEN',
    'set flow',
    `slot ${slot} is taken by a flow ${shown} that is not ours (its cookie is 0x${cookie.toString(16)})`,
    { hint: `Delete it, if nobody needs it: ovs-ofctl --strict del-flows BRIDGE ${shown}` },
  )
}

function givenTwice(mac: string, slot: number): EcdockError {
  return new EcdockError('MAC_TAKEN', 'set flow', `MAC ${quoted(mac)} is asked for by slot ${slot}, too`)
}
