import { asEcdockError, EcdockError } from '../errors.js'
import { announceAll } from './announcing.js'
import type { Backend, MadePort, Surroundings } from './backend.js'
import { filledAlias } from './record.js'

/**
 * Connects made ports to the switch, and takes down again what could not be connected. One answer for each: what went
 * wrong with it, or undefined.
 */
export async function connectAll(
  backend: Backend,
  around: Surroundings,
  made: readonly MadePort[],
  signal: AbortSignal | undefined,
): Promise<(EcdockError | undefined)[]> {
  const errors = await announced(around, made, await attempt(backend, made, signal))
  const left = await takeDown(
    backend,
    around,
    made.filter((_, at) => errors[at] !== undefined),
  )
  if (left === undefined) return errors
  return errors.map((error) => (error === undefined ? undefined : withRest(error, left)))
}

/** The errors, and those of telling the neighbours of the ports that have none. */
async function announced(
  around: Surroundings,
  made: readonly MadePort[],
  errors: readonly (EcdockError | undefined)[],
): Promise<(EcdockError | undefined)[]> {
  const connected = made.filter((_, at) => errors[at] === undefined)
  const told = new Map((await announceAll(around, connected)).map((error, at) => [connected[at], error]))
  return made.map((port, at) => errors[at] ?? told.get(port))
}

async function attempt(
  backend: Backend,
  made: readonly MadePort[],
  signal: AbortSignal | undefined,
): Promise<(EcdockError | undefined)[]> {
  if (signal?.aborted === true) return made.map(cancelled)
  if (backend.connect === undefined) return made.map(() => undefined)
  try {
    return await backend.connect(made, signal)
  } catch (error) {
    return made.map(() => asEcdockError(error, 'plug'))
  }
}

/** Takes the interfaces down again, as far as they are still those that were made; what went wrong, if anything. */
export async function takeDown(
  backend: Backend,
  around: Surroundings,
  made: readonly MadePort[],
): Promise<EcdockError | undefined> {
  if (made.length === 0) return undefined
  const sides = made.map(({ wiring, port }) => ({ slot: wiring.slot, mark: filledAlias(wiring, port) }))
  try {
    const removals = await backend.places.remove(around, sides)
    return removals.find((removal) => removal instanceof EcdockError)
  } catch (error) {
    return asEcdockError(error, 'plug')
  }
}

function withRest(error: EcdockError, { message }: EcdockError): EcdockError {
  const { code, op, errno, kernelMessage } = error
  return new EcdockError(code, op, `${error.message}; its interface could not be removed: ${message}`, {
    errno,
    kernelMessage,
    hint: 'Run "ecdock-fast cleanup".',
    cause: error,
  })
}

export function cancelled(): EcdockError {
  return new EcdockError('CANCELLED', 'plug', 'the plug was cancelled; nothing of it is left')
}
