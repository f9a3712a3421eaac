import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { asEcdockError, EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'
import type { Settings } from './settings.js'

/** Far more than all settings need; a file that is longer is none of ours. In bytes. */
const LARGEST_FILE = 16 * 1024

/** A file in which defaults are looked for. */
export interface ConfigFile {
  path: string
  /** What says to look there: an option, a variable, or nothing but the name. */
  from: '--config' | 'ECDOCK_FAST_CONFIG' | 'its name'
  /** What it says; undefined when there is no such file, or it cannot be used. */
  settings?: Settings
  /** Why it cannot be used. */
  error?: EcdockError
  /** Variables of ecDock's file that mean nothing here. */
  ignored: string[]
}

/** The defaults of a run, and where they are from. */
export interface Config {
  /** In the order in which they are asked. */
  files: ConfigFile[]
  /** For each setting, what the first file that has it says. */
  settings: Settings
}

export interface ConfigSources {
  /** The file that `--config` names. */
  file?: string | undefined
  env: Readonly<Record<string, string | undefined>>
  /** The directory of the usual files: /etc. */
  etc: string
}

export const NO_CONFIG: Config = { files: [], settings: {} }

/**
 * Reads ecdock-fast.yaml (or the file that is named in its place) and ecDock's own defaults. Does not throw: what is
 * wrong with a file is in its `error`, of code USAGE.
 */
export async function loadConfig({ file, env, etc }: ConfigSources): Promise<Config> {
  const named = env.ECDOCK_FAST_CONFIG || undefined
  const from = file !== undefined ? '--config' : named !== undefined ? 'ECDOCK_FAST_CONFIG' : 'its name'
  const path = file ?? named ?? join(etc, 'ecdock-fast.yaml')
  const files = await Promise.all([
    readConfigFile(path, from, async (text) => {
      const { parseYamlSettings } = await import('./yaml-settings.js')
      return { settings: parseYamlSettings(text, path), ignored: [] }
    }),
    readConfigFile(join(etc, 'default', 'ecDock'), 'its name', async (text, ecdock) => {
      const { parseEcdockSettings } = await import('./ecdock-settings.js')
      return parseEcdockSettings(text, ecdock)
    }),
  ])
  const settings = Object.assign({}, ...files.map((each) => each.settings ?? {}).reverse())
  return { files, settings }
}

/** The file that a setting is from; undefined when none has it. */
export function sourceOf(config: Config, key: keyof Settings): string | undefined {
  return config.files.find(({ settings }) => settings?.[key] !== undefined)?.path
}

async function readConfigFile(
  path: string,
  from: ConfigFile['from'],
  parse: (text: string, path: string) => Promise<{ settings: Settings; ignored: string[] }>,
): Promise<ConfigFile> {
  try {
    const text = await readText(path, from === 'its name')
    if (text === undefined) return { path, from, ignored: [] }
    return { path, from, ...(await parse(text, path)) }
  } catch (error) {
    return { path, from, ignored: [], error: asEcdockError(error, 'configuration') }
  }
}

/** Undefined when there is no such file and there need not be one. */
async function readText(path: string, mayBeAbsent: boolean): Promise<string | undefined> {
  let handle: FileHandle
  try {
    handle = await open(path)
  } catch (error) {
    if (mayBeAbsent && isMissing(error)) return undefined
    throw unreadable(path, error)
  }
  try {
    return decode(await readAtMost(handle, LARGEST_FILE + 1), path)
  } catch (error) {
    throw error instanceof EcdockError ? error : unreadable(path, error)
  } finally {
    await handle.close()
  }
}

/** Also from a pipe, whose size nobody knows. */
async function readAtMost(handle: FileHandle, bytes: number): Promise<Uint8Array> {
  const buffer = Buffer.alloc(bytes)
  let filled = 0
  while (filled < bytes) {
    const { bytesRead } = await handle.read(buffer, filled, bytes - filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
}

function decode(bytes: Uint8Array, path: string): string {
  if (bytes.length > LARGEST_FILE) {
    throw fault(path, `is longer than ${LARGEST_FILE} bytes, and no configuration`)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw fault(path, 'is not UTF-8')
  }
}

function unreadable(path: string, error: unknown): EcdockError {
  const { code, message } = error as NodeJS.ErrnoException
  const why = isMissing(error) ? 'there is no such file' : message
  return fault(path, `cannot be read: ${why}`, { errno: code, cause: error })
}

function fault(path: string, what: string, details: { errno?: string | undefined; cause?: unknown } = {}) {
  return new EcdockError('USAGE', 'configuration', `the configuration ${quoted(path)} ${what}`, details)
}

function isMissing(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ENOENT' || code === 'ENOTDIR'
}
