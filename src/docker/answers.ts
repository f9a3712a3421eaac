import { z } from 'zod'
import { EcdockError } from '../errors.js'

// Loaded with dockerode, for the first call: a plug without Docker has no use for it.

/** What is used of an answer. Whatever listens at that address may be something else than Docker. */
export const INSPECTED = z.object({
  Id: z.string(),
  Name: z.string(),
  Config: z.object({
    Image: z.string(),
    Tty: z.boolean(),
    Labels: z.record(z.string(), z.string()).nullish(),
  }),
  State: z.object({ Status: z.string(), Running: z.boolean(), Pid: z.number(), ExitCode: z.number() }),
})
export const LISTED = z.array(
  z.object({
    Id: z.string(),
    Names: z.array(z.string()),
    Image: z.string(),
    State: z.string(),
    Status: z.string(),
    Labels: z.record(z.string(), z.string()).nullish(),
  }),
)

/** The answer as the schema reads it. Throws DOCKER_FAILED. */
export function understood<T>(schema: z.ZodType<T>, answer: unknown): T {
  const parsed = schema.safeParse(answer)
  if (parsed.success) return parsed.data
  const message = 'what answered does not speak as Docker does'
  throw new EcdockError('DOCKER_FAILED', 'docker', message, {
    hint: 'Is that the address of Docker? "ecdock-fast doctor" looks.',
    cause: parsed.error,
  })
}
