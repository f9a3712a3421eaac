import * as assert from 'uvu/assert'
import { EcdockError, type ErrorCode } from '../../src/errors.js'

/**
 * Waits for a promise that must be rejected with an EcdockError of this code, and gives the error. It may be awaited
 * later: when the test fails before, it is told why it has failed, and not that nobody has waited for this.
 */
export function refusal(promise: Promise<unknown>, code: ErrorCode): Promise<EcdockError> {
  const refused = judged(promise, code)
  refused.catch(() => {})
  return refused
}

async function judged(promise: Promise<unknown>, code: ErrorCode): Promise<EcdockError> {
  try {
    await promise
  } catch (error) {
    if (error instanceof EcdockError) {
      assert.is(error.code, code, `${error.code} in place of ${code}: ${error.message}`)
      return error
    }
    throw error
  }
  return assert.unreachable(`nothing was thrown, and not ${code}`) as never
}

/** Runs what must throw an EcdockError of this code, with words that match, and gives the error. */
export function refuses(code: ErrorCode, words: RegExp, run: () => unknown): EcdockError {
  try {
    run()
  } catch (error) {
    if (!(error instanceof EcdockError)) throw error
    assert.is(error.code, code, `${error.code} in place of ${code}: ${error.message}`)
    assert.match(error.message, words)
    return error
  }
  return assert.unreachable(`nothing was thrown, and not ${code}`) as never
}
