import { parseSubnet } from '../../addressing/subnet.js'
import { EcdockError } from '../../errors.js'
import type { PlanFailed } from '../../kernel/plan.js'
import type { Backend } from '../backend.js'
import { LINK_GROUP } from '../record.js'
import { homeOf, type VdeRecord } from './home.js'
import { checkLabel, portLabel } from './labels.js'
import { mendSwitch } from './mending.js'
import { MAX_PORT } from './own-port.js'
import { tapPlaces } from './places.js'

/**
 * A vswitch of kind `vde`: a switch process of its own, `ecdock-switch`, with a tap in each target; or a switch of
 * somebody else, to which such a process connects each tap by itself. A slot's number is its port's number.
 */
export function vdeBackend(record: VdeRecord, runDir: string): Backend {
  const { name, socketDir } = record
  const home = homeOf(runDir, name)
  const backend: Backend = {
    kind: 'vde',
    polices: false,
    name,
    home: record.home,
    subnet: parseSubnet(record.subnet),
    ipv6Prefix: record.ipv6Prefix,
    // The last one is for the vswitch itself, whose own slot may be higher.
    maxSlot: MAX_PORT - 1,
    places: tapPlaces({ home, runDir, backend: () => backend }),
    check: checkLabel,
    interfaces: (wiring) => [
      {
        op: 'tap',
        netns: wiring.target.netns,
        name: wiring.ifname,
        mac: wiring.mac,
        mtu: wiring.mtu,
        group: LINK_GROUP,
        alias: wiring.alias,
        control: home.control,
        port: wiring.slot,
        label: portLabel(wiring),
        ...(socketDir !== undefined && { vde: socketDir }),
      },
    ],
    failure: (failed) => tapFailure(failed, record),
    mend: async (_slot, { kernel }) => {
      const { runs, missing } = await mendSwitch(name, runDir, kernel)
      for (const { slot, why } of missing) {
        process.emitWarning(`Slot ${slot} of ${name} could not be plugged in again: ${why}`, 'EcdockWarning')
      }
      return runs
    },
  }
  return backend
}

/** What a tap step's failure means, for people. */
export function tapFailure(failed: PlanFailed, { name, socketDir }: VdeRecord): EcdockError | undefined {
  const { op, errno, message } = failed
  if (op === 'switch connect' || op === 'switch answer' || op === 'switch request') {
    if (errno === 'ETIMEDOUT') {
      return new EcdockError('TIMEOUT', 'plug', `the switch of ${name} does not answer`, {
        errno,
        hint: `Is its process stopped? "ecdock-fast inspect" shows more; "ecdock-fast delete-vswitch ${name}" ends it.`,
      })
    }
    return new EcdockError('VDE_UNREACHABLE', 'plug', `the switch process of ${name} has ended`, {
      errno,
      hint: 'The next plug starts it again, and plugs in what was.',
    })
  }
  // Who has the slot is for others to say.
  if (op === 'switch' && errno === 'EBUSY') return undefined
  if (op === 'switch') {
    const who = socketDir === undefined ? name : `${name}, which is plugged into ${socketDir}`
    return new EcdockError('VDE_REFUSED', 'plug', `${who}: ${message}`, {
      errno,
      hint:
        socketDir === undefined
          ? undefined
          : 'Does the switch there still run, may we use it, and has it a free port? Its console tells.',
    })
  }
  if (op === 'tap open' && ['ENOENT', 'ENODEV', 'ENXIO'].includes(errno)) {
    return new EcdockError('UNSUPPORTED', 'plug', `there is no /dev/net/tun: ${message}`, {
      errno,
      hint: 'Load the kernel module tun (modprobe tun); in a container, add --device /dev/net/tun.',
    })
  }
  return undefined
}
