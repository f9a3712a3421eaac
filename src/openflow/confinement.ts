import { EcdockError } from '../errors.js'
import type { CallOptions, OpenFlowClient } from './client.js'
import { DEFAULT_PRIORITY } from './flow-mod.js'
import { matchText } from './match-text.js'
import { addition, foreignIn, type Place, removal, removeOwnFlows } from './own-flow.js'
import { placesLost, type SlotFlow } from './slot-flows.js'

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
  const foreign = await foreignIn(
    client,
    slots.map(({ slot }) => place(slot)),
    options,
  )
  const errors = slots.map(({ slot }, at) => (foreign[at] === undefined ? undefined : taken(slot)))
  const changes = slots.flatMap((each, at) => {
    if (errors[at] !== undefined) return []
    const own = { ...place(each.slot), actions: [{ output: 'NORMAL' as const }] }
    return [...placesLost(each).map(removal), addition(own)].map((change) => ({ at, change }))
  })
  const outcomes = await client.apply(
    changes.map(({ change }) => change),
    options,
  )
  for (const [index, { at }] of changes.entries()) errors[at] ??= outcomes[index]
  return errors
}

/** Undoes {@link confineSlots} but for the slot flows; only ours, and those that are not there are no error. */
export function freeSlots(
  client: OpenFlowClient,
  slots: readonly number[],
  options: CallOptions = {},
): Promise<void> {
  return removeOwnFlows(client, slots.map(place), options)
}

function place(slot: number): Place {
  return { match: { inPort: slot }, priority: CONFINEMENT_PRIORITY }
}

function taken(slot: number): EcdockError {
  const { match, priority } = place(slot)
  const shown = `${matchText(match)},priority=${priority}`
  return new EcdockError(
    'SLOT_TAKEN',
    'set flow',
    `slot ${slot} is taken by a flow ${shown} that is not ours`,
    {
      hint: `Delete it, if nobody needs it: ovs-ofctl --strict del-flows BRIDGE ${shown}`,
    },
  )
}
