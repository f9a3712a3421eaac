import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { run } from './program.js'

/** Targets are bare namespaces called t1, t2, …: slot N goes into tN. */
export const TARGET_NAMES = 't'
export const TARGET_PATHS = `/run/netns/${TARGET_NAMES}`
/** Of every vswitch: its own address, which is far from the slots. */
export const SUBNET = '10.0.255.254/16'

export function targetPath(slot: number): string {
  return `${TARGET_PATHS}${slot}`
}

/** From 1 on. */
export function slots(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1)
}

export function createTargets(count: number): void {
  const script = 'i=1; while [ $i -le "$2" ]; do ip netns add "$1$i" || exit 1; i=$((i + 1)); done'
  run('sh', ['-c', script, 'sh', TARGET_NAMES, String(count)])
}

/**
 * Starts a sleeping process in each of these targets, for those who know a target by its process id only, and writes the
 * ids to files of the targets' names in the directory. They end with this process.
 */
export async function inhabitTargets(inhabited: Iterable<number>, directory: string): Promise<void> {
  mkdirSync(directory)
  const own = readlinkSync('/proc/self/ns/net')
  for (const slot of inhabited) {
    const sleeper = ['setpriv', '--pdeathsig', 'KILL', 'sleep', 'infinity']
    const child = spawn('nsenter', [`--net=${targetPath(slot)}`, ...sleeper], { stdio: 'ignore' })
    child.unref()
    writeFileSync(`${directory}/${TARGET_NAMES}${slot}`, `${await inside(child, own)}\n`)
  }
}

/** The child's process id, as soon as it has left our own namespace. */
async function inside(child: ChildProcess, own: string): Promise<number> {
  const { pid } = child
  if (pid === undefined) throw new Error('nsenter could not be started')
  for (let attempt = 0; attempt < 1000; attempt++) {
    if (readlinkSync(`/proc/${pid}/ns/net`) !== own) return pid
    await sleep(2)
  }
  throw new Error('nsenter did not enter a target')
}
