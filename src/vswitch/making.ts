import { asEcdockError, type EcdockError, type ErrorCode } from '../errors.js'
import type { Plan, PlanFailed, PlanOutcome } from '../kernel/plan.js'
import type { Backend, MadePort, Surroundings } from './backend.js'
import { plugFailure } from './plug-failure.js'
import { plugPlan } from './plug-plan.js'
import { portOf, takenSlots } from './port-reading.js'
import type { PlugRequest, Port } from './vswitch.js'
import type { Wiring } from './wiring.js'

/** The target itself is in that slot already, put there by somebody else. */
const SIGNS_OF_A_TAKEN_SLOT: ReadonlySet<ErrorCode> = new Set(['MAC_TAKEN', 'ADDRESS_TAKEN'])

/**
 * Makes the interfaces of these plugs, whose slots are prepared, in one native call. One answer for each: the port, or why there is none. Throws
 * when the call as a whole fails.
 */
export async function makeAll(
  backend: Backend,
  around: Surroundings,
  wirings: readonly Wiring[],
): Promise<(MadePort | PlanFailed)[]> {
  const pending = around.kernel.execute(wirings.map((wiring) => planOf(backend, wiring)))
  // What is known of the ports beforehand is put together while the kernel works.
  const drafts = wirings.map((wiring) => draft(backend, around, wiring))
  const outcomes = await pending
  return wirings.map((wiring, at) => ended(wiring, drafts[at] as Port, outcomes[at] as PlanOutcome))
}

/** Prepares the slot of one plug and makes its interfaces. Throws what is wrong with the slot. */
export async function make(
  backend: Backend,
  around: Surroundings,
  wiring: Wiring,
): Promise<MadePort | PlanFailed> {
  const preparing = backend.prepare?.([wiring], around)
  const refused = preparing && (await preparing).get(wiring.slot)
  if (refused !== undefined) throw refused
  const pending = around.kernel.execute([planOf(backend, wiring)])
  const port = draft(backend, around, wiring)
  const [outcome] = await pending
  return ended(wiring, port, outcome as PlanOutcome)
}

export function isMade(outcome: MadePort | PlanFailed): outcome is MadePort {
  return 'port' in outcome
}

/** Why a plan failed. What is asked of the kernel to say it well may fail, too. */
export async function reasonOf(
  failed: PlanFailed,
  wiring: Wiring,
  backend: Backend,
  around: Surroundings,
): Promise<EcdockError> {
  try {
    return await plugFailure(failed, wiring, backend, around)
  } catch (error) {
    return asEcdockError(error, 'plug')
  }
}

/**
 * Whether another attempt may do better. What was chosen (the slot, the interface's name) was free then, and another
 * process has taken it since, perhaps for the same target, perhaps to give it back already; or the switch could not use
 * what it had kept of the slot.
 */
export async function worthAnother(
  request: PlugRequest,
  slot: number,
  error: EcdockError,
  backend: Backend,
  around: Surroundings,
): Promise<boolean> {
  if (error.code === 'IFNAME_TAKEN') return request.ifname === undefined
  if (error.code === 'VSWITCH_NOT_FOUND') return (await backend.mend?.(slot, around)) ?? false
  if (error.code === 'VDE_UNREACHABLE') {
    await backend.mend?.(slot, around)
    // If somebody has deleted the vswitch meanwhile, the next attempt says so.
    return true
  }
  if (error.code === 'SLOT_TAKEN' && (await backend.places.dropGhost?.(around, slot)) === true) return true
  if (request.slot !== undefined) return false
  if (error.code === 'SLOT_TAKEN') return true
  if (!SIGNS_OF_A_TAKEN_SLOT.has(error.code)) return false
  try {
    return (await takenSlots(backend, around)).has(slot)
  } catch {
    return false
  }
}

function planOf(backend: Backend, wiring: Wiring): Plan {
  return plugPlan(wiring, backend.interfaces(wiring), backend.finish?.(wiring))
}

/** A port as far as it is known before it is made. */
function draft(backend: Backend, around: Surroundings, wiring: Wiring): Port {
  const { slot, ifname, mac, target, mtu, address } = wiring
  const record = { vswitch: backend.name, slot, ifname, netnsId: 0, mac, target: target.label }
  const port = portOf(backend, around, record, mtu, address)
  if (!wiring.ipv6) port.ipv6 = ''
  return port
}

function ended(wiring: Wiring, port: Port, outcome: PlanOutcome): MadePort | PlanFailed {
  if (!outcome.ok) return outcome
  port.ifname = outcome.ifname ?? wiring.ifname
  port.netnsId = outcome.netnsId ?? 0
  port.ms = outcome.ms
  return { wiring, port, ifindex: outcome.ifindex ?? 0 }
}
