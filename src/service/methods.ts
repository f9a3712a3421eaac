import type { z } from 'zod'
import type { IpamDriver } from '../driver/ipam-driver.js'
import type { NetworkDriver } from '../driver/network-driver.js'
import { readRequest } from '../driver/protocol/fields.js'
import {
  poolSchema,
  releaseAddressSchema,
  requestAddressSchema,
  requestPoolSchema,
} from '../driver/protocol/ipam.js'
import {
  createEndpointSchema,
  createNetworkSchema,
  endpointSchema,
  joinSchema,
  networkSchema,
} from '../driver/protocol/network.js'
import { EcdockError } from '../errors.js'

/** Answers one method of a plugin: from the body, undefined when it was empty, to the answer. */
export type Method = (body: unknown, signal: AbortSignal) => Promise<object>

/** By their names, such as `NetworkDriver.Join`. */
export type Methods = Readonly<Record<string, Method>>

/** All that Docker says to a network driver (moby: libnetwork/drivers/remote/driver.go). */
export function networkMethods(driver: NetworkDriver): Methods {
  const read = forDriver('NetworkDriver')
  return {
    'NetworkDriver.GetCapabilities': async () => driver.capabilities(),
    'NetworkDriver.CreateNetwork': read('CreateNetwork', createNetworkSchema, (request, signal) =>
      driver.createNetwork(request, signal),
    ),
    'NetworkDriver.DeleteNetwork': read('DeleteNetwork', networkSchema, (request) =>
      driver.deleteNetwork(request),
    ),
    'NetworkDriver.CreateEndpoint': read('CreateEndpoint', createEndpointSchema, (request, signal) =>
      driver.createEndpoint(request, signal),
    ),
    'NetworkDriver.EndpointOperInfo': read('EndpointOperInfo', endpointSchema, (request) =>
      driver.endpointInfo(request),
    ),
    'NetworkDriver.DeleteEndpoint': read('DeleteEndpoint', endpointSchema, (request) =>
      driver.deleteEndpoint(request),
    ),
    'NetworkDriver.Join': read('Join', joinSchema, (request) => driver.join(request)),
    'NetworkDriver.Leave': read('Leave', endpointSchema, (request) => driver.leave(request)),
    // Other nodes and the world outside are no concern of a switch on this machine.
    'NetworkDriver.DiscoverNew': nothing,
    'NetworkDriver.DiscoverDelete': nothing,
    'NetworkDriver.ProgramExternalConnectivity': nothing,
    'NetworkDriver.RevokeExternalConnectivity': nothing,
    'NetworkDriver.AllocateNetwork': swarmOnly,
    'NetworkDriver.FreeNetwork': swarmOnly,
  }
}

/** All that Docker says to an IPAM driver (moby: libnetwork/ipams/remote/remote.go). */
export function ipamMethods(driver: IpamDriver): Methods {
  const read = forDriver('IpamDriver')
  return {
    'IpamDriver.GetCapabilities': async () => driver.capabilities(),
    'IpamDriver.GetDefaultAddressSpaces': async () => driver.addressSpaces(),
    'IpamDriver.RequestPool': read('RequestPool', requestPoolSchema, (request) =>
      driver.requestPool(request),
    ),
    'IpamDriver.ReleasePool': read('ReleasePool', poolSchema, (request) => driver.releasePool(request)),
    'IpamDriver.RequestAddress': read('RequestAddress', requestAddressSchema, (request) =>
      driver.requestAddress(request),
    ),
    'IpamDriver.ReleaseAddress': read('ReleaseAddress', releaseAddressSchema, (request) =>
      driver.releaseAddress(request),
    ),
  }
}

/** A method whose body has to be a request; what answers nothing answers an empty object. */
function forDriver(driver: string) {
  return <Schema extends z.ZodType>(
    name: string,
    schema: Schema,
    answer: (request: z.output<Schema>, signal: AbortSignal) => Promise<unknown>,
  ): Method =>
    async (body, signal) => {
      const method = `${driver}.${name}`
      if (body === undefined) {
        throw new EcdockError('USAGE', method, 'the request has no body', {
          hint: 'Docker sends one without when it tries again after it has lost its connection: try again.',
        })
      }
      const answered = await answer(readRequest(schema, method, body), signal)
      return typeof answered === 'object' && answered !== null ? answered : {}
    }
}

async function nothing(): Promise<object> {
  return {}
}

async function swarmOnly(): Promise<object> {
  throw new EcdockError(
    'UNSUPPORTED',
    'allocate network',
    'networks of the driver vde are of one machine only',
    {
      hint: 'Create it without --scope swarm.',
    },
  )
}
