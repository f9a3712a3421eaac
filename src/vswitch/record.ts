import { DEFAULT_IPV6_PREFIX, parseIpv6Prefix } from '../addressing/ipv6-prefix.js'
import { parseSubnet } from '../addressing/subnet.js'
import { EcdockError } from '../errors.js'
import { checkVswitchName } from './names.js'

/**
 * What marks an interface as ours, kept in its IFLA_IFALIAS: words that people can read in `ip link`, such as
 * `ecdock-fast port vswitch=br0 slot=1 ifname=eth0 netns=4026532247 mac=52:00:0a:00:00:01 target=pid:77`.
 * The kernel holds 255 bytes (IFALIASZ - 1 in linux/if.h).
 */
export interface PortRecord {
  vswitch: string
  slot: number
  ifname: string
  netnsId: number
  mac: string
  /** What was plugged in, as people name it; cut when it is too long. */
  target: string
  /** Kind `ovs`: the database that the vswitch is in, as {@link databaseMark} names it. */
  ovsdb?: string | undefined
  /** Kind `vde`: the vswitch, as {@link VswitchRecord.home} names it. */
  home?: string | undefined
}

export interface VswitchRecord {
  name: string
  /** As `10.0.0.254/24`. */
  subnet: string
  ipv6Prefix: string
  /**
   * Kind `vde`: eight hexadecimal digits that no other vswitch of this name on the machine has, with files elsewhere, or
   * in another mount namespace. Undefined for one that was made before there were such.
   */
  home?: string | undefined
}

/** The IFLA_GROUP of every link of ours ("ecdk"), so that they can be told apart at a glance. */
export const LINK_GROUP = 0x6563_646b

const MARK = 'ecdock-fast'
const ALIAS_BYTES = 255

/** What the alias of the port in this slot begins with, and no other link's. */
export function portMark(vswitch: string, slot: number, home?: string): string {
  return `${MARK} port vswitch=${vswitch} slot=${slot}${homeWord(home)} ifname=`
}

/**
 * The alias of a port that is about to be made. The addon fills in `{ifname}` and `{netns}`, which are
 * chosen only then.
 */
export function portAlias(record: Omit<PortRecord, 'ifname' | 'netnsId'>): string {
  const room = { ifname: 15 - '{ifname}'.length, netns: 20 - '{netns}'.length }
  const database = record.ovsdb === undefined ? '' : `ovsdb=${record.ovsdb} `
  const head =
    `${portMark(record.vswitch, record.slot, record.home)}{ifname} netns={netns} ` +
    `mac=${record.mac} ${database}target=`
  return head + cut(encoded(record.target), ALIAS_BYTES - head.length - room.ifname - room.netns)
}

/** The alias as it is on the interface when it is made. */
export function filledAlias(wiring: { alias: string }, port: { ifname: string; netnsId: number }): string {
  return wiring.alias.replace('{ifname}', port.ifname).replace('{netns}', String(port.netnsId))
}

/** The record of a port's alias, undefined when the interface is not a port of ours. */
export function parsePortAlias(alias: string): PortRecord | undefined {
  const words = parse(alias, 'port')
  if (words === undefined) return undefined
  const slot = Number(words.get('slot'))
  const vswitch = words.get('vswitch')
  if (vswitch === undefined || !Number.isSafeInteger(slot)) return undefined
  return {
    vswitch,
    slot,
    ifname: words.get('ifname') ?? '',
    netnsId: Number(words.get('netns')) || 0,
    mac: words.get('mac') ?? '',
    target: decode(words.get('target') ?? ''),
    ovsdb: words.get('ovsdb'),
    home: words.get('home'),
  }
}

/** The alias of what stays of a slot when nothing is plugged in, and what it begins with. */
export function slotAlias(vswitch: string, slot: number, ovsdb: string | undefined): string {
  return `${MARK} slot vswitch=${vswitch} slot=${slot}${ovsdb === undefined ? '' : ` ovsdb=${ovsdb}`}`
}

