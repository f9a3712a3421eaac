import { lstat, mkdir, rm, rmdir } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { EcdockError } from '../errors.js'
import { Control } from '../vde/control.js'
import { existingSocketDir } from '../vde/socket-dir.js'
import { findSwitch, startSwitch, stopSwitch, switchGone } from '../vde/switch-process.js'
import type { Log } from './log.js'
import { SHORT_ID } from './network-record.js'
import type { EndpointRecord, NetworkRecord } from './records.js'
import { Retry } from './retry.js'
import { portLabel } from './tap-mark.js'
import { portsExhausted, type TapPort, type Taps } from './taps.js'
import { Turns } from './turns.js'

export interface NetworkSwitchParts {
  taps: Taps
  log: Log
  /** Path of the control socket of its process. */
  control: string
  /** The endpoints that are to be connected. */
  endpoints(): EndpointRecord[]
}

/** A switch whose sockets a group may use is for reading and writing by it, as vde_switch has it with `--group`. */
const GROUP_MODE = 0o660

/** How often somebody else may be faster to take a port. */
const MOST_ATTEMPTS = 5

/**
 * The process that carries one network's frames: a switch of ours, or one in cable mode, which connects each tap to
 * somebody else's switch. It is watched: when it ends, it is started again, and the taps are connected again where they
 * are now. It outlives this object.
 */
export class NetworkSwitch {
  /** One after the other: to connect a tap, and to look for taps that are not connected. */
  readonly #turns = new Turns()
  readonly #mending: Retry
  #control: Control | undefined
  /** Of the process, once it has been told to end. */
  #pid: number | undefined
  /** There has been a process of ours, so that what is at its paths is ours. */
  #begun = false
  #madeDirs: readonly string[]
  #stopped = false

