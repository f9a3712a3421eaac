import { z } from 'zod'
import { EcdockError } from '../../errors.js'

/** Go writes a map or slice that is nil as null, and what is missing comes to the same. */
export function optional<Schema extends z.ZodType>(schema: Schema) {
  return schema.nullish().transform((value): z.output<Schema> | undefined => value ?? undefined)
}

/** A text; '' and what is missing come to the same. */
export const text = z
  .string()
  .max(4096)
  .nullish()
  .transform((value) => (value === null || value === '' ? undefined : value))

/** An id of Docker's: 64 hexadecimal digits, or 25 letters and digits for what a swarm has made. It names files here. */
export const id = z.string().regex(/^[A-Za-z0-9]{12,128}$/, 'is not an id: 12 to 128 letters and digits')

const MOST_OPTIONS = 1000

/** Options whose values may be anything. */
export const options = optional(
  z
    .record(z.string().max(4096), z.unknown())
    .refine((all) => Object.keys(all).length <= MOST_OPTIONS, `has more than ${MOST_OPTIONS} keys`),
)

/** The request that a body holds. Throws USAGE, and says which field is wrong and why. */
export function readRequest<Schema extends z.ZodType>(
  schema: Schema,
  method: string,
  body: unknown,
): z.output<Schema> {
  const result = schema.safeParse(body)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const where = issue === undefined || issue.path.length === 0 ? 'the request' : issue.path.join('.')
  throw new EcdockError('USAGE', method, `${where}: ${issue?.message ?? 'cannot be understood'}`, {
    hint: 'This is what Docker says to its plugins, and not meant for people.',
  })
}
