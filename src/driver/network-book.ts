import type { Loaded, RecordStore } from './record-store.js'
import type { EndpointRecord, NetworkRecord } from './records.js'

/** All networks and endpoints that there are: in memory, and on disk before anybody is told. */
export class NetworkBook {
  readonly #networks = new Map<string, NetworkRecord>()
  readonly #endpoints = new Map<string, EndpointRecord>()

  constructor(
    private readonly networkStore: RecordStore<NetworkRecord>,
    private readonly endpointStore: RecordStore<EndpointRecord>,
  ) {}

  /** Reads what there is; gives the files that cannot be used. */
  async restore(): Promise<Loaded<unknown>['damaged']> {
    const [networks, endpoints] = await Promise.all([this.networkStore.load(), this.endpointStore.load()])
    for (const network of networks.documents) this.#networks.set(network.id, network)
    for (const endpoint of endpoints.documents) this.#endpoints.set(endpoint.id, endpoint)
    return [...networks.damaged, ...endpoints.damaged]
  }

  network(id: string): NetworkRecord | undefined {
    return this.#networks.get(id)
  }

  networks(): NetworkRecord[] {
    return [...this.#networks.values()]
  }

  endpoint(id: string): EndpointRecord | undefined {
    return this.#endpoints.get(id)
  }

  endpoints(): EndpointRecord[] {
    return [...this.#endpoints.values()]
  }

  endpointsOf(network: string): EndpointRecord[] {
    return this.endpoints().filter((endpoint) => endpoint.network === network)
  }

  /** Throws STATE_UNWRITABLE, as all that follow do. */
  async saveNetwork(network: NetworkRecord): Promise<void> {
    await this.networkStore.save(network.id, network)
    this.#networks.set(network.id, network)
  }

  async removeNetwork(id: string): Promise<void> {
    await this.networkStore.remove(id)
    this.#networks.delete(id)
  }

  async saveEndpoint(endpoint: EndpointRecord): Promise<void> {
    await this.endpointStore.save(endpoint.id, endpoint)
    this.#endpoints.set(endpoint.id, endpoint)
  }

  async removeEndpoint(id: string): Promise<void> {
    await this.endpointStore.remove(id)
    this.#endpoints.delete(id)
  }
}
