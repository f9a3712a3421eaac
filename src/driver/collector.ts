import type { Fabric } from './fabric.js'
import type { Log } from './log.js'
import type { NetworkBook } from './network-book.js'
import type { EndpointRecord } from './records.js'

/**
 * How long an endpoint may be in no container, in ms, until it counts as forgotten. Docker makes endpoints when it
 * starts a container, and deletes them when that has ended; it never keeps one in between.
 */
const IDLE_MS = 10 * 60_000

/** How long a tap that was to be in a container may be nowhere, in ms. */
const GONE_MS = 30_000

/**
 * How long deleted endpoints wait for others, in ms. While the kernel deletes a tap, for 16 ms, it lets nobody make one: a
 * container that is started after another has ended should not have to wait for that each time.
 */
const GATHER_MS = 100

/** Takes away endpoints that Docker has deleted, and those that it has forgotten after a crash. */
export class Collector {
  #collecting: Promise<void> | undefined
  #gathering: NodeJS.Timeout | undefined

  constructor(
    private readonly book: NetworkBook,
    private readonly fabric: Fabric,
    private readonly log: Log,
    private readonly now: () => number = Date.now,
  ) {}

  /** Whether something is still to be taken away. */
  get busy(): boolean {
    return this.#collecting !== undefined || this.#gathering !== undefined
  }

  /** Does what {@link collect} does in a moment, together with what comes until then. */
  collectSoon(): void {
    this.#gathering ??= setTimeout(() => this.collect(), GATHER_MS)
  }

  /**
   * Takes away all endpoints that are marked as deleted, also those that come to be so meanwhile, all that there are
   * at a time: the kernel deletes many links in the time of one. Does not throw; what cannot be taken away stays
   * marked.
   */
  collect(): Promise<void> {
    clearTimeout(this.#gathering)
    this.#gathering = undefined
    this.#collecting ??= this.#collectAll().finally(() => {
      this.#collecting = undefined
    })
    return this.#collecting
  }

  /** Marks what Docker has forgotten, and takes it away. */
  async sweep(): Promise<void> {
    for (const endpoint of await this.#forgotten()) {
      this.log.warn({ endpoint: endpoint.id, state: endpoint.state }, 'endpoint forgotten by Docker')
      await this.#mark(endpoint)
    }
    await this.collect()
  }

  async #collectAll(): Promise<void> {
    const tried = new Set<EndpointRecord>()
    for (;;) {
      const batch = this.book.endpoints().filter((each) => each.state === 'deleted' && !tried.has(each))
      if (batch.length === 0) return
      for (const endpoint of batch) tried.add(endpoint)
      try {
        await this.fabric.unplug(batch)
        await Promise.all(batch.map(({ id }) => this.book.removeEndpoint(id)))
      } catch (error) {
        this.log.error({ err: error, endpoints: batch.map(({ id }) => id) }, 'endpoints cannot be taken away')
      }
    }
  }

  async #forgotten(): Promise<EndpointRecord[]> {
    const now = this.now()
    const old = (endpoint: EndpointRecord, ms: number) => now - endpoint.since > ms
    const endpoints = this.book.endpoints()
    const orphans = endpoints.filter(({ network }) => this.book.network(network) === undefined)
    const idle = endpoints.filter(
      (each) => (each.state === 'made' || each.state === 'left') && old(each, IDLE_MS),
    )
    const joined = endpoints.filter((each) => each.state === 'joined' && old(each, GONE_MS))
    return [...new Set([...orphans, ...idle, ...(await this.fabric.gone(joined))])]
  }

  /** Docker may have said something about it meanwhile, so that the book has another record. */
  async #mark(endpoint: EndpointRecord): Promise<void> {
    if (this.book.endpoint(endpoint.id) !== endpoint) return
    await this.book.saveEndpoint({ ...endpoint, state: 'deleted', since: this.now() })
  }
}
