import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { patience } from './patience.js'
import { run } from './process.js'

/** A database to look into; test/support/ovs.ts starts one. */
export interface OvsDatabase {
  vsctl(...args: string[]): Promise<string>
}

export interface SnapshotOptions {
  /** Look into this Open vSwitch database too. */
  ovs?: OvsDatabase
  /** More directories to look into, with all below them. */
  directories?: readonly string[]
}

/** What there is on the host, as others see it: one line for each thing, with how many there are of it. */
export interface Snapshot {
  readonly things: ReadonlyMap<string, number>
  readonly options: SnapshotOptions
}

/**
 * Takes stock of the host: links, addresses and routes of this network namespace, named and anonymous namespaces,
 * mounts, processes, files, and the descriptors of this process. Processes are those that share this
 * process's mount namespace and what they have started, which in a test file of the runner means all.
 */
export async function snapshot(options: SnapshotOptions = {}): Promise<Snapshot> {
  // Programs first: the descriptors that Node opens to start its first one stay.
  const things = [
    ...(await network()),
    ...(options.ovs === undefined ? [] : await rows(options.ovs)),
    ...namespaces(),
    ...mounts(),
    ...processes().map(({ pid, command }) => `process ${pid} ${command}`),
    ...files(options),
    ...descriptors(),
  ]
  const counted = new Map<string, number>()
  for (const thing of things) counted.set(thing, (counted.get(thing) ?? 0) + 1)
  return { things: counted, options }
}

/**
 * Throws when there is anything on the host that was not there at `before`, and says what. Waits up to `settleMs`
 * (default 10,000), because the kernel deletes a namespace and its links some time after the last user has gone.
 */
export async function assertNothingLeft(
  before: Snapshot,
  { settleMs = 10_000 }: { settleMs?: number } = {},
): Promise<void> {
  const end = Date.now() + patience(settleMs)
  for (;;) {
    const left = moreThan(before, await snapshot(before.options))
    if (left.length === 0) return
    if (Date.now() > end) throw new Error(`left behind:\n  ${left.join('\n  ')}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function moreThan(before: Snapshot, now: Snapshot): string[] {
  return [...now.things].flatMap(([thing, count]) => {
    const more = count - (before.things.get(thing) ?? 0)
    return more <= 0 ? [] : [more === 1 ? thing : `${thing} (${more} times)`]
  })
}

/** Links with their addresses, and routes, by one program: it is run before and after each test. */
async function network(): Promise<string[]> {
  const input = 'address\nroute show table all\n'
  const [shown, routed] = documents(await run('ip', ['-json', '-batch', '-'], { input })) as [
    Shown[],
    Routed[],
  ]
  return [...links(shown), ...routes(routed)]
}

/** The JSON documents that `ip` has printed, each from the beginning of a line. */
function documents(printed: string): unknown[] {
  return printed.split(/\n(?=\[)/).map((text) => JSON.parse(text) as unknown)
}

interface Shown {
  ifname: string
  addr_info: { local: string; prefixlen: number; scope: string }[]
}

function links(shown: readonly Shown[]): string[] {
  return shown.flatMap(({ ifname, addr_info }) => [
    `link ${ifname}`,
    ...addr_info
      // The kernel gives every link one of these, when it likes.
      .filter(({ scope }) => scope !== 'link')
      .map(({ local, prefixlen }) => `address ${local}/${prefixlen} of ${ifname}`),
  ])
}

interface Routed {
  dst: string
  gateway?: string
  dev?: string
}

function routes(routed: readonly Routed[]): string[] {
  return (
    routed
      // As for the address that they are for.
      .filter(({ dst }) => !dst.startsWith('fe80:'))
      .map(({ dst, gateway, dev }) => `route ${dst} by ${gateway ?? 'link'} of ${dev ?? 'no device'}`)
  )
}

/** Of all tables by one program, as above. */
async function rows(ovs: OvsDatabase): Promise<string[]> {
  const tables = ['Bridge', 'Port', 'Interface']
  const lists = tables.flatMap((table) => ['--', '--columns=name', 'list', table])
  const printed = (await ovs.vsctl('--format=json', ...lists)).split('\n')
  return tables.flatMap((table, at) => {
    const { data } = JSON.parse(printed[at] ?? '') as { data: [string][] }
    return data.map(([name]) => `OVSDB ${table} ${name}`)
  })
}

/** Named ones by their name; the others, which a process or a descriptor keeps alive, by their inode number. */
function namespaces(): string[] {
  const names = list('/run/netns')
  const inodes = names.map((name) => `net:[${inode(join('/run/netns', name))}]`)
  const held = processes().flatMap(({ pid }) => [
    ...list(`/proc/${pid}/task`).map((task) => link(`/proc/${pid}/task/${task}/ns/net`)),
    ...list(`/proc/${pid}/fd`).map((fd) => link(`/proc/${pid}/fd/${fd}`)),
  ])
  const anonymous = new Set(held.filter((target) => target.startsWith('net:[') && !inodes.includes(target)))
  return [...names.map((name) => `namespace ${name}`), ...[...anonymous].map((id) => `namespace ${id}`)]
}

function mounts(): string[] {
  // proc(5), /proc/PID/mounts: the second field is the mount point.
  const lines = readFileSync('/proc/self/mounts', 'utf8').trim().split('\n')
  return lines.map((line) => `mount ${line.split(' ')[1]}`)
}

interface Process {
  pid: number
  parent: number
  command: string
}

function processes(): Process[] {
  const ownMounts = link('/proc/self/ns/mnt')
  const all = list('/proc').flatMap((name) => (/^\d+$/.test(name) ? (processOf(Number(name)) ?? []) : []))
  const ours = new Set<number>()
  const isOurs = ({ pid, parent }: Process) => ours.has(parent) || link(`/proc/${pid}/ns/mnt`) === ownMounts
  for (let found = -1; found !== ours.size; ) {
    found = ours.size
    for (const each of all) if (isOurs(each)) ours.add(each.pid)
  }
  return all.filter(({ pid }) => ours.has(pid))
}

/** Undefined when it is gone, a zombie, or a thread of the kernel. */
function processOf(pid: number): Process | undefined {
  try {
    // proc(5), /proc/PID/stat: pid (command) state parent …; the command may hold anything, also brackets.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
    return state === 'Z' || command === '' ? undefined : { pid, parent: Number(parent), command }
  } catch {
    return undefined
  }
}

/** Below our run directory everything; in the temporary one only what is at its top, as daemons keep house below. */
function files({ directories = [] }: SnapshotOptions): string[] {
  const temporary = process.env.TMPDIR === undefined ? [] : list(process.env.TMPDIR)
  return [
    ...temporary.map((name) => `file ${join(process.env.TMPDIR ?? '', name)}`),
    ...['/run/ecdock-fast', ...directories].flatMap((directory) =>
      list(directory, { recursive: true }).map((name) => `file ${join(directory, name)}`),
    ),
  ]
}

/** By what they are, not by their numbers: `socket`, `pipe`, `anon_inode:[eventpoll]`, `/dev/net/tun`, … */
function descriptors(): string[] {
  return list('/proc/self/fd')
    .map((fd) => link(`/proc/self/fd/${fd}`))
    .filter((target) => target !== '') // The one that listed the directory.
    .map((target) => `descriptor ${target.replace(/^(socket|pipe):.*/, '$1')}`)
}

function list(directory: string, { recursive = false } = {}): string[] {
  try {
    return readdirSync(directory, { recursive, encoding: 'utf8' })
  } catch {
    return []
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

function inode(path: string): number {
  try {
    return statSync(path).ino
  } catch {
    return 0
  }
}
