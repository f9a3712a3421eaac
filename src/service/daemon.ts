import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Collector } from '../driver/collector.js'
import type { Fabric } from '../driver/fabric.js'
import { IpamDriver } from '../driver/ipam-driver.js'
import type { Log } from '../driver/log.js'
import { NetworkBook } from '../driver/network-book.js'
import { NetworkDriver } from '../driver/network-driver.js'
import { FileStore } from '../driver/record-store.js'
import { endpointRecordSchema, networkRecordSchema, poolRecordSchema } from '../driver/records.js'
import { ipamMethods, type Methods, networkMethods } from './methods.js'
import { PluginServer } from './plugin-server.js'

/** Where Docker looks for plugins (moby: pkg/plugins/discovery_unix.go). */
export const DEFAULT_PLUGIN_DIR = '/run/docker/plugins'
/** docker-vde-plugin's. */
export const DEFAULT_SOCKET_ROOT = '/run/docker-vde-plugin'
export const DEFAULT_STATE_DIR = '/var/lib/ecdock-fast'

export interface DaemonOptions {
  pluginDir: string
  /** Where the switches of networks are that have no directory of their own. */
  socketRoot: string
  /** Where networks, endpoints and pools are kept. */
  stateDir: string
  log: Log
  /** What carries the frames; it is given the book, which says what is to be carried. */
  fabric(book: NetworkBook): Promise<Fabric>
  /** For each request, in ms. */
  timeLimitMs?: number
}

/** How often the daemon looks for what Docker has forgotten, in ms. */
const SWEEP_MS = 30_000

/**
 * Docker's network driver `vde` and its IPAM driver `vde-ipam`, each at a socket. Docker need not run, and is never asked
 * for anything: it calls, and while it starts it waits for the answers. What the daemon has made goes on without it.
 */
export class Daemon {
  readonly #servers: PluginServer[] = []
  #sweeping: NodeJS.Timeout | undefined
  #swept: Promise<void> = Promise.resolve()

  private constructor(
    private readonly options: DaemonOptions,
    private readonly book: NetworkBook,
    private readonly fabric: Fabric,
    private readonly collector: Collector,
    private readonly network: NetworkDriver,
  ) {}

  /**
   * Listens, and then reads what there is and gets the networks going again; requests wait for that. Throws
   * DAEMON_RUNNING, USAGE, PERMISSION, STATE_INVALID.
   */
  static async start(options: DaemonOptions): Promise<Daemon> {
    const { stateDir, socketRoot, log } = options
    const book = new NetworkBook(
      new FileStore(join(stateDir, 'networks'), networkRecordSchema),
      // No endpoint outlives the machine's run, so that none has to be on the disk when the power goes.
      new FileStore(join(stateDir, 'endpoints'), endpointRecordSchema, { durable: false }),
    )
    const ipam = new IpamDriver(new FileStore(join(stateDir, 'pools'), poolRecordSchema))
    const fabric = await options.fabric(book)
    const collector = new Collector(book, fabric, log)
    const network = new NetworkDriver(book, fabric, collector, { socketRoot })
    const daemon = new Daemon(options, book, fabric, collector, network)
    let begin = () => {}
    const listening = new Promise<void>((resolve) => {
      begin = resolve
    })
    const restored = listening.then(() => daemon.#restore(ipam))
    restored.catch(() => {})
    try {
      const addresses = ipamMethods(ipam)
      // A managed plugin has one socket for all that it is.
      const both = { ...networkMethods(network), ...addresses }
      await daemon.#listen('vde', ['NetworkDriver', 'IpamDriver'], both, restored)
      await daemon.#listen('vde-ipam', ['IpamDriver'], addresses, restored)
      begin()
      await restored
    } catch (error) {
      await daemon.close()
      throw error
    }
    daemon.#sweeping = setInterval(() => daemon.#sweep(), SWEEP_MS).unref()
    log.info({ pluginDir: options.pluginDir, networks: book.networks().length }, 'ready')
    return daemon
  }

  /** Answers what is in hand and listens no more. Switches and taps stay as they are, and containers connected. */
  async close(): Promise<void> {
    clearInterval(this.#sweeping)
    await Promise.all(this.#servers.map((server) => server.close()))
    await this.#swept
    await this.network.settled()
    await this.fabric.stop()
  }

  async #listen(
    name: string,
    kinds: readonly string[],
    methods: Methods,
    ready: Promise<void>,
  ): Promise<void> {
    const { pluginDir, log, timeLimitMs } = this.options
    const path = join(pluginDir, `${name}.sock`)
    const limit = timeLimitMs === undefined ? {} : { timeLimitMs }
    this.#servers.push(await PluginServer.listen({ path, implements: kinds, methods, ready, log, ...limit }))
  }

  async #restore(ipam: IpamDriver): Promise<void> {
    const { stateDir, socketRoot, log } = this.options
    await mkdir(stateDir, { recursive: true, mode: 0o700 })
    const made = await mkdir(socketRoot, { recursive: true })
    // Others' programs connect to what is below, where each switch has permissions of its own.
    if (made !== undefined) await chmod(socketRoot, 0o755)
    const damaged = [...(await this.book.restore()), ...(await ipam.restore())]
    for (const { path, reason } of damaged)
      log.error({ path, reason }, 'a record cannot be used, and is left alone')
    await Promise.all(this.book.networks().map((network) => this.fabric.resume(network)))
    this.collector.collect()
  }

  #sweep(): void {
    this.#swept = this.collector
      .sweep()
      .catch((error) => this.options.log.error({ err: error }, 'endpoints cannot be looked at'))
  }
}
