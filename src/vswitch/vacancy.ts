import { switchAddress } from '../addressing/slot.js'
import { ipv4ToNumber, type Subnet } from '../addressing/subnet.js'
import { EcdockError } from '../errors.js'
import { permissionError } from '../kernel/addon.js'
import type { InterfaceAddress, Kernel } from '../kernel/kernel.js'
import type { PlanFailed, VacantStep } from '../kernel/plan.js'
import { vswitchNetns } from './names.js'
import type { VswitchRecord } from './record.js'

const OP = 'create-vswitch'

/** Fails when the host has an interface of the vswitch's name or one of its addresses. */
export function vacantStep(record: VswitchRecord, subnet: Subnet, hasIpv6: boolean): VacantStep {
  const own = switchAddress(subnet, record.ipv6Prefix)
  const addresses = hasIpv6 ? [own.ipv4, own.ipv6] : [own.ipv4]
  return { op: 'vacant', netns: '', name: record.name, addresses }
}

/**
 * Passes a vswitch that this host has room for. Throws VSWITCH_EXISTS; ADDRESS_TAKEN, also when an interface other
 * than `uplink` has an address in the same subnet, because the host would then have two equal routes; PERMISSION or
 * KERNEL.
 */
export async function requireVacant(
  kernel: Kernel,
  record: VswitchRecord,
  subnet: Subnet,
  { hasIpv6, uplink }: { hasIpv6: boolean; uplink?: string | undefined },
): Promise<void> {
  const [outcome] = await kernel.execute([{ steps: [vacantStep(record, subnet, hasIpv6)] }])
  if (outcome?.ok === false) throw creationFailure(outcome, record)
  const inSubnet = (await kernel.addresses('')).filter((address) => isIn(subnet, address))
  if (inSubnet.length === 0) return
  const links = await kernel.links('')
  for (const { ifindex, address, prefix } of inSubnet) {
    const name = links.find((link) => link.ifindex === ifindex)?.name
    if (name === undefined || name === uplink) continue
    const message = `${record.subnet}: this host already has ${address}/${prefix} in the same subnet, on ${name}`
    throw new EcdockError('ADDRESS_TAKEN', OP, message, { hint: 'Give the vswitch another subnet.' })
  }
}

function isIn(subnet: Subnet, { address, prefix }: InterfaceAddress): boolean {
  if (prefix !== subnet.prefix || address.includes(':')) return false
  const number = ipv4ToNumber(address)
  return number - (number % 2 ** (32 - prefix)) === subnet.networkNumber
}

/** The error that tells a caller why a vswitch could not be created; `hint` is for what is not foreseen. */
export function creationFailure(failed: PlanFailed, record: VswitchRecord, hint?: string): EcdockError {
  const details = { errno: failed.errno, kernelMessage: failed.kernelMessage }
  if (failed.taken === 'address') {
    const message = `${record.subnet}: ${failed.message.replace('the target', 'this host')}`
    return new EcdockError('ADDRESS_TAKEN', OP, message, {
      ...details,
      hint: 'Give the vswitch an address in another subnet.',
    })
  }
  if (failed.taken === 'name') {
    const message = `there is an interface ${record.name} on this host already`
    return new EcdockError('VSWITCH_EXISTS', OP, message, {
      ...details,
      hint: `Choose another name. If it is a vswitch, "ecdock-fast ls" shows it, and "ecdock-fast delete-vswitch ${record.name}" deletes it.`,
    })
  }
  if (failed.op === 'netns create' && failed.errno === 'EEXIST') {
    const message = `there is a namespace ${vswitchNetns(record.name)} already`
    return new EcdockError('VSWITCH_EXISTS', OP, message, {
      ...details,
      hint: `Choose another name, or delete it first with "ecdock-fast delete-vswitch ${record.name}"; what a crash cut short goes with "ecdock-fast cleanup".`,
    })
  }
  if (failed.errno === 'EPERM' || failed.errno === 'EACCES') return permissionError(failed.op, failed.errno)
  const message = `creating ${record.name} failed: ${failed.message}`
  return new EcdockError('KERNEL', failed.op, message, { ...details, hint })
}
