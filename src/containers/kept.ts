import { EcdockError } from '../errors.js'
import type { RestartOptions } from './slot-container.js'

/** Throws USAGE when a restart without an image asks for what only a new container can have. */
export function checkNothingNew(options: RestartOptions): void {
  const { signal: _signal, timeoutSeconds: _timeoutSeconds, args = [], ...others } = options
  const asked = Object.entries({ ...others, ...(args.length > 0 && { args }) })
  const [name] = asked.find(([, value]) => value !== undefined) ?? []
  if (name === undefined) return
  throw new EcdockError('USAGE', 'restart', `${name} needs an image`, {
    hint: 'A container keeps what it was started with; name an image to start another one.',
  })
}
