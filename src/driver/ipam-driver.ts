import { randomBytes } from 'node:crypto'
import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'
import { overlap, parseAddress, parseBlock } from './address-block.js'
import { type AddressPool, restorePool } from './address-pool.js'
import { DEFAULT_SUBNETS, DEFAULT_SUBNETS_IPV6, subnetsOf } from './default-subnets.js'
import {
  ADDRESS_TYPE,
  type AddressSpacesResponse,
  GATEWAY_ADDRESS,
  type IpamCapabilitiesResponse,
  type PoolRequest,
  type ReleaseAddressRequest,
  type RequestAddressRequest,
  type RequestAddressResponse,
  type RequestPoolRequest,
  type RequestPoolResponse,
} from './protocol/ipam.js'
import type { Loaded, RecordStore } from './record-store.js'
import type { PoolRecord } from './records.js'

/** What a pool costs in memory is small, but nobody has as many networks. */
const MOST_POOLS = 65_536

/**
 * Docker's IPAM driver `vde-ipam`. Each network has a pool of its own, and pools may overlap: each is a layer 2 of its
 * own. What is said here is kept, so that Docker need not say it again when it starts.
 */
export class IpamDriver {
  readonly #pools = new Map<string, AddressPool>()

  constructor(private readonly store: RecordStore<PoolRecord>) {}

  /** Reads the pools that there are; gives the files that cannot be used. */
  async restore(): Promise<Loaded<PoolRecord>['damaged']> {
    const { documents, damaged } = await this.store.load()
    for (const { id, subnet, range, ...contents } of documents) {
      try {
        this.#pools.set(id, restorePool(subnet, range, contents))
      } catch (error) {
        damaged.push({ path: id, reason: error instanceof Error ? error.message : String(error) })
      }
    }
    return damaged
  }

  capabilities(): IpamCapabilitiesResponse {
    return { RequiresMACAddress: false, RequiresRequestReplay: false }
  }

  addressSpaces(): AddressSpacesResponse {
    return { LocalDefaultAddressSpace: 'vde-local', GlobalDefaultAddressSpace: 'vde-global' }
  }

  /** Throws SUBNET_INVALID, POOL_EXHAUSTED. */
  async requestPool({ Pool, SubPool, V6 }: RequestPoolRequest): Promise<RequestPoolResponse> {
    if (Pool === undefined && SubPool !== undefined) {
      throw new EcdockError('SUBNET_INVALID', 'request pool', 'a range without the subnet that it lies in', {
        hint: 'Give --subnet together with --ip-range.',
      })
    }
    if (this.#pools.size >= MOST_POOLS) {
      throw new EcdockError('POOL_EXHAUSTED', 'request pool', `there are ${MOST_POOLS} pools already`)
    }
    const pool = restorePool(Pool ?? this.#unusedSubnet(V6 === true), SubPool, { taken: [] })
    if (V6 !== undefined && Pool !== undefined && V6 !== (pool.subnet.family === 6)) {
      throw new EcdockError('SUBNET_INVALID', 'request pool', `${pool.subnet.text} is not IPv${V6 ? 6 : 4}`)
    }
    const id = randomBytes(16).toString('hex')
    this.#pools.set(id, pool)
    await this.#saveOr(id, pool, () => this.#pools.delete(id))
    return { PoolID: id, Pool: pool.subnet.text, Data: {} }
  }

  /** A pool that is gone already is no error: Docker may have been told of it before a crash, and not have heard it. */
  async releasePool({ PoolID }: PoolRequest): Promise<void> {
    await this.store.remove(PoolID)
    this.#pools.delete(PoolID)
  }

  /** Throws POOL_NOT_FOUND, ADDRESS_INVALID, ADDRESS_TAKEN, POOL_EXHAUSTED. */
  async requestAddress({ PoolID, Address, Options }: RequestAddressRequest): Promise<RequestAddressResponse> {
    const pool = this.#pools.get(PoolID)
    if (pool === undefined) {
      throw new EcdockError('POOL_NOT_FOUND', 'request address', `there is no pool ${quoted(PoolID)}`, {
        hint: 'Its record is gone, or damaged: remove the network (docker network rm) and create it again.',
      })
    }
    const asGateway = Options?.[ADDRESS_TYPE] === GATEWAY_ADDRESS
    const address = this.#choose(pool, Address, asGateway)
    // A gateway that could not be written down may be set again, to the same address or another.
    await this.#saveOr(PoolID, pool, () => asGateway || pool.release(address))
    return { Address: `${address}/${pool.subnet.prefix}`, Data: {} }
  }

  /** An address that nobody has is no error, for the reason of {@link releasePool}. Throws ADDRESS_INVALID. */
  async releaseAddress({ PoolID, Address }: ReleaseAddressRequest): Promise<void> {
    const [bare = ''] = Address.split('/')
    parseAddress(bare)
    const pool = this.#pools.get(PoolID)
    if (pool === undefined || !pool.release(bare)) return
    await this.#saveOr(PoolID, pool, () => pool.take(bare))
  }

  #choose(pool: AddressPool, asked: string | undefined, asGateway: boolean): string {
    const bare = asked?.split('/')[0]
    if (asGateway) return pool.setGateway(bare)
    return bare === undefined ? pool.takeFree() : pool.take(bare)
  }

  async #saveOr(id: string, pool: AddressPool, undo: () => void): Promise<void> {
    const range = pool.range === pool.subnet ? {} : { range: pool.range.text }
    try {
      await this.store.save(id, { version: 1, id, subnet: pool.subnet.text, ...range, ...pool.contents() })
    } catch (error) {
      undo()
      throw error
    }
  }

  /** For a network without --subnet: one that no other pool of ours has, so that a container can be on several. */
  #unusedSubnet(ipv6: boolean): string {
    const all = ipv6 ? DEFAULT_SUBNETS_IPV6 : DEFAULT_SUBNETS
    const used = [...this.#pools.values()].map(({ subnet }) => subnet)
    for (const text of subnetsOf(all)) {
      const candidate = parseBlock(text)
      if (!used.some((subnet) => overlap(subnet, candidate))) return text
    }
    throw new EcdockError('POOL_EXHAUSTED', 'request pool', `all subnets of ${all.block} are in use`, {
      hint: 'Give one with --subnet; it may be one that another network has.',
    })
  }
}
