import type { Kernel } from '../../src/kernel/kernel.js'
import { run } from '../program.js'
import { DataPlaneFigures } from './figures.js'
import { floodPing } from './flood-ping.js'
import { buildLoad, Load } from './load.js'
import { type DataPlane, ownPlane, portAddress, vde2Plane } from './plane.js'
import { memory, processorTime } from './processes.js'

export interface DataPlaneEffort {
  rounds: number
  tcpMs: number
  udpMs: number
  clientsMs: number
  echoes: number
  memory: { rounds: number; ports: number }
}

/** Frames a second, of 64 bytes. */
const RATE = 40_000

/** A data plane that joins two namespaces, and what makes traffic between them. */
interface Joined {
  plane: DataPlane
  load: Load
  /** The namespace that asks, and the address in the other one. */
  from: string
  address: string
}

/** Lets all data planes carry all kinds of traffic, in turns. */
export async function compareDataPlanes(
  effort: DataPlaneEffort,
  directory: string,
  kernel: Kernel,
  progress: (text: string) => void,
): Promise<DataPlaneFigures> {
  const figures = new DataPlaneFigures()
  const program = buildLoad(directory)
  const planes = [
    await ownPlane(`${directory}/plane`),
    await ownPlane(`${directory}/whole`, false),
    await vde2Plane(`${directory}/vde2`),
  ]
  const joined: Joined[] = []
  for (const [index, plane] of planes.entries()) joined.push(await join(plane, index, program, kernel))
  const inTurns = async (what: string, who: readonly Joined[], turn: (one: Joined) => Promise<void>) => {
    for (let round = 0; round < effort.rounds; round++) {
      progress(`vde, ${what}: round ${round + 1} of ${effort.rounds}`)
      const first = round % who.length
      for (const one of [...who.slice(first), ...who.slice(0, first)]) await turn(one)
    }
  }
  const [own, , peer] = joined
  const rivals = joined.filter((one) => one === own || one === peer)

  await inTurns('TCP', joined, async ({ plane, load }) => {
    figures.add('tcp', plane.name, ((await load.tcp(effort.tcpMs)) * 8) / 1e9)
  })
  await inTurns('UDP', rivals, async ({ plane, load }) => {
    const before = processorTime(plane.pids)
    const frames = await load.udp(RATE, effort.udpMs)
    figures.add('processor', plane.name, (processorTime(plane.pids) - before) / frames / 1000)
    figures.add('arrived', plane.name, frames / effort.udpMs)
  })
  await inTurns('clients', rivals, async ({ plane, load }) => {
    figures.add('clients', plane.name, (await load.vde(plane.directory, effort.clientsMs)) / 1000)
  })
  await inTurns('flood ping', rivals, async ({ plane, from, address }) => {
    const { roundTripUs, intervalUs } = await floodPing(from, address, effort.echoes)
    figures.add('echo', plane.name, roundTripUs)
    figures.add('interval', plane.name, intervalUs)
  })
  for (const { plane, load } of joined) {
    await load.close()
    await plane.close()
  }
  await compareMemory(effort.memory, directory, figures, progress)
  return figures
}

async function join(plane: DataPlane, index: number, program: string, kernel: Kernel): Promise<Joined> {
  const [from, to] = [`plane${index}a`, `plane${index}b`]
  for (const [at, netns] of [from, to].entries()) {
    run('ip', ['netns', 'add', netns])
    await plane.plug(netns, 'tap0', at + 1)
  }
  const address = portAddress(2)
  await requirePing(plane, kernel, `/run/netns/${from}`, address)
  const load = new Load(program, `/run/netns/${from}`, `/run/netns/${to}`, address)
  return { plane, load, from, address }
}

async function requirePing(plane: DataPlane, kernel: Kernel, netns: string, address: string): Promise<void> {
  for (let attempt = 0; attempt < 10; attempt++) {
    const [outcome] = await kernel.probe([{ netns, address, timeoutMs: 1000 }])
    if (outcome?.reply === true) return
  }
  throw new Error(`${plane.name}: no ping passes`)
}

/** What a port more takes, all of them idle, in one namespace. The switch itself, without a port, is left out for both. */
async function compareMemory(
  { rounds, ports }: DataPlaneEffort['memory'],
  directory: string,
  figures: DataPlaneFigures,
  progress: (text: string) => void,
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    progress(`vde, memory: round ${round + 1} of ${rounds}`)
    for (const make of [ownPlane, vde2Plane]) {
      const netns = `memory-${make.name}`
      run('ip', ['netns', 'add', netns])
      const plane = await make(`${directory}/memory`)
      const before = memory(plane.pids)
      for (let port = 1; port <= ports; port++) await plane.plug(netns, `tap${port}`, port)
      figures.add('memory', plane.name, (memory(plane.pids) - before) / ports / 1024)
      await plane.close()
      run('ip', ['netns', 'delete', netns])
    }
  }
}
