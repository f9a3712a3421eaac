import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { DEFAULT_IPV6_PREFIX, parseIpv6Prefix } from './addressing/ipv6-prefix.js'
import { lowestFreeSlots } from './addressing/slot.js'
import { parseSubnet, type Subnet } from './addressing/subnet.js'
import type { CleanupOptions, CleanupReport } from './cleanup/cleanup.js'
import type { Sight } from './cleanup/finding.js'
import { SlotContainers } from './containers/slot-containers.js'
import { DockerEngine } from './docker/engine.js'
import { EcdockError, type ErrorCode } from './errors.js'
import type { Kernel } from './kernel/kernel.js'
import { loadKernel } from './kernel/native.js'
import type { OvsdbOptions } from './ovsdb/client.js'
import type { TlsOptions } from './ovsdb/dial.js'
import { DEFAULT_OVSDB, parseEndpoints } from './ovsdb/endpoint.js'
import { unreachable } from './ovsdb/unreachable.js'
import { quoted } from './quoted.js'
import type { Backend, Surroundings } from './vswitch/backend.js'
import { bridgeBackend, createBridge, deleteBridge, findBridge, listBridges } from './vswitch/bridge.js'
import { checkIfname, checkVswitchName } from './vswitch/names.js'
import { checkVswitchOptions } from './vswitch/options.js'
import type { OvsVswitches } from './vswitch/ovs/vswitches.js'
import { SlotSwitch } from './vswitch/slot-switch.js'
import { vdeBackend } from './vswitch/vde/backend.js'
import { readRecord } from './vswitch/vde/home.js'
import { createVde, deleteVde, listVdes, type VdeSockets, vdeSockets } from './vswitch/vde/vswitches.js'
import type { Vswitch, VswitchOptions } from './vswitch/vswitch.js'

export interface HostOptions {
  /**
   * Where OVSDB listens: `unix:/run/openvswitch/db.sock` (the default), `tcp:127.0.0.1:6640` or `ssl:ovs.example:6640`; or
   * the servers of a cluster, with commas between them.
   */
  ovsdb?: string
  /** For `ssl:` endpoints of OVSDB. */
  tls?: TlsOptions
  /** Of a cluster, speak to the leader only: what is read is then the newest there is. Default false. */
  leaderOnly?: boolean
  /** How long Open vSwitch may take over a change, in ms. Default 30 s. */
  ovsTimeoutMs?: number
  /** Docker's socket: `unix:///var/run/docker.sock` (the default, or DOCKER_HOST). */
  docker?: string
  /** Where run-time files go, default `/run/ecdock-fast`: those of kind `vde`. The others need none. */
  runDir?: string
}

const DEFAULT_RUN_DIR = '/run/ecdock-fast'
/** How long OVSDB may take to answer at most when it is only looked at, in ms. */
const LONGEST_LOOK_MS = 5000
const NO_ANSWER: ReadonlySet<ErrorCode> = new Set(['OVSDB_UNREACHABLE', 'OVSDB_LOST', 'TIMEOUT'])
/** The longest that setTimeout can wait. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1

/**
 * One machine: its vswitches and what is plugged into them. All state is read from the kernel and from
 * OVSDB, so several processes can work side by side.
 *
 * ```ts
 * const host = await Host.open()
 * const sw = await host.createVswitch({ name: 'br0', subnet: '10.0.0.254/24' })
 * const port = await sw.plug({ pid: 4711 }, { slot: 1 })
 * await host.close()
 * ```
 */
export class Host {
  readonly kernel: Kernel
  /** Containers that are started in a slot. */
  readonly containers: SlotContainers
  readonly #ovsdbEndpoint: string
  readonly #ovsTimeoutMs: number | undefined
  readonly #lookMs: number
  readonly #docker: DockerEngine
  readonly #runDir: string
  readonly #around: Surroundings
  readonly #ovsdbOptions: Pick<OvsdbOptions, 'tls' | 'leaderOnly'>
  #ovs: Promise<OvsVswitches> | undefined

