import { EcdockError } from '../errors.js'

/** What `docker attach` leaves a console with (docker-attach(1)). */
export const DEFAULT_DETACH_KEYS = 'ctrl-p,ctrl-q'

/** Longer than anybody types; what is held back while waiting for the next key stays as short. */
const MOST_KEYS = 16

/**
 * The bytes of a key sequence as `docker attach --detach-keys` writes it: keys with commas between them, each
 * one character or `ctrl-` and one of a to z, @ [ \ ] ^ _ (docker-attach(1)). Throws USAGE.
 */
export function parseDetachKeys(text: string): Uint8Array {
  const keys = text.split(',')
  if (keys.length > MOST_KEYS) throw invalid(text, `at most ${MOST_KEYS} keys`)
  return Uint8Array.from(keys, (key) => parseKey(key, text))
}

function parseKey(key: string, text: string): number {
  const control = /^ctrl-([a-z@[\\\]^_])$/i.exec(key)?.[1]
  if (control !== undefined) return control.toUpperCase().charCodeAt(0) & 0x1f
  if (key === 'DEL') return 0x7f
  if (/^[\x20-\x7e]$/.test(key)) return key.charCodeAt(0)
  throw invalid(text, `${JSON.stringify(key)} is no key`)
}

function invalid(text: string, why: string): EcdockError {
  return new EcdockError('USAGE', 'attach', `cannot read the detach keys ${JSON.stringify(text)}: ${why}`, {
    hint: `Keys are written as in ${DEFAULT_DETACH_KEYS}: a character, or ctrl- and a letter.`,
  })
}

/** Watches what is typed for the detach keys, wherever the chunks are cut. */
export class DetachFilter {
  readonly #keys: Uint8Array
  /** How many of the keys have been typed so far; they are held back. */
  #held = 0

  constructor(keys: Uint8Array) {
    this.#keys = keys
  }

  /** What of the chunk is for the container; `detach` when the sequence is complete, which ends the typing. */
  push(chunk: Uint8Array): { forward: Uint8Array; detach: boolean } {
    const forward: number[] = []
    for (const byte of chunk) {
      this.#held = this.#advance(byte, forward)
      if (this.#held === this.#keys.length) return { forward: Uint8Array.from(forward), detach: true }
    }
    return { forward: Uint8Array.from(forward), detach: false }
  }

  /** Lets go of held keys until those left over, with this byte, are a beginning of the sequence again. */
  #advance(byte: number, forward: number[]): number {
    const typed = [...this.#keys.subarray(0, this.#held), byte]
    for (let skipped = 0; skipped < typed.length; skipped++) {
      const rest = typed.slice(skipped)
      if (rest.every((key, index) => key === this.#keys[index])) {
        forward.push(...typed.slice(0, skipped))
        return rest.length
      }
    }
    forward.push(...typed)
    return 0
  }
}
