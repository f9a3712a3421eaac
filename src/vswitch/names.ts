import type { Subnet } from '../addressing/subnet.js'
import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'

/** Bytes that an interface name can have: IFNAMSIZ of linux/if.h without the closing NUL. */
const IFNAME_BYTES = 15
const NETNS_PREFIX = 'ecdock-'
/** No interface can be called so (sysctl_dev_name_is_allowed in include/net/ip.h). */
const SYSCTL_NAMES: readonly string[] = ['all', 'default']

/**
 * Passes the name of a vswitch on this subnet. It becomes part of interface names (`NAME-s254`), of a
 * namespace's name and of OVSDB rows, so it is made of letters, digits, `.`, `_` and `-`, begins with a
 * letter, and leaves room for `-s` and the digits of the highest slot within 15 bytes. Throws NAME_INVALID,
 * which says how long it may be.
 */
export function checkVswitchName(name: string, subnet: Subnet): void {
  const room = IFNAME_BYTES - hostIfname('', subnet.lastSlot).length
  const hint = `Give a name of 1 to ${room} characters, such as ovs0.`
  if (typeof name !== 'string' || !/^[A-Za-z][A-Za-z0-9._-]*$/.test(name)) {
    throw new EcdockError(
      'NAME_INVALID',
      'check name',
      `vswitch name ${quoted(name)} must begin with a letter and hold only letters, digits, ".", "_" and "-"`,
      { hint },
    )
  }
  if (SYSCTL_NAMES.includes(name)) {
    throw new EcdockError(
      'NAME_INVALID',
      'check name',
      `vswitch name ${quoted(name)} means all interfaces in /proc/sys/net`,
      { hint },
    )
  }
  if (name.length > room) {
    throw new EcdockError(
      'NAME_INVALID',
      'check name',
      `vswitch name ${quoted(name)} has ${name.length} characters and may have ${room}: its interfaces are ` +
        `called NAME-s${subnet.lastSlot} at most, and an interface name has at most ${IFNAME_BYTES} bytes`,
      { hint },
    )
  }
}

/**
 * Passes the name of a network interface: the kernel's own rule (dev_valid_name in net/core/dev.c: 1 to 15
 * bytes, not `.` or `..`, no `/`, `:` or white space), and besides that printable ASCII only, and no `%`,
 * which the kernel would replace by a number. Throws IFNAME_INVALID.
 */
export function checkIfname(name: string): void {
  const bytes = typeof name === 'string' ? Buffer.byteLength(name) : 0
  const why = ifnameFault(name, bytes)
  if (why === undefined) return
  throw new EcdockError('IFNAME_INVALID', 'check interface name', `interface name ${quoted(name)} ${why}`, {
    hint: `Give a name of 1 to ${IFNAME_BYTES} bytes, such as eth0.`,
  })
}

function ifnameFault(name: unknown, bytes: number): string | undefined {
  if (typeof name !== 'string') return 'is not text'
  if (bytes === 0) return 'is empty'
  if (bytes > IFNAME_BYTES) return `has ${bytes} bytes and may have ${IFNAME_BYTES}`
  if (name === '.' || name === '..') return 'means a directory'
  if (!/^[\x21-\x7e]*$/.test(name)) return 'holds white space or characters that are not printable ASCII'
  if (SYSCTL_NAMES.includes(name)) return 'means all interfaces in /proc/sys/net'
  if (/[/:%]/.test(name)) return 'holds a "/", ":" or "%"'
  return undefined
}

/** Name of a port's interface on the host's side, such as `ovs0-s7`. */
export function hostIfname(vswitch: string, slot: number): string {
  return `${vswitch}-s${slot}`
}

/** The slot of a name that {@link hostIfname} made for this vswitch; undefined for every other name. */
export function slotOfHostIfname(vswitch: string, name: string): number | undefined {
  const prefix = hostIfname(vswitch, 0).slice(0, -1)
  if (!name.startsWith(prefix)) return undefined
  const digits = name.slice(prefix.length)
  return /^[1-9]\d{0,9}$/.test(digits) ? Number(digits) : undefined
}

/** Names of what stays of a slot of Open vSwitch when nothing is plugged in (ovs/standing-ports.ts). */
export function standingNames(vswitch: string, slot: number): StandingNames {
  return { port: `${vswitch}-p${slot}`, inner: `${vswitch}-u${slot}`, bridge: `${vswitch}-b${slot}` }
}

/** The slot of a name that {@link standingNames} made for this vswitch; undefined for every other name. */
export function slotOfStandingName(vswitch: string, name: string): number | undefined {
  if (!name.startsWith(`${vswitch}-`)) return undefined
  const digits = /^[pub]([1-9]\d{0,9})$/.exec(name.slice(vswitch.length + 1))?.[1]
  return digits === undefined ? undefined : Number(digits)
}

export interface StandingNames {
  /** The port of Open vSwitch, in its own namespace. */
  port: string
  /** Its other end, in the vswitch's namespace. */
  inner: string
  /** What connects that end to the one of the target's pair. */
  bridge: string
}

/** Name of the namespace that a vswitch of kind `bridge` lives in, such as `ecdock-br0`. */
export function vswitchNetns(name: string): string {
  return `${NETNS_PREFIX}${name}`
}
