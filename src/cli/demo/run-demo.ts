import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { EcdockError } from '../../errors.js'
import type { Port, Vswitch, VswitchKind } from '../../vswitch/vswitch.js'
import type { Answer } from '../command.js'
import type { DemoFlags } from '../commands/demo.js'
import { EXIT_DONE, EXIT_FAILED } from '../exit-status.js'
import type { Invocation } from '../invocation.js'
import { durationText, median } from '../render/quantities.js'
import { kindText } from '../render/vswitch.js'
import type { World } from '../world.js'
import { openLiveList } from './live-list.js'
import { freeSubnet, type Network, networkOf, routedNetworks } from './subnet.js'

/** How long to wait for an echo, in ms. The first frame through a userspace datapath takes its time. */
const PING_TIMEOUT_MS = 2000
/** The kernel's queues are short; more at the same time would lose some. */
const PINGS_AT_ONCE = 64

interface DemoResult {
  vswitch: string
  kind: VswitchKind
  subnet: string
  /** How long each plug took, in ms, by slot. */
  ports: number[]
  medianMs: number
  pings: { sent: number; received: number }
}

/** Makes a vswitch and namespaces, plugs them in one by one, pings across, and removes all that it has made. */
export async function runDemo(invocation: Invocation, flags: DemoFlags): Promise<Answer> {
  try {
    return await invocation.withWorld((world) => demonstrate(world, invocation, flags))
  } catch (error) {
    if (!(error instanceof EcdockError) || error.code !== 'PERMISSION') throw error
    const message = 'the demo makes network namespaces and interfaces, and needs to be root for that'
    throw new EcdockError('PERMISSION', 'demo', message, {
      errno: error.errno,
      kernelMessage: error.kernelMessage,
      hint: 'Run it with sudo; what it needs of root is CAP_NET_ADMIN, CAP_SYS_ADMIN and CAP_NET_RAW.',
      cause: error,
    })
  }
}

async function demonstrate(world: World, invocation: Invocation, flags: DemoFlags): Promise<Answer> {
  // A name that no other demo and nobody else has; what is removed at the end is known by it.
  const name = `demo-${randomBytes(2).toString('hex')}`
  const kind = flags.kind ?? (flags.usermode === true ? 'ovs' : 'vde')
  if (kind !== 'ovs' && flags.usermode === true) {
    throw new EcdockError('USAGE', 'demo', '--usermode is for Open vSwitch, and --kind says otherwise')
  }
  const say = (text: string): void => {
    if (invocation.talkative) invocation.io.stdout.write(`${text}\n`)
  }
  const undo: (() => Promise<void>)[] = []
  try {
    const subnet = freeSubnet(await usedNetworks(world))
    invocation.stopIfAborted()
    const vswitch = await world.createVswitch({
      name,
      kind,
      subnet,
      ...(flags.usermode === true && { usermode: true }),
    })
    undo.push(() => world.deleteVswitch(name))
    say(`A vswitch, ${kindText(kind)}: ${name}, ${subnet}`)

    const names = Array.from({ length: flags.count }, (_, index) => `ecdock-${name}-${index + 1}`)
    invocation.stopIfAborted()
    await world.kernel.createNamespaces(names)
    undo.push(() => world.kernel.deleteNamespaces(names))
    say(`${flags.count} network namespaces, plugged into its slots one by one:`)

    const ports = await plugOneByOne(vswitch, names, invocation)
    const pings = await pingAcross(world, ports, names)
    const times = ports.map((port) => port.ms ?? 0)
    const result: DemoResult = { vswitch: name, kind, subnet, ports: times, medianMs: median(times), pings }
    say(summary(result))
    return { document: result, status: pings.received === pings.sent ? EXIT_DONE : EXIT_FAILED }
  } finally {
    await undoAll(undo)
    if (undo.length > 0) say('All of it is removed again.')
  }
}

/** One plug a call, as a simulation that starts its nodes one by one does it; in bulk it takes less. */
async function plugOneByOne(vswitch: Vswitch, names: string[], invocation: Invocation): Promise<Port[]> {
  const list = await openLiveList(invocation, names)
  const ports: Port[] = []
  try {
    for (const [index, name] of names.entries()) {
      invocation.stopIfAborted()
      const began = performance.now()
      const port = await vswitch.plug({ netns: name }, { slot: index + 1, signal: invocation.signal })
      const ms = port.ms ?? performance.now() - began
      ports.push({ ...port, ms })
      list.add({ ...port, ms })
    }
  } finally {
    list.done()
  }
  return ports
}

/** From each namespace to the next one and to the switch's own address. */
async function pingAcross(world: World, ports: Port[], names: string[]): Promise<DemoResult['pings']> {
  const probes = ports.flatMap((port, index) => {
    const netns = `/run/netns/${names[index]}`
    const next = ports[(index + 1) % ports.length]
    return [next?.ipv4 ?? port.gateway, port.gateway].map((address) => ({
      netns,
      address: address.replace(/\/\d+$/, ''),
      timeoutMs: PING_TIMEOUT_MS,
    }))
  })
  let received = 0
  for (let first = 0; first < probes.length; first += PINGS_AT_ONCE) {
    const outcomes = await world.kernel.probe(probes.slice(first, first + PINGS_AT_ONCE))
    received += outcomes.filter((outcome) => outcome.reply).length
  }
  return { sent: probes.length, received }
}

async function usedNetworks(world: World): Promise<Network[]> {
  const addresses = await world.kernel.addresses('')
  const networks = addresses.flatMap(({ address, prefix }) => networkOf(address, prefix) ?? [])
  return [...networks, ...routedNetworks(await readFile('/proc/net/route', 'utf8'))]
}

/** Every step is tried, whatever became of the one before; the first error is thrown at the end. */
async function undoAll(steps: readonly (() => Promise<void>)[]): Promise<void> {
  const results: PromiseSettledResult<void>[] = []
  for (const step of steps) results.push(...(await Promise.allSettled([step()])))
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

/** What the benchmark's peers are made of, for each kind. */
const COMPARED: Record<VswitchKind, string> = {
  bridge: '`ip`',
  vde: '`ip` and `vde_plug2tap`',
  ovs: '`ip` and `ovs-vsctl`, and `ovs-docker`',
}

function summary(result: DemoResult): string {
  const { pings } = result
  const across =
    pings.received === pings.sent
      ? `All ${pings.sent} pings came back, from each to the next one and to the switch.`
      : `Only ${pings.received} of ${pings.sent} pings came back.`
  return [
    '',
    `${across}`,
    `One plug takes ${durationText(result.medianMs)} (median): no program is started and no interface is moved.`,
    'In a checkout, `npm run bench` measures plugs side by side on this machine: these, a bare C program that',
    `sends the same messages, and the same steps by ${COMPARED[result.kind]}.`,
    '',
  ].join('\n')
}
