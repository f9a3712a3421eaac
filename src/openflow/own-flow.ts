import { EcdockError } from '../errors.js'
import type { Output } from './action.js'
import type { CallOptions, OpenFlowClient } from './client.js'
import type { FlowMod } from './flow-mod.js'
import type { Flow } from './flow-stats.js'
import { type FlowMatch, placeOf, shownBy1_0 } from './match.js'

/** A flow that is set by us, and known as ours by its cookie. */
export interface OwnFlow {
  match: FlowMatch
  priority: number
  /** None: the packets are dropped. */
  actions: readonly Output[]
}

/** Where in the table a flow is: there is one at most of each match and priority. */
export type Place = Pick<OwnFlow, 'match' | 'priority'>

/** By this cookie slot flows are known as ours: `ecdkslot` in ASCII. */
export const SLOT_FLOW_COOKIE = 0x6563646b_736c6f74n

/** The bits that tell what is ours from what is not: `ecdk`. */
export const OUR_COOKIES = 0xffffffff_00000000n

/** Up to so many, the switch is asked for the flows in each place; beyond, for all that it has. */
const ASK_EACH = 8

export function addition({ match, priority, actions }: OwnFlow): FlowMod {
  return { command: 'add', match, priority, cookie: SLOT_FLOW_COOKIE, actions }
}

/**
 * What removes a flow, only ours. By match and priority Open vSwitch finds the flow at once, unless it is given a whole
 * cookie to look for.
 */
export function removal({ match, priority }: Place): FlowMod {
  return { command: 'delete-strict', match, priority, cookie: SLOT_FLOW_COOKIE, cookieMask: OUR_COOKIES }
}

export function isOurs({ cookie }: Pick<Flow, 'cookie'>): boolean {
  return (cookie & OUR_COOKIES) === (SLOT_FLOW_COOKIE & OUR_COOKIES)
}

/**
 * Who is not ours and would be replaced if these flows were added. One answer for each, in order. A place whose match the
 * switch cannot be asked for, such as one of a MAC that is none, holds nobody: adding says what is wrong with it.
 */
export async function foreignIn(
  client: OpenFlowClient,
  places: readonly Place[],
  options: CallOptions = {},
): Promise<(Flow | undefined)[]> {
  const told =
    places.length > ASK_EACH
      ? await client.flows({}, options)
      : (await Promise.all(places.map(({ match }) => flowsOf(client, match, options)))).flat()
  const foreign = new Map<string, Flow>()
  for (const flow of told) {
    if (flow.tableId === 0 && !isOurs(flow)) foreign.set(placeOf(flow.match, flow.priority), flow)
  }
  return places.map(({ match, priority }) => foreign.get(placeOf(shownBy1_0(match), priority)))
}

/** Removes what is ours in these places; where nothing is, that is no error. Throws what a call of the client throws. */
export async function removeOwnFlows(
  client: OpenFlowClient,
  places: readonly Place[],
  options: CallOptions = {},
): Promise<void> {
  const errors = await client.apply(places.map(removal), options)
  const first = errors.find((error) => error !== undefined)
  if (first !== undefined) throw first
}

/** None for an address that is none. */
async function flowsOf(client: OpenFlowClient, match: FlowMatch, options: CallOptions): Promise<Flow[]> {
  const { icmpv6Type: _type, ndTarget: _target, ...asked } = match
  try {
    return await client.flows(asked, options)
  } catch (error) {
    if (error instanceof EcdockError && error.code === 'MAC_INVALID') return []
    throw error
  }
}
