import { release } from 'node:os'
import type { ConfigFile } from '../config/load.js'
import { asEcdockError } from '../errors.js'
import type { Kernel } from '../kernel/kernel.js'
import { loadKernel } from '../kernel/native.js'
import type { TlsOptions } from '../ovsdb/dial.js'
import { SWITCH_PROGRAM } from '../vde/switch-process.js'
import { configChecks } from './config-check.js'
import { dockerCheck } from './docker-check.js'
import { driversCheck } from './drivers-check.js'
import { kernelSupport, readKernelEvidence } from './kernel-support.js'
import { ovsdbChecks } from './ovsdb-checks.js'
import { parseEffectiveCapabilities, parseOpenFileLimit, parseSysctlNumber, readText } from './proc.js'
import { type Check, type DoctorReport, doctorReport } from './report.js'
import {
  bridgeFilterCheck,
  capabilityChecks,
  deviceFault,
  directoryCheck,
  linuxCheck,
  moduleCheck,
  neighbourCheck,
  nodeCheck,
  openFilesCheck,
  ovsModuleCheck,
  programFault,
  switchCheck,
  tapCheck,
} from './system-checks.js'

export type { Check, DoctorReport } from './report.js'

export interface DoctorOptions {
  /** As in HostOptions, such as `unix:/run/openvswitch/db.sock`. */
  ovsdb: string
  /** As in HostOptions. */
  tls?: TlsOptions
  /** As in HostOptions, such as `unix:///var/run/docker.sock`. */
  docker: string
  runDir: string
  /** Where the defaults were looked for. */
  configFiles?: readonly ConfigFile[]
  /** Default: the native addon is loaded. */
  kernel?: Kernel
  /** Why there is no `kernel`, when loading it has failed already. */
  kernelError?: unknown
}

/** Where the service's network driver is unless it was told otherwise. */
const DRIVER_SOCKET = '/run/docker/plugins/vde.sock'

/** How long a server on this machine may take to answer, in ms. */
const ANSWER_MS = 1000

/** Looks at everything that this package needs, and changes nothing. Does not throw. */
export async function doctor(options: DoctorOptions): Promise<DoctorReport> {
  const groups = await Promise.all([
    [linuxCheck(process.platform, release()), nodeCheck(process.version)],
    configChecks(options.configFiles ?? []),
    addonCheck(options),
    processChecks(),
    directoryChecks(options.runDir),
    moduleChecks(),
    ovsdbChecks(options.ovsdb, ANSWER_MS, options.tls),
    dockerCheck(options.docker, ANSWER_MS),
    driversCheck(DRIVER_SOCKET, ANSWER_MS),
    networkChecks(),
  ])
  return doctorReport(groups.flat())
}

async function addonCheck({ kernel, kernelError }: DoctorOptions): Promise<Check> {
  const about = { name: 'native addon', neededFor: 'everything', optional: false }
  try {
    if (kernelError !== undefined) throw kernelError
    await (kernel ?? loadKernel()).namespaceId('/proc/self/ns/net')
    return { ...about, status: 'ok', detail: 'loaded, and answers' }
  } catch (error) {
    const { message, hint } = asEcdockError(error, 'load addon')
    return { ...about, status: 'missing', detail: message, ...(hint === undefined ? {} : { hint }) }
  }
}

async function processChecks(): Promise<Check[]> {
  const [status, limits] = await Promise.all([readText('/proc/self/status'), readText('/proc/self/limits')])
  return [
    ...capabilityChecks(parseEffectiveCapabilities(status ?? '')),
    openFilesCheck(parseOpenFileLimit(limits ?? '')),
  ]
}

function directoryChecks(runDir: string): Promise<Check[]> {
  return Promise.all([
    directoryCheck({ name: '/run/netns', neededFor: 'kind bridge and named namespaces', optional: false }),
    directoryCheck({ name: runDir, neededFor: 'kind vde', optional: true }),
  ])
}

async function moduleChecks(): Promise<Check[]> {
  const evidence = await readKernelEvidence()
  return [
    moduleCheck(
      { name: 'veth', neededFor: 'plugging', optional: false },
      kernelSupport(evidence, 'veth', 'VETH'),
    ),
    moduleCheck(
      { name: 'bridge', neededFor: 'kind bridge', optional: false },
      kernelSupport(evidence, 'bridge', 'BRIDGE'),
    ),
    tapCheck(await deviceFault('/dev/net/tun')),
    switchCheck(await programFault(SWITCH_PROGRAM)),
    ovsModuleCheck(kernelSupport(evidence, 'openvswitch', 'OPENVSWITCH')),
  ]
}

async function networkChecks(): Promise<Check[]> {
  const [callIptables, ipv4, ipv6] = await Promise.all([
    readText('/proc/sys/net/bridge/bridge-nf-call-iptables'),
    readText('/proc/sys/net/ipv4/neigh/default/gc_thresh3'),
    readText('/proc/sys/net/ipv6/neigh/default/gc_thresh3'),
  ])
  const limits = [ipv4, ipv6].map(parseSysctlNumber).filter((limit) => limit !== undefined)
  return [
    bridgeFilterCheck(parseSysctlNumber(callIptables)),
    neighbourCheck(limits.length === 0 ? undefined : Math.min(...limits)),
  ]
}
