import { parseSubnet } from '../../addressing/subnet.js'
import { EcdockError } from '../../errors.js'
import type { Plan } from '../../kernel/plan.js'
import { findSwitch, type SwitchOptions, startSwitch } from '../../vde/switch-process.js'
import type { Surroundings } from '../backend.js'
import { portMark, vswitchAlias } from '../record.js'
import { type Home, homeOf, type VdeRecord } from './home.js'
import { MAX_PORT, ownPort } from './own-port.js'
import { markedTaps } from './taps.js'

/**
 * Starts the process of a vswitch again, when it has ended, and plugs its taps in again, which are where they were.
 * Several may do so at the same time. True when it runs; false when it could not be made to.
 */
export async function mendSwitch(
  record: VdeRecord,
  runDir: string,
  { kernel }: Pick<Surroundings, 'kernel'>,
): Promise<boolean> {
  const home = homeOf(runDir, record.name)
  if (!(await startAgain(record, home))) return false
  const taps = await markedTaps(kernel, record.name)
  const plans: Plan[] = taps.map(({ netns, link, record: { slot } }) => ({
    steps: [
      {
        op: 'tap',
        netns,
        name: link.name,
        control: home.control,
        port: slot,
        label: `${link.alias} mtu=${link.mtu} at=${encodeURIComponent(netns)}`,
        mark: portMark(record.name, slot),
        ...(record.socketDir !== undefined && { vde: record.socketDir }),
      },
    ],
  }))
  const port = ownPort(parseSubnet(record.subnet))
  plans.push({
    steps: [
      {
        op: 'tap',
        netns: '',
        name: record.name,
        control: home.control,
        port,
        label: vswitchAlias(record),
        mark: vswitchAlias(record),
        ...(record.socketDir !== undefined && { vde: record.socketDir }),
      },
    ],
  })
  // What goes wrong with one, such as that another process was faster, is no matter of the others.
  await kernel.execute(plans)
  return true
}

async function startAgain(record: VdeRecord, home: Home): Promise<boolean> {
  if ((await findSwitch(home.control)) !== undefined) return true
  try {
    await startSwitch(switchOptions(record, home))
    return true
  } catch (error) {
    if (!(error instanceof EcdockError) || error.code !== 'VDE_START_FAILED') throw error
    // Somebody else may have started it just now.
    return (await findSwitch(home.control)) !== undefined
  }
}

export function switchOptions(record: VdeRecord, home: Home): SwitchOptions {
  const { socketDir } = record
  return {
    dir: socketDir === undefined ? home.sock : undefined,
    control: home.control,
    mgmt: socketDir === undefined ? home.mgmt : undefined,
    ports: MAX_PORT,
    label: vswitchAlias(record),
  }
}