/** The record of such an alias, undefined for every other. */
export function parseSlotAlias(
  alias: string,
): { vswitch: string; slot: number; ovsdb: string | undefined } | undefined {
  const words = parse(alias, 'slot')
  const vswitch = words?.get('vswitch')
  const slot = Number(words?.get('slot'))
  if (vswitch === undefined || !Number.isSafeInteger(slot)) return undefined
  return { vswitch, slot, ovsdb: words?.get('ovsdb') }
}

/** The alias of the loopback in the namespace that holds the slots of a vswitch of kind `ovs`. */
export function slotsAlias(vswitch: string, ovsdb: string | undefined): string {
  return `${MARK} slots vswitch=${vswitch}${ovsdb === undefined ? '' : ` ovsdb=${ovsdb}`}`
}

/** The record of such an alias, undefined for every other. */
export function parseSlotsAlias(alias: string): { vswitch: string; ovsdb: string | undefined } | undefined {
  const words = parse(alias, 'slots')
  const vswitch = words?.get('vswitch')
  return vswitch === undefined ? undefined : { vswitch, ovsdb: words?.get('ovsdb') }
}

/** The alias of the loopback in the namespace of a vswitch of kind `bridge`, and of the switch's own links. */
export function vswitchAlias({ name, subnet, ipv6Prefix, home }: VswitchRecord): string {
  return `${MARK} vswitch name=${name} subnet=${subnet} ipv6-prefix=${ipv6Prefix}${homeWord(home)}`
}

/** The alias of that loopback as long as the vswitch is not whole. */
export function unfinishedAlias(name: string): string {
  return `${MARK} unfinished vswitch=${name}`
}

/** The record of a vswitch's alias, undefined when it is none of ours. */
export function parseVswitchAlias(alias: string): VswitchRecord | undefined {
  const words = parse(alias, 'vswitch')
  const record = words && vswitchRecord(words.get('name'), words.get('subnet'), words.get('ipv6-prefix'))
  const home = words?.get('home')
  return record === undefined || home === undefined ? record : { ...record, home }
}

/**
 * The record that these words make, undefined when they make none: somebody may have changed them by hand, and that
 * must not keep the other vswitches from being found.
 */
export function vswitchRecord(
  name: string | undefined,
  subnet: string | undefined,
  ipv6Prefix = DEFAULT_IPV6_PREFIX,
): VswitchRecord | undefined {
  if (name === undefined || subnet === undefined) return undefined
  try {
    checkVswitchName(name, parseSubnet(subnet))
    return { name, subnet, ipv6Prefix: parseIpv6Prefix(ipv6Prefix) }
  } catch {
    return undefined
  }
}

function homeWord(home: string | undefined): string {
  return home === undefined ? '' : ` home=${home}`
}

function parse(alias: string, kind: string): Map<string, string> | undefined {
  const [mark, what, ...rest] = alias.split(' ')
  if (mark !== MARK || what !== kind) return undefined
  return new Map(rest.map((word) => splitAt(word, word.indexOf('='))))
}

function splitAt(word: string, at: number): [string, string] {
  return at < 0 ? [word, ''] : [word.slice(0, at), word.slice(at + 1)]
}

function cut(text: string, bytes: number): string {
  if (bytes < 0) throw new EcdockError('INTERNAL', 'alias', 'the alias leaves no room for the target')
  // Not within an escaped byte: what is left must still decode.
  return text.length <= bytes
    ? text
    : text
        .slice(0, bytes - 1)
        .replace(/%[0-9A-F]?$/, '')
        .concat('~')
}

/** Without white space, and in ASCII. */
function encoded(text: string): string {
  return /^[\w:/.-]*$/.test(text) ? text : encodeURI(text)
}

function decode(text: string): string {
  try {
    return decodeURI(text)
  } catch {
    return text
  }
}
