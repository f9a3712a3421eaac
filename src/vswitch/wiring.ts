import { parseMac } from '../addressing/mac.js'
import { checkMtu, IPV6_MIN_MTU } from '../addressing/mtu.js'
import { type SlotAddress, slotAddress, slotOfMac } from '../addressing/slot.js'
import { EcdockError } from '../errors.js'
import type { ResolvedTarget } from '../target/target.js'
import type { Backend } from './backend.js'
import { checkIfname, hostIfname } from './names.js'
import { checkOptions, noBoolean } from './options.js'
import { type Policing, policing } from './plug-options/policing.js'
import { type PortRoute, portRoutes } from './plug-options/routes.js'
import { disablesIpv6, type PortSysctl, portSysctls } from './plug-options/sysctls.js'
import { type PortVlan, portVlan } from './plug-options/vlan.js'
import { portAlias } from './record.js'
import { checkNics, nics } from './second-nic.js'
import type { PlugRequest, VswitchKind } from './vswitch.js'

export const DEFAULT_MTU = 1500

/** One plug with nothing left open: what goes where, with which addresses. */
export interface Wiring {
  target: ResolvedTarget
  slot: number
  hostIfname: string
  /** A name, or `eth*` for the lowest free one. */
  ifname: string
  mac: string
  mtu: number
  address: SlotAddress
  /** False where the kernel has no IPv6, the MTU is too small for it (RFC 8200 section 5), or a sysctl turns it off. */
  ipv6: boolean
  /** The switch's own address, for the default route; undefined when none is wanted. */
  gateway: string | undefined
  /** The switch makes the device. */
  internal: boolean
  /** There is a second one, and the target bridges both. */
  dualNic: boolean
  /** IFLA_IFALIAS of the host side. */
  alias: string
  /** Undefined for a port that carries every VLAN. */
  vlan: PortVlan | undefined
  policing: Policing | undefined
  routes: readonly PortRoute[]
  sysctls: readonly PortSysctl[]
  /**
   * When to tell the neighbours where the addresses are now: when the interfaces are made, or only when the switch has
   * taken the port in. Undefined: not at all.
   */
  announce: 'made' | 'connected' | undefined
}

const REQUEST_OPTIONS: ReadonlySet<string> = new Set<keyof PlugRequest>([
  'target',
  'slot',
  'ifname',
  'mtu',
  'mac',
  'defaultRoute',
  'internal',
  'dualNic',
  'vlan',
  'trunks',
  'ingressRate',
  'ingressBurst',
  'routes',
  'sysctls',
  'announce',
])

/**
 * Checks what can be checked of a request without looking at anything. Throws USAGE, UNSUPPORTED, IFNAME_INVALID,
 * MTU_INVALID and MAC_INVALID.
 */
export function checkRequest(request: PlugRequest): void {
  checkOptions('plug', request, REQUEST_OPTIONS)
  if (request.ifname !== undefined) checkIfname(request.ifname)
  if (request.ifname?.includes('*')) {
    throw new EcdockError(
      'IFNAME_INVALID',
      'check interface name',
      `interface name ${request.ifname} holds a "*"`,
      {
        hint: 'Give a whole name, or none to get the lowest free of eth0, eth1, …',
      },
    )
  }
  if (request.mtu !== undefined) checkMtu(request.mtu)
  if (request.mac !== undefined) parseMac(request.mac)
  if (request.defaultRoute !== undefined && typeof request.defaultRoute !== 'boolean') {
    throw noBoolean('plug', 'defaultRoute', request.defaultRoute)
  }
  if (request.announce !== undefined && typeof request.announce !== 'boolean') {
    throw noBoolean('plug', 'announce', request.announce)
  }
  if (isPlain(request)) return
  checkNics(request)
  portVlan(request)
  policing(request)
  portRoutes(request)
  portSysctls(request)
}

/** Asks for nothing besides an interface with addresses, as most do: there is nothing more to look at. */
function isPlain(request: PlugRequest): boolean {
  return (
    request.internal === undefined &&
    request.dualNic === undefined &&
    request.vlan === undefined &&
    request.trunks === undefined &&
    request.ingressRate === undefined &&
    request.ingressBurst === undefined &&
    request.routes === undefined &&
    request.sysctls === undefined
  )
}

const PLAIN = {
  internal: false,
  dualNic: false,
  vlan: undefined,
  policing: undefined,
  routes: [],
  sysctls: [],
} satisfies Partial<Wiring>

