/**
 * The IPv6 address that an interface of this MAC gives itself: fe80::/64 and the MAC as a modified EUI-64 (RFC 4291
 * section 2.5.1 and appendix A). `mac` is what parseMac gave. In canonical form (RFC 5952), such as `fe80::5000:aff:fe00:1`.
 */
export function linkLocal(mac: string): string {
  const bytes = mac.split(':').map((byte) => Number.parseInt(byte, 16))
  const [first = 0, second = 0, third = 0, fourth = 0, fifth = 0, sixth = 0] = bytes
  // The "universal/local" bit is inverted.
  const groups = [((first ^ 2) << 8) | second, (third << 8) | 0xff, 0xfe00 | fourth, (fifth << 8) | sixth]
  // The middle two are never zero, and neither a lone zero nor one beside fe80:: is worth `::` of its own.
  const texts = groups.map((group) => group.toString(16))
  return texts[0] === '0' ? `fe80::${texts.slice(1).join(':')}` : `fe80::${texts.join(':')}`
}
