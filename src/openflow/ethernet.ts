import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'

/** The six bytes of an address such as `52:00:0a:00:00:01`; group addresses, too. Throws MAC_INVALID. */
export function addressBytes(text: string): Buffer {
  if (typeof text !== 'string' || !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) {
    throw new EcdockError(
      'MAC_INVALID',
      'openflow',
      `MAC address ${quoted(text)} is not six pairs of hexadecimal digits with colons between them`,
      { hint: 'Give an address such as 52:00:0a:00:00:01.' },
    )
  }
  return Buffer.from(text.replaceAll(':', ''), 'hex')
}

/** The address at this offset, in lower case. */
export function addressText(bytes: Buffer, at: number): string {
  return bytes.toString('hex', at, at + 6).replace(/..(?!$)/g, '$&:')
}