  constructor(
    private readonly network: NetworkRecord,
    private readonly parts: NetworkSwitchParts,
  ) {
    this.#madeDirs = network.madeDirs ?? []
    this.#mending = new Retry(
      () => this.#turns.take('', () => this.#mend()),
      (error) =>
        parts.log.warn({ network: network.id, err: error }, 'a network cannot be mended, trying again'),
    )
  }

  /** Starts the process. Throws VDE_UNREACHABLE, VDE_START_FAILED, USAGE, TIMEOUT. */
  async start(): Promise<void> {
    try {
      await this.#turns.take('', async () => {
        await this.#startProcess()
        await this.#watch()
      })
    } catch (error) {
      if (this.#begun) await this.close()
      // What has its sockets where ours were to be is not ours to end.
      else await this.stop()
      await removeEmpty(this.#madeDirs)
      throw error
    }
  }

  /** Directories that were made for its sockets to be in, the deepest first. */
  get madeDirs(): readonly string[] {
    return this.#madeDirs
  }

  /** Takes up what there is, starts what is not, and goes on trying when that does not work. Does not throw. */
  resume(): Promise<void> {
    return this.#mending.now()
  }

  /** Makes an endpoint's tap and connects it. */
  plug(endpoint: EndpointRecord): Promise<void> {
    const { network, parts } = this
    return this.#turns.take('', async () => {
      if (this.#control === undefined) await this.#mend()
      await this.#withPort((port) => parts.taps.make(network, endpoint, port))
    })
  }

  /** Disconnects endpoints whose taps may be gone already. */
  async unplug(endpoints: readonly EndpointRecord[]): Promise<void> {
    await this.#turns.take('', async () => {
      const control = this.#control
      if (control === undefined) return
      const labels = new Set(endpoints.map(portLabel))
      const ports = (await control.list()).filter(({ label }) => labels.has(label))
      await Promise.all(ports.map(({ port }) => control.unplug(port).catch(ignoreVacant)))
    })
  }

  /** Which of these labels are connected; undefined when nobody can tell. */
  async labels(): Promise<Set<string> | undefined> {
    try {
      const ports = await this.#control?.list()
      return ports === undefined ? undefined : new Set(ports.map(({ label }) => label))
    } catch {
      return undefined
    }
  }

  /** Lets go of the process, which goes on. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#mending.stop()
    this.#control?.close()
    await this.#turns.settled()
  }

  /** Tells the process to end; somebody else's switch is let alone. Does not wait until it has. */
  async end(): Promise<void> {
    this.#stopped = true
    this.#mending.stop()
    await this.#turns.settled()
    const control = this.#control
    if (control === undefined) return
    // Nobody has to be told to end who has ended.
    const [status] = await Promise.allSettled([control.status(), control.shutdown()])
    if (status.status === 'fulfilled') this.#pid = status.value.pid
  }

  /** Ends the process, waits until it has, and takes away what it leaves when it is killed. */
  async close(): Promise<void> {
    await this.stop()
    const { control } = this.parts
    await stopSwitch(control)
    if (this.#pid !== undefined) await switchGone(this.#pid)
    await rm(control, { force: true })
    if (!this.network.owned || !this.#begun) return
    const { id, socketDir, managementSocket } = this.network
    if (managementSocket !== undefined && (await isSocket(managementSocket))) await rm(managementSocket)
    // Somebody else may have made a directory that was named to us.
    if (basename(socketDir) === id.slice(0, SHORT_ID)) await rmdir(socketDir).catch(() => {})
    await removeEmpty(this.#madeDirs)
  }

  async #startProcess(): Promise<void> {
    const { network, parts } = this
    const label = `docker network=${network.id}`
    if (!network.owned) {
      await existingSocketDir(network.socketDir).catch((error) => {
        throw withCreation(error)
      })
      await startSwitch({ control: parts.control, label })
      this.#begun = true
      return
    }
    const { socketDir: dir, managementSocket: mgmt, socketGroup: group, ports } = network
    for (const path of mgmt === undefined ? [dir] : [dir, mgmt]) {
      this.#madeDirs = [...(await makeDirs(dirname(path))), ...this.#madeDirs]
    }
    const mode = group === undefined ? undefined : GROUP_MODE
    const { pid } = await startSwitch({ dir, control: parts.control, mgmt, group, mode, ports, label })
    this.#begun = true
    parts.log.info({ network: network.id, pid, socketDir: dir }, 'switch started')
  }

  /** Its end is heard of at once, because its end of the connection closes. */
  async #watch(): Promise<void> {
    const control = await Control.connect(this.parts.control)
    this.#control = control
    this.#begun = true
    control.closed.then(() => {
      this.#control = undefined
      if (this.#stopped) return
      this.parts.log.warn({ network: this.network.id }, 'a switch has ended')
      this.#mending.soon()
    })
    await control.watch(({ event }) => {
      // What Docker has had a part in is over soon, and what is not ours is soon enough mended.
      if (event === 'port-removed') this.#mending.later()
    })
  }

  /** Does what needs a free port. A VDE client that comes at the same time may get it before. */
  async #withPort(work: (port: TapPort) => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const port = { control: this.parts.control, port: await this.#freePort() }
      try {
        return await work(port)
      } catch (error) {
        if ((error as EcdockError).errno !== 'EBUSY' || attempt === MOST_ATTEMPTS) throw error
      }
    }
  }

  /** The lowest one. */
  async #freePort(): Promise<number> {
    const control = this.#control
    if (control === undefined) throw new EcdockError('VDE_LOST', 'plug', 'the switch is being started again')
    const [{ maxPorts }, ports] = await Promise.all([control.status(), control.list()])
    const taken = new Set(ports.map(({ port }) => port))
    for (let port = 1; port <= maxPorts; port++) if (!taken.has(port)) return port
    throw portsExhausted(maxPorts, this.network)
  }

  /** Brings about that the process runs and every tap is connected. Throws when something is still missing. */
  async #mend(): Promise<void> {
    if (this.#stopped) return
    const { parts, network } = this
    if (this.#control === undefined) {
      if ((await findSwitch(parts.control)) === undefined) await this.#startProcess()
      await this.#watch()
    }
    const connected = await this.labels()
    if (connected === undefined)
      throw new EcdockError('VDE_LOST', 'mend network', 'the switch has ended again')
    const missing = parts
      .endpoints()
      .filter((each) => each.state !== 'deleted' && !connected.has(portLabel(each)))
    const failures: unknown[] = []
    for (const endpoint of missing) {
      try {
        const place = await parts.taps.find(endpoint)
        if (place === undefined) continue
        await this.#withPort((port) => parts.taps.connect(network, endpoint, place, port))
        parts.log.info({ network: network.id, endpoint: endpoint.id }, 'endpoint connected again')
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}

/** Where there is no switch, one can be started. */
function withCreation(error: unknown): unknown {
  if (!(error instanceof EcdockError) || error.code !== 'VDE_UNREACHABLE') return error
  const { code, op, message, errno, hint = '' } = error
  const more = `${hint} Or let the network start one there: -o create_sockets=true.`.trimStart()
  return new EcdockError(code, op, message, { errno, hint: more, cause: error })
}

/** Makes a directory, and those above it. Those that were not there, the deepest first. */
async function makeDirs(path: string): Promise<string[]> {
  const first = await mkdir(path, { recursive: true })
  const made: string[] = []
  for (let each = path; first !== undefined && each.length >= first.length; each = dirname(each))
    made.push(each)
  return made
}

/** Somebody may have put something else there meanwhile; then it stays. */
async function removeEmpty(dirs: readonly string[]): Promise<void> {
  for (const dir of dirs) await rmdir(dir).catch(() => {})
}

async function isSocket(path: string): Promise<boolean> {
  return lstat(path).then(
    (found) => found.isSocket(),
    () => false,
  )
}

/** Whatever was at the port has gone by itself. */
function ignoreVacant(error: EcdockError): void {
  if (error.errno !== 'ENXIO') throw error
}
