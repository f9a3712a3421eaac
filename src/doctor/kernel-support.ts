import { readFile } from 'node:fs/promises'
import { release } from 'node:os'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { readText } from './proc.js'

/** What can be known about a kernel's modules without loading one. Absent: it could not be read. */
export interface KernelEvidence {
  /** /proc/modules: what is loaded. */
  loaded?: string | undefined
  /** /lib/modules/RELEASE/modules.builtin */
  builtin?: string | undefined
  /** /lib/modules/RELEASE/modules.dep: what can be loaded. */
  loadable?: string | undefined
  /** /proc/config.gz or /boot/config-RELEASE: what the kernel was built with. */
  config?: string | undefined
}

/** `absent` is certain; `unknown` is not. */
export type KernelSupport = 'loaded' | 'builtin' | 'loadable' | 'absent' | 'unknown'

/**
 * Whether the kernel has a module, by its name and its Kconfig symbol (such as `veth` and `VETH`). The
 * formats are those of lsmod(8), modules.dep(5) and the kernel's .config.
 */
export function kernelSupport(evidence: KernelEvidence, module: string, symbol: string): KernelSupport {
  const { loaded, builtin, loadable, config } = evidence
  if (loaded !== undefined && new RegExp(`^${module} `, 'm').test(loaded)) return 'loaded'
  const file = new RegExp(`(^|/)${module}\\.ko(\\.(gz|xz|zst))?(:|$)`, 'm')
  if (builtin !== undefined && file.test(builtin)) return 'builtin'
  const configured = config === undefined ? undefined : configValue(config, symbol)
  if (configured === 'y') return 'builtin'
  if (loadable !== undefined && file.test(loadable)) return 'loadable'
  // The modules of a container's host are not in the container, and are loaded all the same.
  if (configured === 'm') return 'loadable'
  if (config !== undefined || (builtin !== undefined && loadable !== undefined)) return 'absent'
  return 'unknown'
}

function configValue(config: string, symbol: string): string | undefined {
  return new RegExp(`^CONFIG_${symbol}=([ym])$`, 'm').exec(config)?.[1]
}

export async function readKernelEvidence(): Promise<KernelEvidence> {
  const directory = `/lib/modules/${release()}`
  const [loaded, builtin, loadable, config] = await Promise.all([
    readText('/proc/modules'),
    readText(`${directory}/modules.builtin`),
    readText(`${directory}/modules.dep`),
    readConfig(),
  ])
  return { loaded, builtin, loadable, config }
}

async function readConfig(): Promise<string | undefined> {
  try {
    const packed = await readFile('/proc/config.gz')
    return (await promisify(gunzip)(packed, { maxOutputLength: 16 * 1024 * 1024 })).toString('utf8')
  } catch {
    return readText(`/boot/config-${release()}`)
  }
}
