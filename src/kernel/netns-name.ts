import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'

const NETNS_NAME_BYTES = 64

/**
 * Passes the name of a namespace, which is a file name under /run/netns: 1 to 64 bytes without `/` and NUL,
 * neither `.` nor `..`, printable. Throws NAME_INVALID.
 */
export function checkNetnsName(name: string): void {
  const why = netnsNameFault(name)
  if (why === undefined) return
  throw new EcdockError('NAME_INVALID', 'check namespace name', `namespace name ${quoted(name)} ${why}`, {
    hint: `Give a name of 1 to ${NETNS_NAME_BYTES} bytes, such as blue.`,
  })
}

function netnsNameFault(name: unknown): string | undefined {
  if (typeof name !== 'string') return 'is not text'
  if (name === '') return 'is empty'
  if (Buffer.byteLength(name) > NETNS_NAME_BYTES) {
    return `has ${Buffer.byteLength(name)} bytes and may have ${NETNS_NAME_BYTES}`
  }
  if (name === '.' || name === '..') return 'means a directory'
  if (name.includes('/')) return 'holds a "/"'
  if (/\p{C}/u.test(name)) return 'holds characters that cannot be printed'
  return undefined
}