/** A MAC that was asked for. Throws MAC_TAKEN when it is another slot's by rule, whether or not that holds a port. */
function macFor(slot: number, asked: string, { name, subnet }: Pick<Backend, 'name' | 'subnet'>): string {
  const mac = parseMac(asked)
  // The bridge of a vswitch of kind `bridge` has 52:01 where its host side has 52:00.
  const owner = slotOfMac(subnet, mac.replace(/^52:01/, '52:00'))
  if (owner === subnet.ownSlot) {
    throw new EcdockError('MAC_TAKEN', 'plug', `MAC ${mac} is that of vswitch ${name} itself`, {
      hint: 'Choose another MAC, or give none.',
    })
  }
  if (owner === undefined || owner === slot || mac.startsWith('52:01')) return mac
  throw new EcdockError('MAC_TAKEN', 'plug', `MAC ${mac} belongs to slot ${owner} of ${name}`, {
    hint: `Plug it into slot ${owner}, choose another MAC, or give none.`,
  })
}

/** Throws MAC_TAKEN, UNSUPPORTED for what this kind of vswitch, or this kernel, cannot do, and what the kind's check throws. */
export function wire(
  vswitch: Pick<Backend, 'kind' | 'polices' | 'name' | 'subnet' | 'ipv6Prefix' | 'ovsdb' | 'home' | 'check'>,
  hasIpv6: boolean,
  request: PlugRequest,
  target: ResolvedTarget,
  slot: number,
): Wiring {
  const address = slotAddress(vswitch.subnet, slot, vswitch.ipv6Prefix)
  const mac = request.mac === undefined ? address.mac : macFor(slot, request.mac, vswitch)
  const mtu = request.mtu ?? DEFAULT_MTU
  const ifname = request.ifname ?? 'eth*'
  const settings = isPlain(request) ? PLAIN : settingsOf(vswitch, request, slot)
  const { routes } = settings
  const ipv6 = hasIpv6 && mtu >= IPV6_MIN_MTU && !disablesIpv6(settings.sysctls, ifname)
  checkFamilies(routes, ipv6)
  const routed = routes.some(({ family, destination }) => family === 'ipv4' && destination === 'default')
  const wiring: Wiring = {
    target,
    slot,
    hostIfname: hostIfname(vswitch.name, slot),
    ifname,
    mac,
    mtu,
    address,
    ipv6,
    gateway: routed || request.defaultRoute === false ? undefined : vswitch.subnet.address,
    internal: settings.internal,
    dualNic: settings.dualNic,
    alias: portAlias({
      vswitch: vswitch.name,
      slot,
      mac,
      target: target.label,
      ovsdb: vswitch.ovsdb,
      home: vswitch.home,
    }),
    vlan: settings.vlan,
    policing: settings.policing,
    routes,
    sysctls: settings.sysctls,
    announce: (request.announce ?? mac !== address.mac) ? moment(vswitch.kind) : undefined,
  }
  vswitch.check?.(wiring)
  return wiring
}

/** What a request asks for that not every port has. Throws UNSUPPORTED. */
function settingsOf(vswitch: Pick<Backend, 'kind' | 'polices'>, request: PlugRequest, slot: number) {
  if (vswitch.kind !== 'ovs') checkPlain(vswitch.kind, request)
  if (!vswitch.polices) checkUnlimited(request)
  return {
    ...nics(vswitch.kind, request, slot),
    vlan: portVlan(request),
    policing: policing(request),
    routes: portRoutes(request),
    sysctls: portSysctls(request),
  }
}

/** A Linux bridge and ecdock-switch forward from the moment on at which a port is made; to Open vSwitch it must first be connected. */
function moment(kind: VswitchKind): 'made' | 'connected' {
  return kind === 'ovs' ? 'connected' : 'made'
}

/** On the userspace datapath Open vSwitch takes limits without a word, and heeds none. */
function checkUnlimited({ ingressRate }: PlugRequest): void {
  if (ingressRate === undefined) return
  throw new EcdockError('UNSUPPORTED', 'plug', 'the userspace datapath cannot have ingressRate', {
    hint: "Use a vswitch of kind ovs with the kernel's datapath for that.",
  })
}

/** VLANs and limits are settings of Open vSwitch's ports. */
function checkPlain(kind: VswitchKind, request: PlugRequest): void {
  for (const option of ['vlan', 'trunks', 'ingressRate', 'ingressBurst'] as const) {
    if (request[option] === undefined) continue
    throw new EcdockError('UNSUPPORTED', 'plug', `a port of kind ${kind} cannot have ${option}`, {
      hint: 'Use a vswitch of kind ovs for that.',
    })
  }
}

function checkFamilies(routes: readonly PortRoute[], ipv6: boolean): void {
  const route = ipv6 ? undefined : routes.find(({ family }) => family === 'ipv6')
  if (route === undefined) return
  const message = `there is no route to ${route.destination}: the interface will have no IPv6`
  throw new EcdockError('UNSUPPORTED', 'plug', message, {
    hint: `It needs a kernel with IPv6, an MTU of at least ${IPV6_MIN_MTU} bytes, and disable_ipv6 to be 0.`,
  })
}
