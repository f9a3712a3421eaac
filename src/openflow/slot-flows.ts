import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'
import type { CallOptions, OpenFlowClient } from './client.js'
import { DEFAULT_PRIORITY, type FlowMod } from './flow-mod.js'
import type { Flow } from './flow-stats.js'
import type { FlowMatch } from './match.js'

/**
 * The flow of a slot, as ecDock sets it: `dl_dst=MAC actions=output:SLOT`, so that what is sent to the slot's
 * address never goes to a wrong port, whatever the switch has learned.
 */
export interface SlotFlow {
  mac: string
  /** The slot's OpenFlow port number. */
  slot: number
}

/** By this cookie slot flows are known as ours: `ecdkslot` in ASCII. */
export const SLOT_FLOW_COOKIE = 0x6563646b_736c6f74n

/** The bits that tell what is ours from what is not: `ecdk`. */
export const OUR_COOKIES = 0xffffffff_00000000n

/** The cookie in full. Open vSwitch finds flows by a whole cookie without looking at the others. */
const WHOLE_COOKIE = 0xffffffff_ffffffffn

/** Up to so many, the switch is asked for the flows of each address; beyond, for all that it has. */
const ASK_EACH = 8

/**
 * Sets the flow of each slot. One answer for each, in order: what was wrong with it, or undefined. A flow of
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
  const foreign = await foreignFlows(client, flows, options)
  const seen = new Map<string, number>()
  const errors = flows.map(({ mac, slot }) => {
    const key = String(mac).toLowerCase()
    const earlier = seen.get(key)
    if (earlier !== undefined) return givenTwice(mac, earlier)
    seen.set(key, slot)
    const flow = foreign.get(key)
    return flow === undefined ? undefined : taken(slot, key, flow)
  })
  const free = flows.flatMap((flow, at) => (errors[at] === undefined ? [{ at, flow }] : []))
  const outcomes = await client.apply(
    free.map(({ flow }) => addition(flow)),
    options,
  )
  for (const [index, { at }] of free.entries()) errors[at] = outcomes[index]
  return errors
}

/**
 * Removes the slot flows of these addresses, or all that there are; only ours, and those that are not there
 * are no error. Throws what a call of the client throws.
 */
export async function removeSlotFlows(
  client: OpenFlowClient,
  macs: readonly string[] | 'all',
  options: CallOptions = {},
): Promise<void> {
  const removals = macs === 'all' ? [REMOVE_ALL] : macs.map(slotFlowRemoval)
  const errors = await client.apply(removals, options)
  const first = errors.find((error) => error !== undefined)
  if (first !== undefined) throw first
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
  const flows = await client.flows(match, options)
  return flows.some(({ cookie }) => (cookie & OUR_COOKIES) === (SLOT_FLOW_COOKIE & OUR_COOKIES))
}

function addition({ mac, slot }: SlotFlow): FlowMod {
  return {
    command: 'add',
    match: { dlDst: mac },
    priority: DEFAULT_PRIORITY,
    cookie: SLOT_FLOW_COOKIE,
    actions: [{ output: slot }],
  }
}

/**
 * What removes the slot flow of an address, only ours. By match and priority Open vSwitch finds the flow at once, unless it is given a whole cookie to look for.
 */
export function slotFlowRemoval(mac: string): FlowMod {
  return {
    command: 'delete-strict',
    match: { dlDst: mac },
    priority: DEFAULT_PRIORITY,
    cookie: SLOT_FLOW_COOKIE,
    cookieMask: OUR_COOKIES,
  }
}

const REMOVE_ALL: FlowMod = {
  command: 'delete',
  match: {},
  cookie: SLOT_FLOW_COOKIE,
  cookieMask: WHOLE_COOKIE,
}

/** Flows that are not ours and have the very match and priority of a slot's, by their address. */
async function foreignFlows(
  client: OpenFlowClient,
  flows: readonly SlotFlow[],
  options: CallOptions,
): Promise<Map<string, Flow>> {
  const told =
    flows.length > ASK_EACH
      ? await client.flows({}, options)
      : (await Promise.all(flows.map(({ mac }) => flowsTo(client, mac, options)))).flat()
  const foreign = new Map<string, Flow>()
  for (const flow of told) {
    const mac = addressAlone(flow)
    const ours = (flow.cookie & OUR_COOKIES) === (SLOT_FLOW_COOKIE & OUR_COOKIES)
    if (mac !== undefined && !ours) foreign.set(mac, flow)
  }
  return foreign
}

/** None for an address that is none: adding it says what is wrong with it. */
async function flowsTo(client: OpenFlowClient, mac: string, options: CallOptions): Promise<Flow[]> {
  try {
    return await client.flows({ dlDst: mac }, options)
  } catch (error) {
    if (error instanceof EcdockError && error.code === 'MAC_INVALID') return []
    throw error
  }
}

/** The address of a flow that has a slot flow's place in the table, whoever made it. */
function addressAlone({ tableId, match, priority }: Flow): string | undefined {
  const alone = Object.keys(match).length === 1
  return tableId === 0 && priority === DEFAULT_PRIORITY && alone ? match.dlDst : undefined
}

function slotFlow(flow: Flow): SlotFlow | undefined {
  const mac = addressAlone(flow)
  const [action] = flow.actions
  if (mac === undefined || flow.cookie !== SLOT_FLOW_COOKIE) return undefined
  if (action === undefined || !('output' in action) || typeof action.output !== 'number') return undefined
  return { mac, slot: action.output }
}

function taken(slot: number, mac: string, flow: Flow): EcdockError {
  const shown = `dl_dst=${mac},priority=${flow.priority}`
  return new EcdockError(
    'SLOT_TAKEN',
    'set flow',
    `slot ${slot} is taken by a flow ${shown} that is not ours (its cookie is 0x${flow.cookie.toString(16)})`,
    { hint: `Delete it, if nobody needs it: ovs-ofctl --strict del-flows BRIDGE ${shown}` },
  )
}

function givenTwice(mac: string, slot: number): EcdockError {
  return new EcdockError('MAC_TAKEN', 'set flow', `MAC ${quoted(mac)} is asked for by slot ${slot}, too`)
}
