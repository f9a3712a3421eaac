/**
 * How many times slower than usual the machine may be before a test gives up waiting: the environment variable
 * ECDOCK_TEST_PATIENCE, 1 by default. An emulated machine needs more.
 */
const FACTOR = factorOf(process.env.ECDOCK_TEST_PATIENCE)

/** How long to wait here for what takes at most `ms` on a machine of today. */
export function patience(ms: number): number {
  return ms * FACTOR
}

/** For `ovsTimeoutMs` of a Host: as long as by default, and longer where all is slower. */
export const OVS_TIMEOUT_MS = patience(30_000)

function factorOf(text = ''): number {
  if (text === '') return 1
  const factor = Number(text)
  if (!(factor >= 1 && factor <= 100)) {
    throw new Error(`ECDOCK_TEST_PATIENCE is '${text}', and not a number from 1 to 100`)
  }
  return factor
}
