import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Kernel } from '../kernel/kernel.js'
import type { Fabric } from './fabric.js'
import type { Log } from './log.js'
import type { NetworkBook } from './network-book.js'
import { SHORT_ID } from './network-record.js'
import { NetworkSwitch } from './network-switch.js'
import type { EndpointRecord, NetworkRecord } from './records.js'
import { portLabel } from './tap-mark.js'
import { Taps } from './taps.js'

export interface VdeFabricOptions {
  kernel: Kernel
  /** Where the control sockets of switches are put, in a directory `docker`; only root sees into it. */
  runDir: string
  /** Says which endpoints are to be connected. */
  book: NetworkBook
  log: Log
}

const CONTROL_DIR = 'docker'

/** Networks of `ecdock-switch` processes, and taps. */
export class VdeFabric implements Fabric {
  readonly #switches = new Map<string, NetworkSwitch>()
  readonly #taps: Taps
  /** Switches that are ending, by their directory: until they have, no other can have it. */
  readonly #ending = new Map<string, Promise<void>>()

  private constructor(private readonly options: VdeFabricOptions) {
    this.#taps = new Taps(options.kernel)
  }

  static async create(options: VdeFabricOptions): Promise<VdeFabric> {
    // Vswitches of kind `vde` have their sockets below it, some of which are for other users.
    await mkdir(options.runDir, { recursive: true, mode: 0o755 })
    await mkdir(join(options.runDir, CONTROL_DIR), { recursive: true, mode: 0o700 })
    return new VdeFabric(options)
  }

  async open(network: NetworkRecord): Promise<NetworkRecord> {
    await this.#ending.get(network.socketDir)
    const made = this.#switch(network)
    await made.start()
    this.#switches.set(network.id, made)
    return made.madeDirs.length === 0 ? network : { ...network, madeDirs: [...made.madeDirs] }
  }

  async resume(network: NetworkRecord): Promise<void> {
    const found = this.#switch(network)
    this.#switches.set(network.id, found)
    await found.resume()
  }

  async close({ id, socketDir }: NetworkRecord): Promise<void> {
    const found = this.#switches.get(id)
    this.#switches.delete(id)
    if (found === undefined) return
    await found.end()
    // The process has heard it; it takes longer until the kernel has closed its taps.
    const ending = found
      .close()
      .catch((err) =>
        this.options.log.error({ err, network: id }, 'what a switch has left cannot be taken away'),
      )
      .finally(() => {
        if (this.#ending.get(socketDir) === ending) this.#ending.delete(socketDir)
      })
    this.#ending.set(socketDir, ending)
  }

  async plug(network: NetworkRecord, endpoint: EndpointRecord): Promise<void> {
    const found = this.#switches.get(network.id)
    if (found === undefined) throw new Error(`network ${network.id} is not open`)
    await found.plug(endpoint)
  }

  /** A tap that is deleted has left its switch by that; what is then still there of it is taken out by hand. */
  async unplug(endpoints: readonly EndpointRecord[]): Promise<void> {
    await this.#taps.delete(endpoints)
    const networks = new Set(endpoints.map(({ network }) => network))
    await Promise.all(
      [...networks].map((id) => {
        const its = endpoints.filter(({ network }) => network === id)
        return this.#switches.get(id)?.unplug(its)
      }),
    )
  }

  async gone(endpoints: readonly EndpointRecord[]): Promise<EndpointRecord[]> {
    const found = await Promise.all(endpoints.map((endpoint) => this.#isGone(endpoint)))
    return endpoints.filter((_, index) => found[index])
  }

  /** Lets go of all of it; switches and taps go on. */
  async stop(): Promise<void> {
    await Promise.all([...this.#ending.values(), ...[...this.#switches.values()].map((each) => each.stop())])
  }

  /** A container's namespace may be out of our sight, but a switch has no port whose tap is gone. */
  async #isGone(endpoint: EndpointRecord): Promise<boolean> {
    if ((await this.#taps.find(endpoint)) !== undefined) return false
    const labels = await this.#switches.get(endpoint.network)?.labels()
    return labels !== undefined && !labels.has(portLabel(endpoint))
  }

  #switch(network: NetworkRecord): NetworkSwitch {
    const { runDir, book, log } = this.options
    return new NetworkSwitch(network, {
      taps: this.#taps,
      log,
      control: join(runDir, CONTROL_DIR, `${network.id.slice(0, SHORT_ID)}.control`),
      endpoints: () => book.endpointsOf(network.id),
    })
  }
}
