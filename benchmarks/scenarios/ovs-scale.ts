import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { Host } from '../../src/host.js'
import { OvsdbClient } from '../../src/ovsdb/client.js'
import { startOvs } from '../../test/support/ovs.js'
import type { Measurements } from '../measurements.js'
import { buildFloor, ovsFloor } from '../peers/floor.js'
import { ours } from '../peers/ours.js'
import { ovsDocker, ovsVsctl } from '../peers/scripts.js'
import { raceInBulk } from '../rounds.js'
import type { Arena } from '../scale/arena.js'
import { churn, growOvsDocker, type OvsDockerTimes } from '../scale/churn.js'
import type { ScaleEffort } from '../scale/effort.js'
import { Figures } from '../scale/figures.js'
import { flows } from '../scale/flows.js'
import { deleteByVsctl, fillFromNothing, fillReserved, fillSuppressing } from '../scale/full-vswitch.js'
import { summedOver } from '../scale/growth.js'
import { replug, replugByVsctl } from '../scale/replug.js'
import { median } from '../stats.js'
import { inhabitTargets, SUBNET, slots } from '../targets.js'

/** ovs-vswitchd takes tens of seconds to let a thousand ports go. */
const OVS_TIMEOUT_MS = 120_000

/**
 * Kind `ovs` with many ports: an Open vSwitch of its own with the userspace datapath. Who is measured has it to himself:
 * each leaves it empty before the next one begins, and all take turns.
 */
export async function ovsScale(
  effort: ScaleEffort,
  directory: string,
  measurements: Measurements,
  progress: (text: string) => void,
): Promise<Figures> {
  const openVswitch = await startOvs({})
  const { ovsdb: endpoint, directory: runDir } = openVswitch
  const env = { ...process.env, ...openVswitch.env }
  const pids = `${directory}/pids-at-scale`
  await inhabitTargets(sampledSlots(effort), pids)
  const host = await Host.open({ ovsdb: endpoint, ovsTimeoutMs: OVS_TIMEOUT_MS })
  const program = buildFloor(directory)
  const floorOn = (bridge: string) => ovsFloor(program, `${runDir}/db.sock`, env, bridge)
  const floor = floorOn('floor')
  const docker = { peer: ovsDocker(env, directory, pids), filler: floorOn('ovsdocker') }
  const vsctl = { peer: ovsVsctl(env), filler: floorOn('vsctl') }
  const figures = new Figures()
  const arena: Arena = {
    host,
    kernel: host.kernel,
    async looking(body) {
      const ovsdb = await OvsdbClient.connect(endpoint, { requestTimeoutMs: OVS_TIMEOUT_MS })
      await body(ovsdb).finally(() => ovsdb.close())
    },
    runDir,
    env,
    async vsctl(args) {
      await promisify(execFile)('ovs-vsctl', ['--timeout=120', ...args], {
        env,
        maxBuffer: MOST_OUTPUT_BYTES,
      })
    },
    floor,
    measurements,
    figures,
  }
  const say = (text: string) => progress(`ovs at scale, ${text}`)

  say('flows')
  await flows(arena, effort.flows)
  await inBulk(arena, effort, say)
  const times: OvsDockerTimes = { added: new Map() }
  const { slots: count, rounds } = effort.full
  for (let round = 0; round < rounds; round++) {
    const step = (text: string) => say(`${text}: round ${round + 1} of ${rounds}`)
    step(`from nothing to ${count} slots`)
    await fillFromNothing(arena, count, round === rounds - 1)
    step(`from nothing to ${count} slots with neighSuppress`)
    await fillSuppressing(arena, count)
    step(`${count} ports of the floor, deleted by ovs-vsctl`)
    await floor.plugAll(count)
    await deleteByVsctl(arena, count)
    if (round >= effort.slowRounds) continue
    step(`churn of ${effort.churn.slots} slots`)
    await churn(arena, effort.churn)
    await growOvsDocker(arena, docker.peer, docker.filler, effort, times, (ports) =>
      step(`ovs-docker with ${ports} ports there`),
    )
    step(`re-plug among ${effort.replug.slots} slots`)
    await replug(arena, effort.replug)
    step(`re-plug by ovs-vsctl among ${effort.replug.slots} ports`)
    await replugByVsctl(arena, vsctl.peer, vsctl.filler, effort.replug)
    step(`${count} reserved slots`)
    await fillReserved(arena, count)
  }
  addGrowth(figures, times, count)

  for (const each of [floor, docker.peer, docker.filler, vsctl.peer, vsctl.filler]) await each.close()
  await host.close()
  await openVswitch.stop()
  return figures
}

const MOST_OUTPUT_BYTES = 1 << 20

async function inBulk(arena: Arena, effort: ScaleEffort, say: (text: string) => void): Promise<void> {
  const { host, kernel, measurements, floor } = arena
  const ourselves = await ours(host, { name: 'bulk', kind: 'ovs', subnet: SUBNET, usermode: true })
  const race = { kind: 'ovs', kernel, contestants: [ourselves, floor], measurements, progress: say } as const
  await raceInBulk(
    effort.bulk.map(({ ports, rounds }) => ({ ports, rounds, slowRounds: rounds })),
    race,
  )
  await ourselves.close()
}

/** The slots that ovs-docker makes itself. */
function* sampledSlots({ fills }: ScaleEffort): Generator<number> {
  for (const ports of fills.ports) for (const offset of slots(fills.samples)) yield ports + offset
}

/** What ovs-docker would take from nothing to `count` ports. */
function addGrowth(figures: Figures, { added }: OvsDockerTimes, count: number): void {
  const samples = [...added].map(([ports, ms]) => ({ ports, ms: median(ms) }))
  figures.add('from-nothing', 'ovs-docker', summedOver(samples, count), count)
}
