import { EcdockError } from '../errors.js'

/** The error for a line of a configuration file that cannot be used. */
export function malformed(path: string, line: number, why: string, hint?: string): EcdockError {
  return new EcdockError('USAGE', 'configuration', `${path}, line ${line}: ${why}`, {
    hint: hint ?? 'docs/configuration.md describes every key.',
  })
}
