import type { Fabric } from '../../src/driver/fabric.js'
import type { Log } from '../../src/driver/log.js'
import type { Loaded, RecordStore } from '../../src/driver/record-store.js'
import type { EndpointRecord, NetworkRecord } from '../../src/driver/records.js'

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} }

/** Documents in memory, which outlive the driver that is made of them. */
export class MemoryStore<Document extends { id: string }> implements RecordStore<Document> {
  readonly documents = new Map<string, Document>()
  /** Every save fails with this. */
  failure: Error | undefined

  async load(): Promise<Loaded<Document>> {
    return { documents: [...this.documents.values()], damaged: [] }
  }

  async save(id: string, document: Document): Promise<void> {
    if (this.failure !== undefined) throw this.failure
    this.documents.set(id, JSON.parse(JSON.stringify(document)) as Document)
  }

  async remove(id: string): Promise<void> {
    this.documents.delete(id)
  }
}

/** A fabric that only remembers what is plugged into it. */
export class FakeFabric implements Fabric {
  readonly switches = new Map<string, NetworkRecord>()
  readonly taps = new Map<string, EndpointRecord>()
  /** What plug throws, once for each. */
  readonly failures: Error[] = []
  /** How many endpoints each unplug had. */
  readonly batches: number[] = []

  async open(network: NetworkRecord): Promise<NetworkRecord> {
    this.switches.set(network.id, network)
    return network
  }

  async resume(network: NetworkRecord): Promise<void> {
    await this.open(network)
  }

  async stop(): Promise<void> {}

  async close({ id }: NetworkRecord): Promise<void> {
    this.switches.delete(id)
  }

  async plug(_network: NetworkRecord, endpoint: EndpointRecord): Promise<void> {
    const failure = this.failures.shift()
    if (failure !== undefined) throw failure
    this.taps.set(endpoint.tap, endpoint)
  }

  async unplug(endpoints: readonly EndpointRecord[]): Promise<void> {
    this.batches.push(endpoints.length)
    for (const { tap } of endpoints) this.taps.delete(tap)
  }

  async gone(endpoints: readonly EndpointRecord[]): Promise<EndpointRecord[]> {
    return endpoints.filter(({ tap }) => !this.taps.has(tap))
  }
}
