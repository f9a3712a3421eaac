import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { KernelSupport } from './kernel-support.js'
import { type Capability, hasCapability, isAtLeast, parseVersion } from './proc.js'
import type { Check } from './report.js'

const EVERYTHING = 'everything'

export function linuxCheck(platform: string, release: string): Check {
  const about = { name: 'Linux', neededFor: EVERYTHING, optional: false }
  if (platform !== 'linux') {
    return { ...about, status: 'missing', detail: `this is ${platform}`, hint: 'Run it on Linux.' }
  }
  const version = parseVersion(release)
  if (version !== undefined && isAtLeast(version, 4, 19)) {
    return { ...about, status: 'ok', detail: `kernel ${release}` }
  }
  return {
    ...about,
    status: 'warning',
    detail: `kernel ${release} is older than 4.19, the oldest known to work`,
  }
}

export function nodeCheck(text: string): Check {
  const about = { name: 'Node.js', neededFor: EVERYTHING, optional: false }
  const version = parseVersion(text)
  if (version !== undefined && isAtLeast(version, 20, 17)) return { ...about, status: 'ok', detail: text }
  return {
    ...about,
    status: 'missing',
    detail: `${text} is too old`,
    hint: 'Install Node.js 20.17 or later.',
  }
}

const CAPABILITY_USES: Record<Capability, { neededFor: string; optional: boolean }> = {
  CAP_NET_ADMIN: { neededFor: 'making links, addresses and routes', optional: false },
  CAP_SYS_ADMIN: { neededFor: 'creating and entering network namespaces', optional: false },
  CAP_NET_RAW: { neededFor: 'the pings of the demo', optional: true },
  CAP_SYS_PTRACE: { neededFor: "targets that are other users' processes", optional: true },
}

/** One check for each capability; `effective` is undefined when it could not be read. */
export function capabilityChecks(effective: bigint | undefined): Check[] {
  return (Object.keys(CAPABILITY_USES) as Capability[]).map((name) => {
    const about = { name, ...CAPABILITY_USES[name] }
    if (effective === undefined)
      return { ...about, status: 'warning', detail: '/proc/self/status does not tell' }
    if (hasCapability(effective, name)) return { ...about, status: 'ok', detail: 'this process has it' }
    return {
      ...about,
      status: 'missing',
      detail: 'this process does not have it',
      hint: `Run as root (sudo), or in a container with --cap-add ${name.slice('CAP_'.length)}.`,
    }
  })
}

export function moduleCheck(
  about: Pick<Check, 'name' | 'neededFor' | 'optional'>,
  support: KernelSupport,
): Check {
  switch (support) {
    case 'loaded':
      return { ...about, status: 'ok', detail: 'its module is loaded' }
    case 'builtin':
      return { ...about, status: 'ok', detail: 'built into the kernel' }
    case 'loadable':
      return { ...about, status: 'ok', detail: 'its module is loaded when it is first needed' }
    case 'absent':
      return { ...about, status: 'missing', detail: 'this kernel does not have it' }
    case 'unknown':
      return {
        ...about,
        status: 'warning',
        detail: 'unknown: this kernel does not tell what it was built with',
      }
  }
}

export function ovsModuleCheck(support: KernelSupport): Check {
  const about = { name: 'openvswitch module', neededFor: 'kind ovs without --usermode', optional: true }
  const check = moduleCheck(about, support)
  if (check.status === 'ok') return check
  return { ...check, hint: 'Give create-vswitch --usermode: the userspace datapath needs no module.' }
}

/** Why a device cannot be opened, undefined when it can. */
export function deviceFault(path: string): Promise<string | undefined> {
  return faultOf(path, constants.R_OK | constants.W_OK)
}

/** Why a program cannot be started, undefined when it can. */
export function programFault(path: string): Promise<string | undefined> {
  return faultOf(path, constants.X_OK)
}

