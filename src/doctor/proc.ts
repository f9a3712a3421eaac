import { readFile } from 'node:fs/promises'

/** The text of a file, undefined when it cannot be read. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return undefined
  }
}

/** Capability numbers of linux/capability.h. */
export const CAPABILITIES = {
  CAP_NET_ADMIN: 12,
  CAP_NET_RAW: 13,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
} as const

export type Capability = keyof typeof CAPABILITIES

/** The bits of `CapEff` in /proc/PID/status (proc(5)); undefined when the line is not there. */
export function parseEffectiveCapabilities(status: string): bigint | undefined {
  const hex = /^CapEff:\s*([0-9a-f]{1,16})$/im.exec(status)?.[1]
  return hex === undefined ? undefined : BigInt(`0x${hex}`)
}

export function hasCapability(capabilities: bigint, capability: Capability): boolean {
  return ((capabilities >> BigInt(CAPABILITIES[capability])) & 1n) === 1n
}

/** The soft limit of `Max open files` in /proc/PID/limits; Infinity when there is none. */
export function parseOpenFileLimit(limits: string): number | undefined {
  const soft = /^Max open files\s+(\d+|unlimited)\s/m.exec(limits)?.[1]
  if (soft === undefined) return undefined
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft)
}

/** The numbers that a version such as `6.1.0-18-cloud-amd64` or `v20.17.0` begins with. */
export function parseVersion(text: string): { major: number; minor: number } | undefined {
  const match = /^v?(\d{1,6})\.(\d{1,6})/.exec(text)
  return match === null ? undefined : { major: Number(match[1]), minor: Number(match[2]) }
}

export function isAtLeast(version: { major: number; minor: number }, major: number, minor: number): boolean {
  return version.major > major || (version.major === major && version.minor >= minor)
}

/** A file of /proc/sys that holds one whole number; undefined when it holds anything else. */
export function parseSysctlNumber(text: string | undefined): number | undefined {
  const digits = text?.trim()
  return digits !== undefined && /^\d{1,10}$/.test(digits) ? Number(digits) : undefined
}
