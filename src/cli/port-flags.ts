import { Option } from 'commander'
import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'
import type { PlugOptions, PlugRoute, PortSettings } from '../vswitch/vswitch.js'
import { parseWhole } from './values.js'

/** What is said of the port that a plug makes, besides its place and its addresses. */
export interface PortFlags {
  vlan?: number
  trunks?: number[]
  ingressRate?: number
  ingressBurst?: number
  route?: PlugRoute[]
  sysctl?: [string, string][]
  announce?: boolean
}

const HIGHEST_VLAN = 4094
const MOST_KBIT = 999_999_999

/** What its device is like, which Open vSwitch can make itself. */
export interface NicFlags {
  internal?: boolean
  dualNic?: boolean
}

export function nicFlags(): Option[] {
  return [
    new Option('--internal', 'kind ovs: a device of Open vSwitch in place of a pair of interfaces'),
    new Option('--dual-nic', 'kind ovs: eth0 and eth1, bridged in the target, which are not flooded to'),
  ]
}

/** The same as options of a plug. */
export function nicOptions({ internal, dualNic }: NicFlags): Pick<PlugOptions, 'internal' | 'dualNic'> {
  return { ...(internal !== undefined && { internal }), ...(dualNic !== undefined && { dualNic }) }
}

export function portFlags(): Option[] {
  return [
    new Option('--vlan <ID>', 'kind ovs: the VLAN that it is in, without a tag on its frames').argParser(
      parseVlan,
    ),
    new Option('--trunks <IDS>', 'kind ovs: the VLANs that it carries with tags, such as 10,20-29').argParser(
      parseVlans,
    ),
    new Option('--ingress-rate <KBIT>', 'kind ovs: what the target can send at most, in kbit/s').argParser(
      (text) => parseWhole(text, 'rate', 1, MOST_KBIT),
    ),
    new Option(
      '--ingress-burst <KBIT>',
      'what it can send at once beyond that, in kbit (default: 8000)',
    ).argParser((text) => parseWhole(text, 'burst', 1, MOST_KBIT)),
    new Option(
      '--route <TO=VIA>',
      'a route for the target, such as 10.9.0.0/16=10.0.0.9; can be repeated',
    ).argParser(collected(parseRoute)),
    new Option(
      '--sysctl <KEY=VALUE>',
      'in the target, such as net.ipv4.ip_forward=1; IFNAME is the interface; can be repeated',
    ).argParser(collected(parseSysctl)),
    new Option('--announce', "tell the neighbours the MAC at once (default: if it is not the slot's own)"),
    new Option('--no-announce', 'leave it to the neighbours to find out'),
  ]
}

/** The same as options of a plug. */
export function portOptions(flags: PortFlags): PortSettings {
  const { vlan, trunks, ingressRate, ingressBurst, route: routes, sysctl, announce } = flags
  return {
    ...(vlan !== undefined && { vlan }),
    ...(trunks !== undefined && { trunks }),
    ...(ingressRate !== undefined && { ingressRate }),
    ...(ingressBurst !== undefined && { ingressBurst }),
    ...(routes !== undefined && { routes }),
    ...(sysctl !== undefined && { sysctls: Object.fromEntries(sysctl) }),
    ...(announce !== undefined && { announce }),
  }
}

function parseVlan(text: string): number {
  return parseWhole(text, 'VLAN', 1, HIGHEST_VLAN)
}

/** `10,20-29` */
function parseVlans(text: string): number[] {
  return text.split(',').flatMap((range) => {
    const [low = '', high = low, ...rest] = range.split('-')
    const first = parseVlan(low)
    const last = parseVlan(high)
    if (rest.length > 0 || last < first) {
      throw usage(`${quoted(range)} is neither a VLAN nor a range of VLANs`, 'Write 10, 20-29 or 10,20-29.')
    }
    return Array.from({ length: last - first + 1 }, (_, at) => first + at)
  })
}

function parseRoute(text: string): PlugRoute {
  const [to = '', via = '', ...rest] = text.split('=')
  if (to !== '' && via !== '' && rest.length === 0) return { to, via }
  throw usage(
    `${quoted(text)} is no route`,
    'Write --route 10.9.0.0/16=10.0.0.9 or --route default=10.0.0.9.',
  )
}

function parseSysctl(text: string): [string, string] {
  const at = text.indexOf('=')
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)]
  throw usage(`${quoted(text)} is no setting`, 'Write --sysctl net.ipv4.ip_forward=1.')
}

function collected<T>(parse: (text: string) => T): (text: string, before: T[] | undefined) => T[] {
  return (text, before) => [...(before ?? []), parse(text)]
}

function usage(message: string, hint: string): EcdockError {
  return new EcdockError('USAGE', 'command line', message, { hint })
}
