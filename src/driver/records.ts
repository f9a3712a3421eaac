/**
 * What the drivers keep on disk: one JSON document for each network, endpoint and pool. Docker tells a driver about a
 * network once in its life, so that only a record brings it over a restart.
 */
import { z } from 'zod'

/** Documents of another version are not ours to read. */
const version = z.literal(1)
const id = z.string().regex(/^[A-Za-z0-9]{1,128}$/)
const path = z.string().regex(/^\//).max(4096)
const address = z.string().max(64)

const subnetSchema = z.object({
  /** Such as `10.0.0.0/24`. */
  pool: address,
  /** Without prefix length. */
  gateway: address.optional(),
})

export const networkRecordSchema = z.object({
  version,
  id,
  /** Directory of the switch's sockets. */
  socketDir: path,
  /** The switch is ours: we start it, and end it with the network. Else somebody else's is used. */
  owned: z.boolean(),
  managementSocket: path.optional(),
  /** Directories that were made for the two of them to be in, the deepest first; they go with the network. */
  madeDirs: z.array(path).max(256).optional(),
  socketGroup: z.string().max(64).optional(),
  ports: z.number().int().min(1).max(65_535),
  mtu: z.number().int().min(68).max(65_535).optional(),
  subnets: z.array(subnetSchema).max(512),
  /** Containers are to get no default route (`docker network create --internal`). */
  internal: z.boolean(),
})
export type NetworkRecord = z.infer<typeof networkRecordSchema>

export const endpointRecordSchema = z.object({
  version,
  id,
  network: id,
  /** Name of the tap in the host's namespace. */
  tap: z.string().min(1).max(15),
  mac: z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/),
  /** With their prefix length. */
  address: address.optional(),
  addressIpv6: address.optional(),
  /** Path of the container's namespace, from Join on. */
  sandbox: path.optional(),
  /**
   * `made`: the tap is with the host. `joined`: it is Docker's to move. `left`: Docker has it no longer in a
   * container. `deleted`: Docker has forgotten it, and the tap goes next.
   */
  state: z.enum(['made', 'joined', 'left', 'deleted']),
  /** When the state came about, in ms since 1970. */
  since: z.number().nonnegative(),
})
export type EndpointRecord = z.infer<typeof endpointRecordSchema>

export const poolRecordSchema = z.object({
  version,
  id,
  subnet: address,
  range: address.optional(),
  gateway: address.optional(),
  taken: z.array(z.string().max(100)).max(65_536),
})
export type PoolRecord = z.infer<typeof poolRecordSchema>