  private constructor(kernel: Kernel, options: HostOptions) {
    this.kernel = kernel
    this.#ovsdbEndpoint = options.ovsdb ?? DEFAULT_OVSDB
    this.#runDir = resolve(options.runDir ?? DEFAULT_RUN_DIR)
    this.#ovsdbOptions = { tls: options.tls, leaderOnly: options.leaderOnly }
    this.#ovsTimeoutMs = options.ovsTimeoutMs
    this.#lookMs = Math.min(LONGEST_LOOK_MS, options.ovsTimeoutMs ?? LONGEST_LOOK_MS)
    this.#docker = new DockerEngine(options.docker)
    this.#around = { kernel, docker: () => this.#docker, hasIpv6: existsSync('/proc/sys/net/ipv6') }
    this.containers = new SlotContainers(this.#docker, (name) => this.vswitch(name))
  }

  /**
   * Loads the addon; Docker and Open vSwitch are connected to when they are first needed. Throws
   * ADDON_MISSING and USAGE.
   */
  static async open(options: HostOptions = {}): Promise<Host> {
    const { ovsTimeoutMs = 1 } = options
    if (!(ovsTimeoutMs > 0 && ovsTimeoutMs <= LONGEST_TIMEOUT_MS)) {
      throw new EcdockError('USAGE', 'open', `ovsTimeoutMs is no time in ms: ${quoted(ovsTimeoutMs)}`)
    }
    return new Host(loadKernel(), options)
  }

  /**
   * Creates a vswitch. Throws USAGE, UNSUPPORTED, NAME_INVALID, SUBNET_INVALID, VSWITCH_EXISTS, ADDRESS_TAKEN,
   * PERMISSION, and for kind `ovs` OVSDB_UNREACHABLE, OVSDB_REFUSED and DEVICE_NOT_FOUND. Nothing is left
   * behind then.
   */
  async createVswitch(options: VswitchOptions): Promise<Vswitch> {
    checkVswitchOptions(options)
    const subnet = parseSubnet(options.subnet)
    checkVswitchName(options.name, subnet)
    if (options.device !== undefined) checkIfname(options.device)
    const ipv6Prefix = parseIpv6Prefix(options.ipv6Prefix ?? DEFAULT_IPV6_PREFIX)
    const record = { name: options.name, subnet: subnet.text, ipv6Prefix }
    const { hasIpv6 } = this.#around
    const { kind = 'bridge', usermode = false, neighSuppress = false, device } = options
    if (kind !== 'bridge' && (await findBridge(this.kernel, record.name)) !== undefined) {
      throw exists(record.name)
    }
    if (kind === 'vde') {
      const asked = { ...record, socketDir: options.socketDir }
      const made = await createVde(this.kernel, asked, subnet, { runDir: this.#runDir, hasIpv6 })
      return this.#switch(vdeBackend(made, this.#runDir))
    }
    if (kind === 'bridge') {
      await createBridge(this.kernel, record, subnet, hasIpv6)
      return this.#switch(bridgeBackend(record))
    }
    const ovs = await this.#connectOvs()
    const settings = { usermode, neighSuppress, device, hasIpv6 }
    const vswitch = this.#switch(await ovs.create(this.kernel, record, subnet, settings))
    return await this.#withSlots(vswitch, subnet, options.slots ?? 0)
  }

  /** An existing vswitch. Throws VSWITCH_NOT_FOUND. */
  async vswitch(name: string): Promise<Vswitch> {
    const backend = await this.#find(name)
    return this.#switch(backend)
  }

  /** All vswitches, by kind and name. Those of Open vSwitch are left out when OVSDB cannot be reached. */
  async vswitches(): Promise<Vswitch[]> {
    const { vswitches, database } = await this.#look()
    // Not to have Open vSwitch is usual; to have one that hangs is not.
    if (database instanceof EcdockError && database.code !== 'OVSDB_UNREACHABLE') {
      process.emitWarning(`Vswitches of Open vSwitch were left out: ${database.message}`, 'EcdockWarning')
    }
    return [...vswitches]
  }

  /** Of a vswitch of kind `vde`: where other programs plug in, and its console. Throws VSWITCH_NOT_FOUND. */
  vdeSockets(name: string): Promise<VdeSockets> {
    return vdeSockets(this.#runDir, name)
  }

  /** Deletes a vswitch and every port on it; the targets keep running. Throws VSWITCH_NOT_FOUND. */
  async deleteVswitch(name: string): Promise<void> {
    const backend = await this.#find(name)
    if (backend.kind === 'bridge') await deleteBridge(this.kernel, name)
    else if (backend.kind === 'vde') await deleteVde(this.kernel, this.#runDir, name)
    else await (await this.#connectOvs()).delete(backend, this.#around)
  }

  /** Removes what crashes and ended containers left behind, only what is ours. */
  async cleanup(options: CleanupOptions = {}): Promise<CleanupReport> {
    const world = {
      kernel: this.kernel,
      containers: this.containers,
      runDir: this.#runDir,
      look: () => this.#look(),
    }
    const { cleanup } = await import('./cleanup/cleanup.js')
    return cleanup(world, options)
  }

  /** Closes the connections. What is plugged in stays plugged in. */
  async close(): Promise<void> {
    const ovs = this.#ovs
    this.#ovs = undefined
    await Promise.allSettled([ovs?.then((one) => one.close()), this.#docker.close()])
  }

  async #look(): Promise<Sight> {
    const ours = [
      ...(await listBridges(this.kernel)).map((record) => this.#switch(bridgeBackend(record))),
      ...(await listVdes(this.#runDir)).map((record) => this.#switch(vdeBackend(record, this.#runDir))),
    ]
    const ovs = await this.#ovsIfThere()
    if (ovs instanceof EcdockError) return { vswitches: ours, database: ovs }
    const others = ovs.all().map((backend) => this.#switch(backend))
    return { vswitches: [...ours, ...others], database: ovs.view() }
  }

  #switch(backend: Backend): Vswitch {
    return new SlotSwitch(backend, this.#around)
  }

  async #find(name: string): Promise<Backend> {
    const bridge = await findBridge(this.kernel, name)
    if (bridge !== undefined) return bridgeBackend(bridge)
    const vde = await readRecord(this.#runDir, name)
    if (vde !== undefined) return vdeBackend(vde, this.#runDir)
    const ovs = await this.#ovsIfThere()
    if (ovs instanceof EcdockError) {
      throw new EcdockError('VSWITCH_NOT_FOUND', 'find vswitch', `there is no vswitch ${name}`, {
        hint: `Open vSwitch was not asked: nothing answers at ${this.#ovsdbEndpoint}. "ecdock-fast ls" shows the vswitches.`,
        cause: ovs,
      })
    }
    const found = ovs.find(name)
    if (found !== undefined) return found
    const foreign = ovs.hasBridge(name)
    throw new EcdockError(
      'VSWITCH_NOT_FOUND',
      'find vswitch',
      foreign
        ? `Open vSwitch has a bridge ${name}, but it was not created by ecdock-fast`
        : `there is no vswitch ${name}`,
      { hint: '"ecdock-fast ls" shows the vswitches; "ecdock-fast create-vswitch" makes one.' },
    )
  }

  /** Slots that are ready before anything is plugged in; the vswitch goes again when they cannot be made so. */
  async #withSlots(vswitch: Vswitch, subnet: Subnet, count: number): Promise<Vswitch> {
    if (count === 0) return vswitch
    try {
      await vswitch.reserve(lowestFreeSlots(subnet, new Set(), count))
      return vswitch
    } catch (error) {
      await this.deleteVswitch(vswitch.name).catch(() => {})
      throw error
    }
  }

  async #connectOvs(): Promise<OvsVswitches> {
    this.#ovs ??= this.#openOvs()
    try {
      return await this.#ovs
    } catch (error) {
      this.#ovs = undefined
      throw error
    }
  }

  async #openOvs(): Promise<OvsVswitches> {
    refuseAbsent(this.#ovsdbEndpoint)
    const { OvsVswitches } = await import('./vswitch/ovs/vswitches.js')
    return OvsVswitches.connect(
      this.#ovsdbEndpoint,
      {
        ...this.#ovsdbOptions,
        connectTimeoutMs: this.#lookMs,
        requestTimeoutMs: this.#ovsTimeoutMs,
      },
      this.#around.hasIpv6,
    )
  }

  /**
   * Open vSwitch with its replica up to date, or why there is none: many hosts have no Open vSwitch, or one that
   * hangs, and need none for the other kinds.
   */
  async #ovsIfThere(): Promise<OvsVswitches | EcdockError> {
    try {
      const ovs = await this.#connectOvs()
      await ovs.refresh(this.#lookMs)
      return ovs
    } catch (error) {
      if (error instanceof EcdockError && NO_ANSWER.has(error.code)) return error
      throw error
    }
  }
}

/** Where there is no socket, nothing of Open vSwitch need be loaded to find nobody there. Throws OVSDB_UNREACHABLE, USAGE. */
function refuseAbsent(ovsdb: string): void {
  const [only, ...others] = parseEndpoints(ovsdb)
  if (only === undefined || others.length > 0 || !('path' in only) || !isAbsent(only.path)) return
  throw unreachable(only, `connect ENOENT ${only.path}`, 'ENOENT')
}

/** False also when nobody lets us look. */
function isAbsent(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) === undefined
  } catch {
    return false
  }
}

function exists(name: string): EcdockError {
  return new EcdockError('VSWITCH_EXISTS', 'create-vswitch', `there is a vswitch ${name} already`, {
    hint: 'Choose another name; "ecdock-fast ls" shows the vswitches.',
  })
}