async function faultOf(path: string, mode: number): Promise<string | undefined> {
  try {
    await access(path, mode)
    return undefined
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}

/** `fault` as {@link deviceFault} gives it for /dev/net/tun. */
export function tapCheck(fault: string | undefined): Check {
  const about = { name: '/dev/net/tun', neededFor: 'kind vde', optional: true }
  if (fault === undefined) return { ...about, status: 'ok', detail: 'can be opened' }
  return {
    ...about,
    status: 'missing',
    detail: `cannot be opened (${fault})`,
    hint:
      fault === 'EACCES'
        ? 'Run as root (sudo).'
        : 'modprobe tun, as root; in a container, run it with --device /dev/net/tun.',
  }
}

/** `fault` as {@link programFault} gives it for the switch. */
export function switchCheck(fault: string | undefined): Check {
  const about = { name: 'ecdock-switch', neededFor: 'kind vde', optional: true }
  if (fault === undefined) return { ...about, status: 'ok', detail: 'built' }
  return {
    ...about,
    status: 'missing',
    detail: `cannot be started (${fault})`,
    hint: 'Build it with "npm rebuild ecdock-fast" (in a checkout: "npm run setup"); it needs python3, make and g++.',
  }
}

/** Why a directory could not be used to create files in, undefined when it can, be it there yet or not. */
export async function directoryFault(path: string): Promise<string | undefined> {
  for (let here = path; ; here = dirname(here)) {
    try {
      await access(here, constants.W_OK | constants.X_OK)
      return undefined
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
      if (code !== 'ENOENT' || here === dirname(here)) return `${here} is not writable (${code})`
    }
  }
}

export async function directoryCheck(about: Pick<Check, 'name' | 'neededFor' | 'optional'>): Promise<Check> {
  const fault = await directoryFault(about.name)
  if (fault === undefined) return { ...about, status: 'ok', detail: 'writable' }
  return { ...about, status: 'missing', detail: fault, hint: 'Run as root, with /run writable.' }
}

/**
 * Namespaces with iptables rules of their own are not new, and br_netfilter's switches are for each
 * namespace since Linux 5.3: in the one that a bridge has to itself nothing filters.
 */
export function bridgeFilterCheck(callIptables: number | undefined): Check {
  const filtered = callIptables !== undefined && callIptables !== 0
  return {
    name: 'br_netfilter',
    status: 'ok',
    detail: filtered
      ? "the host's bridges pass through iptables (Docker's FORWARD policy too); a vswitch of kind bridge does not, " +
        'it lives in a namespace of its own'
      : "the host's bridges do not pass through iptables",
    neededFor: 'kind bridge',
    optional: true,
  }
}

const MANY_NEIGHBOURS = 4096

/** `limit` is the lower gc_thresh3 of IPv4 and IPv6 (Documentation/networking/ip-sysctl.rst). */
export function neighbourCheck(limit: number | undefined): Check {
  const about = { name: 'neighbour table', neededFor: 'more than about a thousand ports', optional: true }
  if (limit === undefined)
    return { ...about, status: 'ok', detail: 'its limit cannot be seen from this namespace' }
  const detail = `all namespaces together can have ${limit} neighbours`
  if (limit >= MANY_NEIGHBOURS) return { ...about, status: 'ok', detail }
  return {
    ...about,
    status: 'warning',
    detail,
    hint: 'sysctl -w net.ipv4.neigh.default.gc_thresh3=65536 net.ipv6.neigh.default.gc_thresh3=65536',
  }
}

const MANY_FILES = 8192

export function openFilesCheck(limit: number | undefined): Check {
  const about = { name: 'open files', neededFor: 'plugging thousands at a time', optional: true }
  if (limit === undefined) return { ...about, status: 'warning', detail: '/proc/self/limits does not tell' }
  const detail = `this process may open ${Number.isFinite(limit) ? limit : 'any number of'} files`
  if (limit >= MANY_FILES) return { ...about, status: 'ok', detail }
  return { ...about, status: 'warning', detail, hint: 'Raise the hard limit, such as with ulimit -Hn 65536.' }
}
