import { EcdockError } from '../errors.js'
import type { Kernel, Link } from '../kernel/kernel.js'
import type { PlanFailed, Step } from '../kernel/plan.js'
import type { EndpointRecord, NetworkRecord } from './records.js'
import { portLabel, tapAlias } from './tap-mark.js'

/** Where a tap is. */
export interface TapPlace {
  /** Path of the namespace; '' is the host's. */
  netns: string
  name: string
}

const OP = 'create endpoint'

/** The port of a switch process that a tap is handed to. */
export interface TapPort {
  /** Path of the process's control socket. */
  control: string
  /** From 1. */
  port: number
}

/** Makes, finds, connects and deletes the taps of endpoints. */
export class Taps {
  constructor(private readonly kernel: Kernel) {}

  /**
   * Makes a tap in the host's namespace and hands it to a switch; both or neither. Throws PORTS_EXHAUSTED, KERNEL
   * (EBUSY when somebody has got the port before), PERMISSION.
   */
  async make(network: NetworkRecord, endpoint: EndpointRecord, port: TapPort): Promise<void> {
    const { mac, tap: name } = endpoint
    const mtu = network.mtu === undefined ? {} : { mtu: network.mtu }
    const made = { mac, ...mtu, alias: tapAlias(endpoint) }
    await this.#execute(
      { op: 'tap', netns: '', name, ...made, ...handedTo(network, endpoint, port) },
      network,
    )
  }

  /** Opens a tap that is there and hands it to the switch at `control`. Throws as {@link make} does. */
  async connect(
    network: NetworkRecord,
    endpoint: EndpointRecord,
    place: TapPlace,
    port: TapPort,
  ): Promise<void> {
    const again = { ...place, mark: tapAlias(endpoint) }
    await this.#execute({ op: 'tap', ...again, ...handedTo(network, endpoint, port) }, network)
  }

  /** Where the endpoint's tap is: with the host, or in the container that it has joined. Undefined when in neither. */
  async find(endpoint: EndpointRecord): Promise<TapPlace | undefined> {
    const alias = tapAlias(endpoint)
    const [host] = await this.kernel.linksByName('', [endpoint.tap])
    if (host?.alias === alias) return { netns: '', name: host.name }
    if (endpoint.sandbox === undefined) return undefined
    const inside = (await this.#linksIn(endpoint.sandbox)).find((link) => link.alias === alias)
    return inside === undefined ? undefined : { netns: endpoint.sandbox, name: inside.name }
  }

  /** Deletes the taps of endpoints, wherever they are; those with the host in one go. */
  async delete(endpoints: readonly EndpointRecord[]): Promise<void> {
    const marked = endpoints.map((endpoint) => ({ name: endpoint.tap, mark: tapAlias(endpoint) }))
    const removals = await this.kernel.deleteMarkedLinks('', marked)
    const elsewhere = endpoints.filter((_, index) => removals[index] !== 'deleted')
    for (const endpoint of elsewhere) {
      const place = await this.find(endpoint)
      if (place === undefined) continue
      await this.kernel.deleteMarkedLinks(place.netns, [{ name: place.name, mark: tapAlias(endpoint) }])
    }
  }

  /** A container that has ended has no links. */
  async #linksIn(sandbox: string): Promise<Link[]> {
    try {
      return await this.kernel.links(sandbox)
    } catch (error) {
      const { code } = error as EcdockError
      if (code === 'TARGET_NOT_FOUND' || code === 'NOT_A_NETNS') return []
      throw error
    }
  }

  async #execute(step: Step, network: NetworkRecord): Promise<void> {
    const [outcome] = await this.kernel.execute([{ steps: [step] }])
    if (outcome === undefined) throw new EcdockError('INTERNAL', OP, 'a plan has no outcome')
    if (!outcome.ok) throw tapError(outcome, network)
  }
}

/** What the step says about the switch. In cable mode the tap is connected to the network's own switch from there. */
function handedTo(network: NetworkRecord, endpoint: EndpointRecord, port: TapPort) {
  const vde = network.owned ? {} : { vde: network.socketDir }
  return { ...port, label: portLabel(endpoint), ...vde }
}

function tapError({ op, errno, message, kernelMessage }: PlanFailed, network: NetworkRecord): EcdockError {
  if (errno === 'ENOSPC') return portsExhausted(network.ports, network)
  const code = errno === 'EPERM' || errno === 'EACCES' ? 'PERMISSION' : 'KERNEL'
  return new EcdockError(code, op, message, { errno, kernelMessage })
}

/** All `ports` of the network's switch are in use. */
export function portsExhausted(ports: number, { socketDir }: NetworkRecord): EcdockError {
  const message = `all ${ports} ports of the switch at ${socketDir} are in use`
  return new EcdockError('PORTS_EXHAUSTED', OP, message, {
    hint: 'Create the network with a larger -o num_switchports, or disconnect containers that are not needed.',
  })
}
