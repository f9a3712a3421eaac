import { isDeepStrictEqual } from 'node:util'
import { parseMac } from '../addressing/mac.js'
import { EcdockError } from '../errors.js'
import type { Collector } from './collector.js'
import { endpointMac } from './endpoint-mac.js'
import type { Fabric } from './fabric.js'
import type { NetworkBook } from './network-book.js'
import { gatewayFor, networkRecord, SHORT_ID } from './network-record.js'
import type {
  CapabilitiesResponse,
  CreateEndpointRequest,
  CreateEndpointResponse,
  CreateNetworkRequest,
  EndpointInfoResponse,
  EndpointRequest,
  JoinRequest,
  JoinResponse,
  NetworkRequest,
} from './protocol/network.js'
import type { EndpointRecord, NetworkRecord } from './records.js'
import { Turns } from './turns.js'

/** A tap's name: this and the first 12 characters of the endpoint's id, as many as its 15 bytes have room for. */
const TAP_PREFIX = 'vde'

/** What the container's interface is called: this and the lowest free number, which Docker chooses. */
const CONTAINER_PREFIX = 'eth'

export interface NetworkDriverOptions {
  /** Where switches are put for which no directory is given. */
  socketRoot: string
  /** The present time in ms since 1970. */
  now?: () => number
}

/**
 * Docker's network driver `vde`. A network is a switch, and an endpoint a tap that is plugged into it, made with the
 * host because Docker itself takes it into the container. Requests about one network are answered one after the other.
 */
export class NetworkDriver {
  readonly #turns = new Turns()

  constructor(
    private readonly book: NetworkBook,
    private readonly fabric: Fabric,
    private readonly collector: Collector,
    private readonly options: NetworkDriverOptions,
  ) {}

  capabilities(): CapabilitiesResponse {
    return { Scope: 'local', ConnectivityScope: 'local' }
  }

