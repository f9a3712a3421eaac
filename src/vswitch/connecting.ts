import { asEcdockError, EcdockError } from '../errors.js'
import { announceAll } from './announcing.js'
import type { Backend, Connection, MadePort, Surroundings } from './backend.js'
import { filledAlias } from './record.js'

/** Ports that are connected to the switch in one go, each taken in when it has been made. */
export class Connecting {
  readonly #backend: Backend
  readonly #around: Surroundings
  readonly #connection: Connection | undefined
  readonly #made: MadePort[] = []

  constructor(backend: Backend, around: Surroundings) {
    this.#backend = backend
    this.#around = around
    this.#connection = backend.connection?.()
  }

  add(made: readonly MadePort[]): void {
    this.#made.push(...made)
    this.#connection?.add(made)
  }

  /**
   * Connects them, and takes down again what could not be connected; what went wrong, by port. To be called once when
   * something was added.
   */
  async finish(signal: AbortSignal | undefined): Promise<ReadonlyMap<MadePort, EcdockError>> {
    const errors = await this.#connect(signal)
    await announce(
      this.#around,
      this.#made.filter((port) => !errors.has(port)),
      errors,
    )
    const failed = this.#made.filter((port) => errors.has(port))
    const left = await takeDown(this.#backend, this.#around, failed)
    if (left !== undefined) for (const [port, error] of errors) errors.set(port, withRest(error, left))
    return errors
  }

  async #connect(signal: AbortSignal | undefined): Promise<Map<MadePort, EcdockError>> {
    const all = (error: EcdockError) => new Map(this.#made.map((port) => [port, error]))
    if (this.#connection === undefined) return signal?.aborted === true ? all(cancelled()) : new Map()
    try {
      return new Map(await this.#connection.finish(signal))
    } catch (error) {
      return all(asEcdockError(error, 'plug'))
    }
  }
}

/** Tells the neighbours of these ports, and adds what went wrong with that. */
async function announce(
  around: Surroundings,
  connected: readonly MadePort[],
  errors: Map<MadePort, EcdockError>,
): Promise<void> {
  for (const [at, error] of (await announceAll(around, connected)).entries()) {
    const port = connected[at]
    if (port !== undefined && error !== undefined) errors.set(port, error)
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
