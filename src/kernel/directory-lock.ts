import { constants } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { EcdockError } from '../errors.js'
import { fromNative, loadAddon, type NativeError } from './addon.js'

export interface DirectoryLockOptions {
  /** What is to be done, for errors. */
  op: string
  /** How long to wait for whoever has it, in ms. Default 30 s. */
  timeoutMs?: number
}

const TIMEOUT_MS = 30_000
const PAUSE_MS = 5
const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants

/**
 * A directory that nobody else has locked, in this process or another: flock(2) on the directory itself, so that nothing is
 * left of it, and the end of a process is the end of its locks.
 */
export class DirectoryLock {
  private constructor(private readonly handle: FileHandle) {}

  /**
   * Waits until nobody else has it. Undefined when there is no such directory (any more). Throws TIMEOUT, ADDON_MISSING, and
   * what opening the directory throws.
   */
  static async take(path: string, options: DirectoryLockOptions): Promise<DirectoryLock | undefined> {
    const { op, timeoutMs = TIMEOUT_MS } = options
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const lock = await DirectoryLock.#attempt(path)
      if (lock !== 'taken') return lock
      if (performance.now() > deadline) {
        throw new EcdockError(
          'TIMEOUT',
          op,
          `another process has been at work on ${path} for ${timeoutMs} ms`,
          {
            hint: `"fuser ${path}" (or lslocks) shows which; its lock ends with it.`,
          },
        )
      }
      await setTimeout(PAUSE_MS)
    }
  }

  /** Somebody has it locked at this moment. */
  static async isTaken(path: string): Promise<boolean> {
    const lock = await DirectoryLock.#attempt(path)
    if (lock === 'taken') return true
    await lock?.release()
    return false
  }

  async release(): Promise<void> {
    await this.handle.close()
  }

  static async #attempt(path: string): Promise<DirectoryLock | 'taken' | undefined> {
    const { tryLock } = loadAddon()
    let handle: FileHandle
    try {
      handle = await open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
      throw error
    }
    try {
      if (tryLock(handle.fd) && (await isStillThere(handle, path))) return new DirectoryLock(handle)
      await handle.close()
      return 'taken'
    } catch (error) {
      await handle.close()
      throw fromNative(error as NativeError)
    }
  }
}

/** Whoever had the lock before may have deleted the directory, and somebody may have made another one. */
async function isStillThere(handle: FileHandle, path: string): Promise<boolean> {
  const [locked, there] = await Promise.all([handle.stat(), stat(path).catch(() => undefined)])
  return locked.ino === there?.ino && locked.dev === there.dev
}
