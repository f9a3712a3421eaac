import { EcdockError } from '../errors.js'
import type { CallOptions, OpenFlowClient } from './client.js'
import { DEFAULT_PRIORITY, type FlowMod } from './flow-mod.js'
import { OUR_COOKIES, SLOT_FLOW_COOKIE, type SlotFlow, slotFlowRemoval } from './slot-flows.js'

/** Above the slot flows, so that none of them is asked. */
export const CONFINEMENT_PRIORITY = DEFAULT_PRIORITY + 1

/**
 * Leaves the slots that have VLANs to the switch's own forwarding, which heeds them: what they send goes by
 * `in_port=SLOT,priority=32769,actions=NORMAL`, and their own slot flows are removed, because `output:SLOT` passes
 * VLANs over. One answer for each, in order: what was wrong with it, or undefined. A flow of the same match and
 * priority that is not ours stays: SLOT_TAKEN.
 */
export async function confineSlots(
  client: OpenFlowClient,
  slots: readonly SlotFlow[],
  options: CallOptions = {},
): Promise<(EcdockError | undefined)[]> {
  const foreign = await Promise.all(slots.map(({ slot }) => hasForeign(client, slot, options)))
  const free = slots.filter((_, at) => foreign[at] === false)
  const outcomes = await client.apply(
    free.flatMap(({ mac, slot }) => [slotFlowRemoval(mac), addition(slot)]),
    options,
  )
  return slots.map((each, at) => {
    if (foreign[at] === true) return taken(each.slot)
    const index = 2 * free.indexOf(each)
    return outcomes[index] ?? outcomes[index + 1]
  })
}

/** Undoes {@link confineSlots} but for the slot flows; only ours, and those that are not there are no error. */
export async function freeSlots(
  client: OpenFlowClient,
  slots: readonly number[],
  options: CallOptions = {},
): Promise<void> {
  const errors = await client.apply(slots.map(removal), options)
  const first = errors.find((error) => error !== undefined)
  if (first !== undefined) throw first
}

function addition(slot: number): FlowMod {
  return {
    command: 'add',
    match: { inPort: slot },
    priority: CONFINEMENT_PRIORITY,
    cookie: SLOT_FLOW_COOKIE,
    actions: [{ output: 'NORMAL' }],
  }
}

function removal(slot: number): FlowMod {
  return {
    command: 'delete-strict',
    match: { inPort: slot },
    priority: CONFINEMENT_PRIORITY,
    cookie: SLOT_FLOW_COOKIE,
    cookieMask: OUR_COOKIES,
  }
}

async function hasForeign(client: OpenFlowClient, slot: number, options: CallOptions): Promise<boolean> {
  return (await client.flows({ inPort: slot }, options)).some(
    ({ tableId, match, priority, cookie }) =>
      tableId === 0 &&
      priority === CONFINEMENT_PRIORITY &&
      match.inPort === slot &&
      Object.keys(match).length === 1 &&
      (cookie & OUR_COOKIES) !== (SLOT_FLOW_COOKIE & OUR_COOKIES),
  )
}

function taken(slot: number): EcdockError {
  const shown = `in_port=${slot},priority=${CONFINEMENT_PRIORITY}`
  return new EcdockError(
    'SLOT_TAKEN',
    'set flow',
    `slot ${slot} is taken by a flow ${shown} that is not ours`,
    {
      hint: `Delete it, if nobody needs it: ovs-ofctl --strict del-flows BRIDGE ${shown}`,
    },
  )
}
