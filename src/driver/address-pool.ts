import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'
import {
  type Address,
  type AddressBlock,
  contains,
  encloses,
  formatAddress,
  parseAddress,
  parseBlock,
} from './address-block.js'
import { type Interval, Intervals } from './intervals.js'

/** What a pool has given out, as it is written down. */
export interface PoolContents {
  /** The gateway's address, when one has been set. */
  gateway?: string | undefined
  /** Addresses in use, such as `10.0.0.1` or, for a run of them, `10.0.0.4-10.0.0.9`. */
  taken: string[]
}

/** So many runs of addresses in use one pool may have: what bounds the memory of an IPv6 pool. */
const MOST_RUNS = 65_536

const OP = 'request address'

/**
 * The addresses of one subnet. By itself a pool gives out the lowest free one of its range, and never the network's,
 * the broadcast or the gateway's address. Who asks for the gateway's by name gets it: on a network that is nothing but
 * a switch, the gateway is a container like others.
 */
export class AddressPool {
  /** What is given out without having been asked for by name. */
  readonly range: AddressBlock
  readonly #taken: Intervals
  /** Addresses of no host. */
  readonly #reserved: ReadonlySet<bigint>
  #gateway: bigint | undefined

  /** Throws SUBNET_INVALID when the range is not in the subnet, ADDRESS_INVALID when the contents are none. */
  constructor(
    readonly subnet: AddressBlock,
    range: AddressBlock = subnet,
    { gateway, taken }: PoolContents = { taken: [] },
  ) {
    if (!encloses(subnet, range)) {
      const message = `the range ${range.text} does not lie in the subnet ${subnet.text}`
      throw new EcdockError('SUBNET_INVALID', 'request pool', message, {
        hint: 'Give an --ip-range inside of --subnet, or none.',
      })
    }
    this.range = range
    this.#reserved = reserved(subnet)
    this.#taken = new Intervals(taken.map((run) => this.#parseRun(run)))
    if (gateway !== undefined) this.#gateway = this.#inside(gateway).number
  }

  /**
   * Sets the gateway's address and gives it: the one that is asked for, else the lowest free one. It may be set again.
   * Throws as {@link take} and {@link takeFree} do.
   */
  setGateway(text?: string): string {
    const number = text === undefined ? this.#lowestFree() : this.#usable(text).number
    if (text !== undefined && number !== this.#gateway && this.#taken.has(number))
      throw taken(text, this.subnet)
    this.#gateway = number
    return this.#format(number)
  }

  /**
   * Gives out the address that is asked for, which need not be in the range. Throws ADDRESS_INVALID when it is not the
   * address of a host in the subnet, ADDRESS_TAKEN, POOL_EXHAUSTED.
   */
  take(text: string): string {
    const { number } = this.#usable(text)
    this.#checkSize()
    if (!this.#taken.add(number)) throw taken(text, this.subnet)
    return this.#format(number)
  }

  /** Gives out the lowest free address of the range. Throws POOL_EXHAUSTED. */
  takeFree(): string {
    this.#checkSize()
    const number = this.#lowestFree()
    this.#taken.add(number)
    return this.#format(number)
  }

  /** Takes an address back. Gives false when nobody had it. Throws ADDRESS_INVALID. */
  release(text: string): boolean {
    return this.#taken.delete(this.#inside(text).number)
  }

  contents(): PoolContents {
    return {
      ...(this.#gateway !== undefined && { gateway: this.#format(this.#gateway) }),
      taken: [...this.#taken].map(([first, last]) =>
        first === last ? this.#format(first) : `${this.#format(first)}-${this.#format(last)}`,
      ),
    }
  }

  #lowestFree(): bigint {
    const excluded = new Set(this.#reserved)
    if (this.#gateway !== undefined) excluded.add(this.#gateway)
    const number = this.#taken.lowestAbsent(this.range.first, this.range.last, excluded)
    if (number !== undefined) return number
    throw new EcdockError('POOL_EXHAUSTED', OP, `all addresses of ${this.range.text} are in use`, {
      hint: 'Disconnect containers that are not needed, or make the network with a larger --subnet or --ip-range.',
    })
  }

  #checkSize(): void {
    if (this.#taken.runs < MOST_RUNS) return
    const message = `the addresses in use of ${this.subnet.text} are scattered over ${MOST_RUNS} places`
    throw new EcdockError('POOL_EXHAUSTED', OP, message, {
      hint: 'Ask for addresses side by side, or for none.',
    })
  }

  /** An address that an interface can have. */
  #usable(text: string): Address {
    const address = this.#inside(text)
    if (!this.#reserved.has(address.number)) return address
    const which = address.number === this.subnet.first ? 'network' : 'broadcast'
    throw new EcdockError('ADDRESS_INVALID', OP, `${text} is the ${which} address of ${this.subnet.text}`, {
      hint: 'Ask for another address of the subnet, or for none.',
    })
  }

  #inside(text: string): Address {
    const address = parseAddress(text)
    if (contains(this.subnet, address)) return address
    throw new EcdockError(
      'ADDRESS_INVALID',
      OP,
      `${quoted(text)} does not lie in the subnet ${this.subnet.text}`,
      {
        hint: 'Ask for an address of the subnet, or for none.',
      },
    )
  }

  #parseRun(text: string): Interval {
    const [first = '', last = first] = text.split('-')
    return [this.#inside(first).number, this.#inside(last).number]
  }

  #format(number: bigint): string {
    return formatAddress({ family: this.subnet.family, number })
  }
}

/**
 * IPv4: the network's and the broadcast address, unless the subnet has only one or two (RFC 3021). IPv6: the
 * Subnet-Router anycast address (RFC 4291 section 2.6.1), unless the subnet has only one or two (RFC 6164).
 */
function reserved({ family, first, last }: AddressBlock): ReadonlySet<bigint> {
  if (last - first < 2n) return new Set()
  return family === 4 ? new Set([first, last]) : new Set([first])
}

function taken(text: string, subnet: AddressBlock): EcdockError {
  return new EcdockError('ADDRESS_TAKEN', OP, `${text} of ${subnet.text} is in use`, {
    hint: 'Ask for another address, or for none to get a free one.',
  })
}

/** A pool from its parts as they are written down. Throws as the constructor of {@link AddressPool} does. */
export function restorePool(subnet: string, range: string | undefined, contents: PoolContents): AddressPool {
  return new AddressPool(parseBlock(subnet), range === undefined ? undefined : parseBlock(range), contents)
}
