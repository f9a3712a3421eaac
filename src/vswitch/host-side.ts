import { EcdockError } from '../errors.js'
import type { Link } from '../kernel/kernel.js'
import type { Backend, Surroundings } from './backend.js'

/** The links of the namespace that holds the host sides. Throws VSWITCH_NOT_FOUND when it is gone. */
export function hostSideLinks(backend: Backend, around: Surroundings): Promise<Link[]> {
  return unlessDeleted(backend, around.kernel.links(backend.netns))
}

/** Those of these names, each in its place. Throws VSWITCH_NOT_FOUND when their namespace is gone. */
export function hostSidesByName(
  backend: Backend,
  around: Surroundings,
  names: readonly string[],
): Promise<(Link | undefined)[]> {
  return unlessDeleted(backend, around.kernel.linksByName(backend.netns, names))
}

export function vswitchDeleted(name: string, cause?: unknown): EcdockError {
  return new EcdockError('VSWITCH_NOT_FOUND', 'find vswitch', `vswitch ${name} has been deleted`, {
    hint: '"ecdock-fast ls" shows the vswitches.',
    cause,
  })
}

/** What was read or changed there, or VSWITCH_NOT_FOUND when the namespace of the host sides is gone. */
export async function unlessDeleted<T>(backend: Backend, reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (error) {
    if (!(error instanceof EcdockError) || error.code !== 'TARGET_NOT_FOUND') throw error
    throw vswitchDeleted(backend.name, error)
  }
}
