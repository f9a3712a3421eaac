import { Host } from '../../src/host.js'
import { startOvs } from '../../test/support/ovs.js'
import type { Measurements } from '../measurements.js'
import { buildFloor, ovsFloor } from '../peers/floor.js'
import { ours } from '../peers/ours.js'
import { ovsDocker, ovsVsctl } from '../peers/scripts.js'
import { type Effort, race } from '../rounds.js'
import { inhabitTargets, SUBNET, slots } from '../targets.js'

export const EFFORT: Effort = {
  one: { series: 5, rounds: 20, slowRounds: 4 },
  bulk: [
    { ports: 1, rounds: 20, slowRounds: 5 },
    { ports: 10, rounds: 10, slowRounds: 3 },
    { ports: 100, rounds: 11, slowRounds: 1 },
    { ports: 400, rounds: 3, slowRounds: 1 },
  ],
}

export const QUICK_EFFORT: Effort = {
  one: { series: 2, rounds: 2, slowRounds: 1 },
  bulk: [
    { ports: 1, rounds: 1, slowRounds: 1 },
    { ports: 10, rounds: 1, slowRounds: 1 },
  ],
}

/**
 * Kind `ovs`: an Open vSwitch of its own with the userspace datapath, against the floor in C, ip with
 * ovs-vsctl, and ovs-docker. Each has a bridge of its own, and each leaves it empty before the next one begins.
 */
export async function ovs(
  effort: Effort,
  targets: number,
  directory: string,
  measurements: Measurements,
  progress: (text: string) => void,
): Promise<void> {
  const openVswitch = await startOvs({})
  const pids = `${directory}/pids`
  await inhabitTargets(slots(targets), pids)
  const host = await Host.open({ ovsdb: openVswitch.ovsdb })
  const env = { ...process.env, ...openVswitch.env }
  const contestants = [
    await ours(host, { name: 'ours', kind: 'ovs', subnet: SUBNET, usermode: true }),
    ovsFloor(buildFloor(directory), `${openVswitch.directory}/db.sock`, env),
    ovsVsctl(env),
    ovsDocker(env, directory, pids),
  ]
  await race(effort, { kind: 'ovs', kernel: host.kernel, contestants, measurements, progress })
  for (const contestant of contestants) await contestant.close()
  await host.close()
  await openVswitch.stop()
}
