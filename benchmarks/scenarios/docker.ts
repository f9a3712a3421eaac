import { startDaemon } from '../../test/support/daemon.js'
import { PluginClient } from '../../test/support/plugin-client.js'
import { meets, type Target } from '../ratios.js'
import { type Summary, summarise } from '../stats.js'

/** How long Docker waits for one call of the drivers, in ms, over the socket. */
export interface CallTime {
  /** Such as `NetworkDriver.Join`. */
  method: string
  ms: Summary
  target: Target
  met: boolean
}

export interface DockerEffort {
  networks: number
  /** On each network, one after the other. */
  endpoints: number
}

export const EFFORT: DockerEffort = { networks: 30, endpoints: 10 }
export const QUICK_EFFORT: DockerEffort = { networks: 2, endpoints: 2 }

/** In ms, of the median. CreateNetwork starts a process. */
const TARGET: Target = { atMost: 5 }
const CREATE_NETWORK_TARGET: Target = { atMost: 20 }

/** What the daemon answers to the calls that Docker makes for containers that come and go. */
export async function driverCalls(
  { networks, endpoints }: DockerEffort,
  progress: (text: string) => void,
): Promise<CallTime[]> {
  const daemon = await startDaemon({ alone: true })
  const calls = new Calls(daemon.pluginDir)
  try {
    // The first ones are the daemon's warming up.
    await round(calls, 0, endpoints)
    calls.forget()
    for (let number = 1; number <= networks; number++) {
      progress(`docker, calls of the drivers: round ${number} of ${networks}`)
      await round(calls, number, endpoints)
    }
    return calls.times()
  } finally {
    calls.close()
    await daemon.stop()
  }
}

async function round(calls: Calls, number: number, endpoints: number): Promise<void> {
  const network = { NetworkID: `${number}`.padStart(12, '0').padEnd(64, 'a') }
  const given = await calls.ipam('RequestPool', { Pool: '10.0.0.0/16', SubPool: '', Options: {}, V6: false })
  const pool = { PoolID: given.PoolID }
  const Options = { RequestAddressType: 'com.docker.network.gateway' }
  const gateway = await calls.ipam('RequestAddress', { ...pool, Address: '', Options })
  const subnet = { Pool: '10.0.0.0/16', Gateway: gateway.Address }
  await calls.network('CreateNetwork', { ...network, Options: {}, IPv4Data: [subnet], IPv6Data: [] })
  for (let index = 0; index < endpoints; index++) {
    const ids = {
      ...network,
      EndpointID: `${number}-${index}`.replace('-', 'e').padStart(12, '0').padEnd(64, 'b'),
    }
    const { Address } = await calls.ipam('RequestAddress', { ...pool, Address: '', Options: {} })
    await calls.network('CreateEndpoint', { ...ids, Interface: { Address }, Options: {} })
    await calls.network('Join', { ...ids, SandboxKey: '/proc/self/ns/net', Options: {} })
    await calls.network('EndpointOperInfo', ids)
    await calls.network('Leave', ids)
    await calls.network('DeleteEndpoint', ids)
    await calls.ipam('ReleaseAddress', { ...pool, Address: String(Address).split('/')[0] })
  }
  await calls.network('DeleteNetwork', network)
  await calls.ipam('ReleasePool', pool)
}

class Calls {
  readonly #vde: PluginClient
  readonly #ipam: PluginClient
  readonly #samples = new Map<string, number[]>()

  constructor(pluginDir: string) {
    this.#vde = new PluginClient(`${pluginDir}/vde.sock`)
    this.#ipam = new PluginClient(`${pluginDir}/vde-ipam.sock`)
  }

  network(name: string, body: object): Promise<Record<string, unknown>> {
    return this.#call(this.#vde, `NetworkDriver.${name}`, body)
  }

  ipam(name: string, body: object): Promise<Record<string, unknown>> {
    return this.#call(this.#ipam, `IpamDriver.${name}`, body)
  }

  forget(): void {
    this.#samples.clear()
  }

  times(): CallTime[] {
    return [...this.#samples].map(([method, samples]) => {
      const ms = summarise(samples)
      const target = method === 'NetworkDriver.CreateNetwork' ? CREATE_NETWORK_TARGET : TARGET
      return { method, ms, target, met: meets(ms.median, target) }
    })
  }

  close(): void {
    this.#vde.close()
    this.#ipam.close()
  }

  async #call(client: PluginClient, method: string, body: object): Promise<Record<string, unknown>> {
    const began = performance.now()
    const answer = await client.call(method, body)
    const samples = this.#samples.get(method) ?? []
    samples.push(performance.now() - began)
    this.#samples.set(method, samples)
    return answer
  }
}
