import { z } from 'zod'
import { EcdockError } from '../../errors.js'
import { quoted } from '../../quoted.js'

const id = z.union([z.string().max(1024), z.number()]).exactOptional()
const name = z.string().min(1).max(255)
const slot = z.int().min(1).max(0xff_ffff)
const path = z.string().min(1).max(4095)

const target = z.union(
  [
    z.strictObject({ pid: z.int().min(1) }),
    z.strictObject({ netns: path }),
    z.strictObject({ container: name }),
  ],
  { error: 'it is {"pid":N}, {"netns":"NAME or /PATH"} or {"container":"NAME"}' },
)

const operation = z.discriminatedUnion('op', [
  z.strictObject({
    op: z.literal('plug'),
    id,
    vswitch: name.exactOptional(),
    target,
    slot: slot.exactOptional(),
    ifname: name.exactOptional(),
    mtu: z.int().exactOptional(),
    mac: name.exactOptional(),
    defaultRoute: z.boolean().exactOptional(),
    internal: z.boolean().exactOptional(),
    dualNic: z.boolean().exactOptional(),
    vlan: z.int().exactOptional(),
    trunks: z.array(z.int()).max(4094).exactOptional(),
    ingressRate: z.int().exactOptional(),
    ingressBurst: z.int().exactOptional(),
    routes: z
      .array(z.strictObject({ to: name, via: name }))
      .max(1024)
      .exactOptional(),
    sysctls: z.record(name, z.union([z.int(), z.string().max(255)])).exactOptional(),
    announce: z.boolean().exactOptional(),
  }),
  z.strictObject({ op: z.literal('unplug'), id, vswitch: name.exactOptional(), slot }),
  z.strictObject({
    op: z.literal('create-vswitch'),
    id,
    name: name.exactOptional(),
    subnet: name,
    kind: z.enum(['bridge', 'ovs', 'vde']).exactOptional(),
    socketDir: name.exactOptional(),
    ipv6Prefix: name.exactOptional(),
    usermode: z.boolean().exactOptional(),
    neighSuppress: z.boolean().exactOptional(),
    device: name.exactOptional(),
  }),
  z.strictObject({ op: z.literal('delete-vswitch'), id, name }),
  z.strictObject({ op: z.literal('ls'), id, vswitch: name.exactOptional() }),
])

/** One operation of a batch, as its line says it. */
export type Operation = z.infer<typeof operation>
export type PlugOperation = Extract<Operation, { op: 'plug' }>
export type UnplugOperation = Extract<Operation, { op: 'unplug' }>
export type CreateOperation = Extract<Operation, { op: 'create-vswitch' }>

/** What the caller marks a line with, to find its result again. */
export type Id = string | number

export type Parsed = { operation: Operation; id?: Id } | { error: EcdockError; id?: Id }

/** Reads one line; what is wrong with it becomes an error with code USAGE, and its id is found even so. */
export function parseOperation(text: string): Parsed {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    return { error: usage('the line is not JSON', cause) }
  }
  const mark = idOf(json)
  const result = operation.safeParse(json)
  if (result.success) return { operation: result.data, ...mark }
  const [issue] = result.error.issues
  const where = issue === undefined || issue.path.length === 0 ? '' : `${quoted(issue.path.join('.'))}: `
  return { error: usage(`${where}${issue?.message ?? 'not an operation'}`), ...mark }
}

function idOf(json: unknown): { id?: Id } {
  if (typeof json !== 'object' || json === null || !('id' in json)) return {}
  const found = id.safeParse(json.id)
  return found.success && found.data !== undefined ? { id: found.data } : {}
}

function usage(message: string, cause?: unknown): EcdockError {
  return new EcdockError('USAGE', 'batch', message, {
    hint: '"ecdock-fast help batch" shows the operations.',
    cause,
  })
}
