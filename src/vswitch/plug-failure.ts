import { asEcdockError, EcdockError } from '../errors.js'
import { notANetns, permissionError } from '../kernel/addon.js'
import type { PlanFailed } from '../kernel/plan.js'
import { checkPresent, ownNetwork } from '../target/resolve.js'
import type { Backend, Surroundings } from './backend.js'
import type { Wiring } from './wiring.js'

/** The error that tells a caller why a plug failed, and what to do next. */
export async function plugFailure(
  failed: PlanFailed,
  wiring: Wiring,
  backend: Backend,
  around: Surroundings,
): Promise<EcdockError> {
  const details = { errno: failed.errno, kernelMessage: failed.kernelMessage }
  const { target } = wiring
  if (failed.undoFailed === true) {
    return new EcdockError('KERNEL', 'plug', `${failed.message}; something was left behind`, {
      ...details,
      hint: 'Run "ecdock-fast cleanup".',
    })
  }
  if (failed.taken !== undefined) {
    // Plugged in again where it is already: the slot is what the caller has to know of.
    const holder = await backend.places.holder(around, wiring.slot)
    if (holder !== undefined) return slotTaken(backend.name, wiring.slot, holder, details)
    return targetOccupied(failed, wiring, details)
  }
  const own = backend.failure?.(failed)
  if (own !== undefined) return (await deleted(backend, around, wiring.slot)) ?? own
  if (failed.errno === 'EPERM' || failed.errno === 'EACCES') return permissionError(failed.op, failed.errno)
  if (failed.op === 'target check' && failed.errno === 'EINVAL') return ownNetwork(target)
  if (failed.errno === 'ENOTTY') return notANetns(target.netns, 'plug')
  // ENOTDIR: a path below something that is no directory.
  if (failed.errno === 'ESRCH' || (failed.op === 'netns open' && /^ENO(ENT|TDIR)$/.test(failed.errno))) {
    return absent(wiring, backend, around, details)
  }
  const taken = failed.op === 'veth add' ? 'EEXIST' : failed.op === 'switch' ? 'EBUSY' : ''
  if (failed.errno === taken) return slotOrNameTaken(wiring, backend, around, details)
  if (failed.errno === 'ENODEV') {
    const gone = await deleted(backend, around, wiring.slot)
    if (gone !== undefined) return gone
  }
  if (failed.op === 'link get' && failed.errno === 'ENODEV') {
    const message = `vswitch ${backend.name} has no bridge any more`
    return new EcdockError('VSWITCH_NOT_FOUND', 'plug', message, {
      ...details,
      hint: `Delete what is left with "ecdock-fast delete-vswitch ${backend.name}" and create it again.`,
    })
  }
  return new EcdockError(
    'KERNEL',
    failed.op,
    `plugging ${target.label} into slot ${wiring.slot} failed: ${failed.message}`,
    details,
  )
}

interface Details {
  errno: string
  kernelMessage: string | undefined
}

function targetOccupied(failed: PlanFailed, wiring: Wiring, details: Details): EcdockError {
  const { target } = wiring
  const by = failed.takenBy ?? 'another interface'
  if (failed.taken === 'name') {
    return new EcdockError(
      'IFNAME_TAKEN',
      'plug',
      `${target.label} already has an interface ${wiring.ifname}`,
      {
        ...details,
        hint: 'Choose another name with --ifname, or give none to get the lowest free of eth0, eth1, …',
      },
    )
  }
  if (failed.taken === 'mac') {
    return new EcdockError(
      'MAC_TAKEN',
      'plug',
      `${target.label} already has the MAC ${wiring.mac}, on ${by}`,
      {
        ...details,
        hint: 'It may already be in this slot; choose another slot, or another MAC with --mac.',
      },
    )
  }
  return new EcdockError('ADDRESS_TAKEN', 'plug', `${failed.message.replace('the target', target.label)}`, {
    ...details,
    hint: 'Choose another slot, or a vswitch with another subnet.',
  })
}

/** Says that the vswitch is gone, when it is: then that is why. */
async function deleted(
  backend: Backend,
  around: Surroundings,
  slot: number,
): Promise<EcdockError | undefined> {
  try {
    await backend.places.requirePlace(around, slot)
    return undefined
  } catch (error) {
    return asEcdockError(error, 'plug')
  }
}

/** The vswitch's namespace or the target's is not there: say which. */
async function absent(
  wiring: Wiring,
  backend: Backend,
  around: Surroundings,
  details: Details,
): Promise<EcdockError> {
  const gone = await deleted(backend, around, wiring.slot)
  if (gone !== undefined) return gone
  if (details.errno !== 'ESRCH') {
    try {
      checkPresent(wiring.target)
    } catch (error) {
      return asEcdockError(error, 'plug')
    }
  }
  return new EcdockError(
    'TARGET_GONE',
    'plug',
    `${wiring.target.label} went away while it was being plugged in`,
    {
      ...details,
      hint: 'Nothing of the plug is left. Was the process or container stopped?',
    },
  )
}

/** The pair could not be made because one of its two names is taken: say which, and by what. */
async function slotOrNameTaken(
  wiring: Wiring,
  backend: Backend,
  around: Surroundings,
  details: Details,
): Promise<EcdockError> {
  const holder = await backend.places.holder(around, wiring.slot)
  if (holder === undefined) {
    const message = `${wiring.target.label} already has an interface ${wiring.ifname}`
    return new EcdockError('IFNAME_TAKEN', 'plug', message, details)
  }
  return slotTaken(backend.name, wiring.slot, holder, details)
}

export function slotTaken(
  vswitch: string,
  slot: number,
  by: string,
  details: Partial<Details> = {},
): EcdockError {
  return new EcdockError('SLOT_TAKEN', 'plug', `slot ${slot} of ${vswitch} is taken by ${by}`, {
    ...details,
    hint: 'Choose another slot, or give none to get the lowest free one.',
  })
}
