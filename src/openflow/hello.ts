import { VERSION } from './message.js'

/** Type of the hello element that holds a bitmap of versions (OpenFlow 1.3.1, section A.5.1). */
const VERSION_BITMAP = 1

/**
 * Whether a peer that says HELLO like this speaks OpenFlow 1.0: by its bitmap of versions when it sends one,
 * else by the version of the message, which is its highest (OpenFlow 1.0.0, section 5.5.1). What is malformed
 * in the body is passed over, as the standard asks.
 */
export function speaksOurVersion(version: number, body: Buffer): boolean {
  for (let at = 0; at + 4 <= body.length; ) {
    const type = body.readUInt16BE(at)
    const length = body.readUInt16BE(at + 2)
    if (length < 4 || at + length > body.length) break
    if (type === VERSION_BITMAP && length >= 8) return (body.readUInt32BE(at + 4) & (1 << VERSION)) !== 0
    at += Math.ceil(length / 8) * 8
  }
  return version >= VERSION
}
