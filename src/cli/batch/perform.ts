import type { Settings } from '../../config/settings.js'
import { asEcdockError, type EcdockError } from '../../errors.js'
import type { PlugRequest, Vswitch } from '../../vswitch/vswitch.js'
import { vswitchOptions } from '../commands/create-vswitch.js'
import type { Invocation } from '../invocation.js'
import { listVswitches } from '../listing.js'
import { vswitchDocument } from '../render/vswitch.js'
import type { World } from '../world.js'
import type { CreateOperation, PlugOperation } from './operation.js'
import type { Group } from './queue.js'

export type Outcome = { ok: true; result: object } | { ok: false; error: EcdockError }

/** Does what a group says; one outcome for each of its items, in their order. Never throws. */
export async function performGroup(group: Group, world: World, invocation: Invocation): Promise<Outcome[]> {
  try {
    invocation.stopIfAborted()
    return await perform(group, world, invocation)
  } catch (thrown) {
    const error = asEcdockError(thrown, 'batch')
    return group.items.map(() => ({ ok: false, error }))
  }
}

async function perform(group: Group, world: World, invocation: Invocation): Promise<Outcome[]> {
  const { signal } = invocation
  switch (group.kind) {
    case 'error':
      return [{ ok: false, error: group.error }]
    case 'plug': {
      const vswitch = await vswitchOf(group.vswitch, world, invocation)
      const outcomes = await vswitch.plugAll(
        group.operations.map((each) => plugRequest(each, invocation.defaults)),
        { signal },
      )
      return outcomes.map((outcome) => (outcome.ok ? { ok: true, result: outcome.port } : outcome))
    }
    case 'unplug': {
      const vswitch = await vswitchOf(group.vswitch, world, invocation)
      const slots = group.operations.map((operation) => operation.slot)
      const outcomes = await vswitch.unplugAll(slots, { signal })
      return outcomes.map((outcome) =>
        outcome.ok ? { ok: true, result: { vswitch: vswitch.name, slot: outcome.slot } } : outcome,
      )
    }
    case 'single':
      return [{ ok: true, result: await performSingle(group.operation, world, invocation) }]
  }
}

async function performSingle(
  operation: Extract<Group, { kind: 'single' }>['operation'],
  world: World,
  invocation: Invocation,
): Promise<object> {
  switch (operation.op) {
    case 'create-vswitch':
      return vswitchDocument(await createVswitch(operation, world, invocation))
    case 'delete-vswitch':
      await world.deleteVswitch(operation.name)
      return { deleted: operation.name }
    case 'ls':
      return { vswitches: await listVswitches(world, operation.vswitch) }
  }
}

function createVswitch(operation: CreateOperation, world: World, invocation: Invocation): Promise<Vswitch> {
  const { op: _op, id: _id, name, subnet, device, ...flags } = operation
  const args = device === undefined ? [subnet] : [subnet, device]
  return world.createVswitch(vswitchOptions(args, flags, name ?? invocation.vswitchName, invocation.defaults))
}

/** Looked up for each group, because another process may have deleted it or made it anew since. */
function vswitchOf(name: string | undefined, world: World, invocation: Invocation): Promise<Vswitch> {
  return name === undefined ? invocation.vswitch(world) : world.vswitch(name)
}

function plugRequest(operation: PlugOperation, { mtu, defaultRoute }: Settings): PlugRequest {
  const { op: _op, id: _id, vswitch: _vswitch, ...request } = operation
  const defaults = { ...(mtu !== undefined && { mtu }), ...(defaultRoute !== undefined && { defaultRoute }) }
  return { ...defaults, ...request }
}
