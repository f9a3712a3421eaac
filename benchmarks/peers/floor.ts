import { compile, run } from '../program.js'
import { TARGET_PATHS } from '../targets.js'
import type { Contestant, ContestantName } from './contestant.js'
import { LineProgram } from './line-program.js'
import { createOvsBridge } from './ovs-bridge.js'

/** Group of the links while they are in use, and the one that those about to be deleted are put into. */
const IN_USE = 100
const DOOMED = 101

/** Compiles the floor into the directory and gives the path of the program. */
export function buildFloor(directory: string): string {
  return compile('benchmarks/floor', `${directory}/floor`)
}

function contestant(name: ContestantName, child: LineProgram): Contestant {
  return {
    name,
    slow: false,
    plug: (slot) => child.ask(`plug ${IN_USE} ${slot} 1`),
    unplug: (slot) => child.ask(`unplug ${slot} 1`),
    plugAll: (count) => child.ask(`plug ${IN_USE} 1 ${count}`),
    unplugAll: () => child.ask(`delete-group ${IN_USE}`),
    close: () => child.close(),
  }
}

/** A Linux bridge in a namespace of its own, where nothing speaks IPv6 but what is plugged in: as ecdock-fast's. */
function createBridge(name: string): string {
  run('ip', ['netns', 'add', name])
  run('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
  const noIpv6 = 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'
  run('ip', ['netns', 'exec', name, 'sh', '-c', noIpv6])
  run('ip', ['-n', name, 'link', 'add', name, 'type', 'bridge', 'stp_state', '0', 'mcast_snooping', '0'])
  run('ip', ['-n', name, 'link', 'set', name, 'up'])
  return `/run/netns/${name}`
}

/**
 * The floor on a Linux bridge: nothing but the messages. In bulk its links are all in one group from the
 * start, so that one message deletes them.
 */
export function floor(program: string): Contestant {
  const bridge = 'floor'
  const child = new LineProgram(program, ['bridge', createBridge(bridge), bridge, TARGET_PATHS])
  return contestant('C floor', child)
}

/** The same, but its links have the queues that the kernel gives them: one for each processor. */
export async function defaultQueuesFloor(program: string): Promise<Contestant> {
  const bridge = 'queues'
  const child = new LineProgram(program, ['bridge', createBridge(bridge), bridge, TARGET_PATHS])
  await child.ask('queues 0')
  return contestant('C floor, default queues', child)
}

/** The same, but its links are put into the group that is deleted only when they are deleted. */
export function regroupingFloor(program: string): Contestant {
  const bridge = 'regroup'
  const child = new LineProgram(program, ['bridge', createBridge(bridge), bridge, TARGET_PATHS])
  const unplugAll = async (first: number, count: number) =>
    (await child.ask(`regroup ${DOOMED} ${first} ${count}`)) + (await child.ask(`delete-group ${DOOMED}`))
  return {
    ...contestant('C floor, regrouping', child),
    unplug: (slot) => unplugAll(slot, 1),
    unplugAll: (count) => unplugAll(1, count),
  }
}

/** The floor on Open vSwitch can also fill a bridge for others, before their time is taken. */
export interface OvsFloor extends Contestant {
  /** Its ports are called as the bridge is, with `-s` and the slot behind. */
  readonly bridge: string
  /** Plugs these slots, besides those that are plugged in. */
  fill(first: number, count: number): Promise<void>
}

/**
 * The floor on Open vSwitch: the netlink messages and the bare transaction. `ovsdb` is the path of the database's socket;
 * `env` leads ovs-vsctl there, which makes the bridge if `bridge` is not there yet.
 */
export function ovsFloor(program: string, ovsdb: string, env: NodeJS.ProcessEnv, bridge = 'floor'): OvsFloor {
  createOvsBridge(bridge, env)
  const child = new LineProgram(program, ['ovs', ovsdb, bridge, TARGET_PATHS])
  return {
    ...contestant('C floor', child),
    bridge,
    async fill(first, count) {
      if (count > 0) await child.ask(`plug ${IN_USE} ${first} ${count}`)
    },
  }
}

/**
 * The floor on VDE: opens a tap in the target, configures it, and hands it to the ecdock-switch that listens at `control`,
 * as a plug does. Its taps are deleted one by one.
 */
export function vdeFloor(program: string, control: string): Contestant {
  const child = new LineProgram(program, ['vde', control, 'floor', TARGET_PATHS])
  return { ...contestant('C floor', child), unplugAll: (count) => child.ask(`unplug 1 ${count}`) }
}
