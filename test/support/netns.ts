import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readlinkSync } from 'node:fs'
import { type RunOptions, run, waitUntil } from './process.js'

export interface TargetProcess {
  pid: number
  /** `/proc/PID/ns/net`. */
  netns: string
  /** Kills the process and waits until it is gone; its namespace goes with it. */
  stop(): Promise<void>
}

/** Starts a process that sleeps in a network namespace of its own, as a container's first process does. */
export async function targetProcess(): Promise<TargetProcess> {
  const child = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' })
  const exited = once(child, 'exit')
  const { pid } = child
  if (pid === undefined) {
    throw new Error(`no target process: ${(await once(child, 'error')).join(' ')}`)
  }
  const netns = `/proc/${pid}/ns/net`
  const own = readlinkSync('/proc/self/ns/net')
  await waitUntil(`process ${pid} is in a network namespace of its own`, () => readlinkSync(netns) !== own)
  return {
    pid,
    netns,
    async stop() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

export interface NamedNamespace {
  name: string
  /** `/run/netns/NAME`. */
  path: string
  remove(): Promise<void>
}

/** Makes a namespace as `ip netns add` does. Its loopback is down. */
export async function namedNamespace(name: string): Promise<NamedNamespace> {
  await run('ip', ['netns', 'add', name])
  return {
    name,
    path: `/run/netns/${name}`,
    async remove() {
      await run('ip', ['netns', 'delete', name])
    },
  }
}

/** Runs a program in the network namespace at this path and gives its standard output; throws when it fails. */
export function inside(
  netns: string,
  command: string,
  args: readonly string[],
  options?: RunOptions,
): Promise<string> {
  return run('nsenter', [`--net=${netns}`, '--', command, ...args], options)
}