  /** The same request once more is no error. Throws USAGE, SUBNET_INVALID, NETWORK_EXISTS, and what {@link Fabric.open} throws. */
  createNetwork(request: CreateNetworkRequest, signal?: AbortSignal): Promise<void> {
    return this.#turn(request, async () => {
      const record = networkRecord(request, this.options.socketRoot)
      const existing = this.book.network(record.id)
      if (existing !== undefined) {
        const { madeDirs: _, ...asked } = existing
        if (isDeepStrictEqual(asked, record)) return
        throw new EcdockError(
          'NETWORK_EXISTS',
          'create network',
          `network ${short(record.id)} exists already`,
        )
      }
      this.#checkId(record)
      this.#checkSocketDir(record)
      const opened = await this.fabric.open(record)
      try {
        await this.book.saveNetwork(opened)
        signal?.throwIfAborted()
      } catch (error) {
        await this.fabric.close(record)
        await this.book.removeNetwork(record.id)
        throw error
      }
    })
  }

  /**
   * Ends the network, and takes away endpoints that Docker has forgotten: it deletes no network that it knows some of.
   * A network that is gone already is no error.
   */
  deleteNetwork({ NetworkID }: NetworkRequest): Promise<void> {
    return this.#turn({ NetworkID }, async () => {
      const network = this.book.network(NetworkID)
      if (network === undefined) return
      const forgotten = this.book.endpointsOf(NetworkID).filter(({ state }) => state !== 'deleted')
      for (const endpoint of forgotten) await this.#become(endpoint, 'deleted')
      await this.fabric.close(network)
      await this.book.removeNetwork(NetworkID)
      this.collector.collectSoon()
    })
  }

  /**
   * Makes the endpoint's tap. The same request once more is no error. Throws NETWORK_NOT_FOUND, ENDPOINT_EXISTS,
   * MAC_INVALID, SUBNET_INVALID, and what {@link Fabric.plug} throws.
   */
  createEndpoint(request: CreateEndpointRequest, signal?: AbortSignal): Promise<CreateEndpointResponse> {
    const { NetworkID, EndpointID } = request
    return this.#turn({ NetworkID }, async () => {
      const network = this.#network(NetworkID, 'create endpoint')
      const given = request.Interface?.MacAddress
      const record = this.#endpointRecord(request)
      // Docker takes back nothing that it has said itself.
      const answer = { Interface: given === undefined ? { MacAddress: record.mac } : {} }
      const existing = this.book.endpoint(EndpointID)
      if (existing?.state === 'deleted') await this.collector.collect()
      else if (existing !== undefined) {
        if (isSameEndpoint(existing, record)) return answer
        throw endpointExists(`endpoint ${short(EndpointID)} exists already`)
      }
      this.#checkTap(record)
      await this.book.saveEndpoint(record)
      try {
        await this.#plug(network, record)
        signal?.throwIfAborted()
      } catch (error) {
        await this.#become(record, 'deleted')
        this.collector.collectSoon()
        throw error
      }
      return answer
    })
  }

  /** Throws NETWORK_NOT_FOUND, ENDPOINT_NOT_FOUND. */
  async endpointInfo(request: EndpointRequest): Promise<EndpointInfoResponse> {
    const network = this.#network(request.NetworkID, 'endpoint info')
    const { tap, mac } = this.#endpoint(request, 'endpoint info')
    return { Value: { tap, mac, socket_dir: network.socketDir } }
  }

  /** Throws NETWORK_NOT_FOUND, ENDPOINT_NOT_FOUND. */
  join(request: JoinRequest): Promise<JoinResponse> {
    return this.#turn(request, async () => {
      const network = this.#network(request.NetworkID, 'join')
      const endpoint = this.#endpoint(request, 'join')
      await this.#become({ ...endpoint, sandbox: request.SandboxKey }, 'joined')
      const gateway = gatewayFor(network, endpoint.address)
      const gatewayIpv6 = gatewayFor(network, endpoint.addressIpv6)
      return {
        InterfaceName: { SrcName: endpoint.tap, DstPrefix: CONTAINER_PREFIX },
        ...(gateway !== undefined && { Gateway: gateway }),
        ...(gatewayIpv6 !== undefined && { GatewayIPv6: gatewayIpv6 }),
        DisableGatewayService: true,
      }
    })
  }

  /** Docker takes the tap out of the container after this. An endpoint that is gone already is no error. */
  leave(request: EndpointRequest): Promise<void> {
    return this.#turn(request, async () => {
      const endpoint = this.book.endpoint(request.EndpointID)
      if (endpoint?.state === 'joined') await this.#become(endpoint, 'left')
    })
  }

  /**
   * Answers as soon as it is written down that the endpoint goes: the kernel takes 16 ms to delete a tap, and many are
   * deleted in the time of one. An endpoint that is gone already is no error.
   */
  deleteEndpoint(request: EndpointRequest): Promise<void> {
    return this.#turn(request, async () => {
      const endpoint = this.book.endpoint(request.EndpointID)
      if (endpoint === undefined || endpoint.state === 'deleted') return
      await this.#become(endpoint, 'deleted')
      this.collector.collectSoon()
    })
  }

  /** Waits for requests in hand, and for what they have left to be taken away. */
  async settled(): Promise<void> {
    await this.#turns.settled()
    await this.collector.collect()
  }

  /** A port that is about to be free counts as free. */
  async #plug(network: NetworkRecord, endpoint: EndpointRecord): Promise<void> {
    try {
      await this.fabric.plug(network, endpoint)
    } catch (error) {
      if (!(error instanceof EcdockError) || error.code !== 'PORTS_EXHAUSTED' || !this.collector.busy)
        throw error
      await this.collector.collect()
      await this.fabric.plug(network, endpoint)
    }
  }

  #endpointRecord({ NetworkID, EndpointID, Interface }: CreateEndpointRequest): EndpointRecord {
    const { Address: address, AddressIPv6: addressIpv6, MacAddress: mac } = Interface ?? {}
    const addresses = {
      ...(address !== undefined && { address }),
      ...(addressIpv6 !== undefined && { addressIpv6 }),
    }
    const own = endpointMac({ id: EndpointID, ...addresses })
    return {
      version: 1,
      id: EndpointID,
      network: NetworkID,
      tap: `${TAP_PREFIX}${EndpointID.slice(0, SHORT_ID)}`,
      mac: mac === undefined ? own : parseMac(mac),
      ...addresses,
      state: 'made',
      since: this.#now(),
    }
  }

  /** Networks that could not be told apart by what is called after them take turns together. */
  #turn<Result>({ NetworkID }: NetworkRequest, work: () => Promise<Result>): Promise<Result> {
    return this.#turns.take(short(NetworkID), work)
  }

  /** Ids are drawn at random, and a switch's sockets are called by the beginning of one. */
  #checkId({ id }: NetworkRecord): void {
    const other = this.book.networks().find((each) => short(each.id) === short(id))
    if (other === undefined) return
    const message = `network ${other.id} has an id that begins with the same ${SHORT_ID} characters as ${id}`
    throw new EcdockError('NETWORK_EXISTS', 'create network', message, {
      hint: 'Create it again: Docker draws another id.',
    })
  }

  /** Whose socket directory two switches of ours would share, would lose one of them. */
  #checkSocketDir({ socketDir, owned }: NetworkRecord): void {
    if (!owned) return
    const other = this.book.networks().find((each) => each.owned && each.socketDir === socketDir)
    if (other === undefined) return
    const message = `${socketDir} is where the switch of network ${short(other.id)} is`
    throw new EcdockError('USAGE', 'create network', message, {
      hint: 'Leave create_sockets out to use the same switch, or choose another socket_dir.',
    })
  }

  /** Ids are drawn at random, and a tap is called by the beginning of one. */
  #checkTap({ id, tap }: EndpointRecord): void {
    const other = this.book.endpoints().find((each) => each.id !== id && each.tap === tap)
    if (other !== undefined) throw endpointExists(`the endpoint ${other.id} has the tap ${tap}`)
  }

  #become(endpoint: EndpointRecord, state: EndpointRecord['state']): Promise<void> {
    return this.book.saveEndpoint({ ...endpoint, state, since: this.#now() })
  }

  #network(id: string, op: string): NetworkRecord {
    const network = this.book.network(id)
    if (network !== undefined) return network
    throw new EcdockError('NETWORK_NOT_FOUND', op, `there is no network ${short(id)} of the driver vde`, {
      hint: 'Its record is gone, or damaged: remove the network (docker network rm) and create it again.',
    })
  }

  #endpoint({ NetworkID, EndpointID }: EndpointRequest, op: string): EndpointRecord {
    const endpoint = this.book.endpoint(EndpointID)
    if (endpoint?.network === NetworkID && endpoint.state !== 'deleted') return endpoint
    throw new EcdockError('ENDPOINT_NOT_FOUND', op, `there is no endpoint ${short(EndpointID)}`, {
      hint: 'Disconnect the container from the network, and connect it again.',
    })
  }

  #now(): number {
    return (this.options.now ?? Date.now)()
  }
}

function isSameEndpoint(one: EndpointRecord, other: EndpointRecord): boolean {
  const { network, mac, address, addressIpv6 } = one
  return (
    network === other.network &&
    mac === other.mac &&
    address === other.address &&
    addressIpv6 === other.addressIpv6
  )
}

function endpointExists(message: string): EcdockError {
  return new EcdockError('ENDPOINT_EXISTS', 'create endpoint', message, {
    hint: 'Disconnect the container from the network, and connect it again.',
  })
}

/** An id as Docker shows it. */
function short(id: string): string {
  return id.slice(0, SHORT_ID)
}
