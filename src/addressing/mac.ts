import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'

/**
 * Reads the MAC address of one interface, such as `52:00:0a:00:00:01`, and gives it in lower case. Throws
 * MAC_INVALID, also for group addresses and for all zeros, which the kernel does not take either
 * (is_valid_ether_addr in linux/etherdevice.h).
 */
export function parseMac(text: string): string {
  if (typeof text !== 'string' || !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) {
    throw invalid(text, 'is not six pairs of hexadecimal digits with colons between them')
  }
  const mac = text.toLowerCase()
  if (mac === '00:00:00:00:00:00') throw invalid(text, 'is all zeros, which belongs to no interface')
  if ((Number.parseInt(mac.slice(0, 2), 16) & 1) === 1) {
    throw invalid(
      text,
      'is a group address (the lowest bit of its first byte is set), which no interface can have',
    )
  }
  return mac
}

function invalid(text: unknown, why: string): EcdockError {
  return new EcdockError('MAC_INVALID', 'parse MAC', `MAC address ${quoted(text)} ${why}`, {
    hint: 'Give an address such as 52:00:0a:00:00:01.',
  })
}
