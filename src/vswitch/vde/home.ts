import { mkdir, readdir, readFile, rename, rm, rmdir, unlink, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { EcdockError } from '../../errors.js'
import { DirectoryLock } from '../../kernel/directory-lock.js'
import { checkSocketDir } from '../../vde/socket-dir.js'
import { type VswitchRecord, vswitchRecord } from '../record.js'

/** A vswitch of kind `vde`, as its file keeps it: what its switch process cannot tell once it has ended. */
export interface VdeRecord extends VswitchRecord {
  /** The directory of a switch that is not ours; undefined when the vswitch has one of its own. */
  socketDir?: string | undefined
}

/** The files of one vswitch, below the run directory. */
export interface Home {
  dir: string
  /** Of the switch's sockets: what VDE programs are given. */
  sock: string
  control: string
  mgmt: string
  record: string
  /** Its record as long as it is being made, and once it is being deleted. */
  unfinished: string
}

export function homeOf(runDir: string, name: string): Home {
  const dir = join(runDir, 'vde', name)
  return {
    dir,
    sock: join(dir, 'sock'),
    control: join(dir, 'control'),
    mgmt: join(dir, 'mgmt'),
    record: join(dir, 'vswitch.json'),
    unfinished: join(dir, 'vswitch.json.unfinished'),
  }
}

/**
 * Waits until nobody else makes, mends or deletes the vswitch. Undefined when it has no directory (any more). Throws
 * TIMEOUT.
 */
export function lockHome(home: Home, op: string): Promise<DirectoryLock | undefined> {
  return DirectoryLock.take(home.dir, { op })
}

/**
 * Makes the directory of a vswitch that is to be made, and locks it. Throws VSWITCH_EXISTS, USAGE (its path is too long),
 * PERMISSION.
 */
export async function makeHome(home: Home, name: string): Promise<DirectoryLock> {
  checkSocketDir(home.sock)
  for (;;) {
    await makeDirectory(home, name)
    const lock = await lockHome(home, 'create-vswitch')
    // Else a cleanup has taken it for what a crash left, in the instant before it was locked.
    if (lock !== undefined) return lock
  }
}

async function makeDirectory(home: Home, name: string): Promise<void> {
  try {
    await makeIn(join(home.dir, '..'), home.dir)
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code !== 'EEXIST') {
      throw new EcdockError('PERMISSION', 'create-vswitch', `${home.dir} cannot be made: ${message}`, {
        errno: code,
        hint: 'Run it as root, or say where run-time files go with the option runDir.',
        cause,
      })
    }
    throw new EcdockError('VSWITCH_EXISTS', 'create-vswitch', `there is a directory ${home.dir} already`, {
      hint: `Choose another name, or delete it first with "ecdock-fast delete-vswitch ${name}"; what a crash cut short goes with "ecdock-fast cleanup".`,
    })
  }
}

/** The directory above goes with the last of its vswitches, which may be just now. */
async function makeIn(parent: string, dir: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    await mkdir(parent, { recursive: true, mode: 0o755 })
    try {
      await mkdir(dir, { mode: 0o755 })
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || attempt === 10) throw error
    }
  }
}

/** Takes away what is ours; whatever else somebody has put there stays, and the directory with it. */
export async function removeHome(home: Home): Promise<void> {
  for (const name of await socketsIn(home.sock)) await rm(join(home.sock, name), { force: true })
  await rmdir(home.sock).catch(() => {})
  for (const name of await namesIn(home.dir)) {
    if (isOurs(name)) await unlink(join(home.dir, name)).catch(() => {})
  }
  await rmdir(home.dir).catch(() => {})
  // Unless there are others.
  await rmdir(join(home.dir, '..')).catch(() => {})
}

/** Names of what we put into the directory of a vswitch, besides that of the sockets. */
function isOurs(name: string): boolean {
  return name === 'control' || name === 'mgmt' || /^vswitch\.json(\.unfinished|\.\d+)?$/.test(name)
}

/** There is nothing in the directory that cannot be ours, as in one that a crash has left. */
async function holdsOnlyOurs(home: Home): Promise<boolean> {
  const names = await namesIn(home.dir)
  if (!names.every((name) => name === 'sock' || isOurs(name))) return false
  return (await socketsIn(home.sock)).length === (await namesIn(home.sock)).length
}

async function namesIn(dir: string): Promise<string[]> {
  return await readdir(dir).catch(() => [])
}

async function socketsIn(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => [])
  return entries.flatMap((entry) => (entry.isSocket() ? entry.name : []))
}

/** What a cleanup finds, should the creation be cut short. */
export async function writeUnfinished(home: Home, record: VdeRecord): Promise<void> {
  await writeFile(home.unfinished, `${JSON.stringify(record, undefined, 2)}\n`, { mode: 0o644 })
}

/** From now on there is the vswitch, all at once: whoever reads its record finds no half of it. */
export async function finishRecord(home: Home): Promise<void> {
  await rename(home.unfinished, home.record)
}

/** From now on there is none. */
export async function unfinishRecord(home: Home): Promise<void> {
  await rename(home.record, home.unfinished)
}

/** Undefined when there is no such vswitch, or its file has been spoilt. */
export async function readRecord(runDir: string, name: string): Promise<VdeRecord | undefined> {
  return NAME.test(name) ? await recordIn(homeOf(runDir, name).record, name) : undefined
}

/** That of one which is unfinished; undefined when its creation was cut short before it had one. */
export async function readUnfinished(home: Home, name: string): Promise<VdeRecord | undefined> {
  return await recordIn(home.unfinished, name)
}

async function recordIn(path: string, name: string): Promise<VdeRecord | undefined> {
  try {
    const text = await readFile(path, 'utf8')
    return parseRecord(JSON.parse(text) as unknown, name)
  } catch {
    return undefined
  }
}

function parseRecord(value: unknown, name: string): VdeRecord | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { name: kept, subnet, ipv6Prefix, home, socketDir } = value as Record<string, unknown>
  if (kept !== name || typeof subnet !== 'string') return undefined
  const parsed = vswitchRecord(name, subnet, typeof ipv6Prefix === 'string' ? ipv6Prefix : undefined)
  if (parsed === undefined) return undefined
  const record: VdeRecord = parsed
  if (home !== undefined) {
    if (typeof home !== 'string' || !HOME.test(home)) return undefined
    record.home = home
  }
  if (socketDir !== undefined) {
    if (typeof socketDir !== 'string') return undefined
    checkSocketDir(socketDir)
    record.socketDir = socketDir
  }
  return record
}

const HOME = /^[0-9a-f]{8}$/

/** What a vswitch can be called; anything else is no name of a file here either. */
const NAME = /^[A-Za-z][A-Za-z0-9._-]{0,14}$/

/** The names of all that are there, finished or not. */
export async function listHomes(runDir: string): Promise<string[]> {
  const entries = await readdir(join(runDir, 'vde'), { withFileTypes: true }).catch(() => [])
  return entries.flatMap((entry) => (entry.isDirectory() && NAME.test(entry.name) ? entry.name : [])).sort()
}

/**
 * Whether this is the directory of a vswitch that was never finished or is half deleted, and not somebody else's in the same
 * place. One whose record is there and cannot be read was finished. Whoever is at work on it has it locked.
 */
export async function isUnfinished(home: Home): Promise<boolean> {
  return !(await namesIn(home.dir)).includes(basename(home.record)) && (await holdsOnlyOurs(home))
}
