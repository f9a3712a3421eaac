/**
 * A program that uses the library, for tests that need one in a process of its own. Its one argument is a
 * {@link Job} as JSON; it prints what came of it as JSON, one line for each round.
 */

import { argv } from 'node:process'
import { fileURLToPath } from 'node:url'
import { EcdockError } from '../../src/errors.js'
import { Host, type HostOptions } from '../../src/host.js'
import type {
  PlugOutcome,
  PlugRequest,
  Port,
  UnplugOutcome,
  VswitchOptions,
} from '../../src/vswitch/vswitch.js'
import { OVS_TIMEOUT_MS } from './patience.js'

export interface Job {
  open?: HostOptions
  /** Created first, and deleted in the end, unless it is to be kept. */
  create?: VswitchOptions
  keep?: boolean
  /** An existing one. Default: the one that was created. */
  vswitch?: string
  requests: PlugRequest[]
  /** All in one go (the default), or one after the other. */
  oneByOne?: boolean
  /** Unplug all that was plugged. Default false. */
  unplug?: boolean
}

/** A line of what the program prints. */
export interface Report {
  plugged: PlugOutcome[]
  unplugged: UnplugOutcome[]
  ports: Port[]
  /** Instead of the others: why there was nothing to be done at all. */
  error?: Record<string, string>
}

export const LIBRARY_PROGRAM = fileURLToPath(import.meta.url)

async function run(job: Job): Promise<Report> {
  const host = await Host.open({ ovsTimeoutMs: OVS_TIMEOUT_MS, ...job.open })
  try {
    const created = job.create === undefined ? undefined : await host.createVswitch(job.create)
    const vswitch = created ?? (await host.vswitch(job.vswitch ?? ''))
    const plugged: PlugOutcome[] = []
    if (job.oneByOne === true) {
      for (const request of job.requests) plugged.push(...(await vswitch.plugAll([request])))
    } else {
      plugged.push(...(await vswitch.plugAll(job.requests)))
    }
    const ports = await vswitch.ports()
    const slots = plugged.flatMap((outcome) => (outcome.ok ? [outcome.port.slot] : []))
    const unplugged = job.unplug === true ? await vswitch.unplugAll(slots) : []
    if (created !== undefined && job.keep !== true) await host.deleteVswitch(created.name)
    return { plugged, unplugged, ports }
  } finally {
    await host.close()
  }
}

if (argv[1] === LIBRARY_PROGRAM) {
  try {
    console.log(JSON.stringify(await run(JSON.parse(argv[2] ?? '') as Job)))
  } catch (error) {
    if (!(error instanceof EcdockError)) throw error
    console.log(JSON.stringify({ plugged: [], unplugged: [], ports: [], error: error.toJSON() }))
    process.exitCode = 1
  }
}
