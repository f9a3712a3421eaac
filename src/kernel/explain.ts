import { quoted } from '../quoted.js'
import type {
  AddressStep,
  AdoptStep,
  AnnounceStep,
  BridgeStep,
  LinkStep,
  NamespaceStep,
  RouteStep,
  Step,
  SysctlStep,
  TapStep,
  VacantStep,
  VethStep,
} from './plan.js'
import { shellQuote } from './shell-quote.js'

/**
 * The steps of a plan as the commands of iproute2, ethtool and sysctl that do the same, in the same order,
 * one command a line, for a POSIX shell. What only a plan can do (check, and do nothing then) becomes a
 * comment. Where a step chooses the lowest free of `eth*`, the commands choose it too.
 */
export function explainSteps(steps: readonly Step[]): string[] {
  const names = new Names(steps)
  return steps.flatMap((step) => explainStep(step, names))
}

function explainStep(step: Step, names: Names): string[] {
  switch (step.op) {
    case 'veth':
      return veth(step, names)
    case 'tap':
      return tap(step, names)
    case 'adopt':
      return [adopt(step, names)]
    case 'bridge':
      return bridge(step, names)
    case 'link':
      return [`${ip(step.netns)} link set dev ${names.word(step.name)}${settings(step, names)}`]
    case 'address':
      return [address(step, names)]
    case 'route':
      return [route(step, names)]
    case 'tx-checksum-off':
      return [`${inside(step.netns)}ethtool -K ${names.word(step.name)} tx off`]
    case 'sysctl':
      return [sysctl(step, names)]
    case 'netns':
      return namespace(step, names)
    case 'ready':
      return [`# wait until frames pass through ${quoted(step.name)}`]
    case 'announce':
      return announce(step, names)
    case 'vacant':
      return vacant(step, names)
    case 'meet':
      return []
    case 'alive':
      return [`# stop here if ${quoted(step.netns)} is another namespace by now than at the start`]
  }
}

/** As the addon makes every veth (put_queues in native/netlink/link.cpp). */
const ONE_QUEUE = ' numtxqueues 1 numrxqueues 1'

/** The kernel takes no alias when it creates a link (rtnl_create_link in net/core/rtnetlink.c). */
function veth(step: VethStep, names: Names): string[] {
  const { peer } = step
  const where = peer.netns === step.netns ? '' : ` netns ${namespaceWord(peer.netns)}`
  const up = step.up === false ? undefined : true
  const lines = [
    `${ip(step.netns)} link add name ${names.word(step.name)}${settings({ ...step, up, alias: undefined }, names)}${ONE_QUEUE}` +
      ` type veth peer name ${names.word(peer.name)}${settings({ ...peer, alias: undefined }, names)}${ONE_QUEUE}${where}`,
  ]
  if (step.alias !== undefined) lines.push(alias(step.netns, names.word(step.name), names.alias(step.alias)))
  if (peer.alias !== undefined) lines.push(alias(peer.netns, names.word(peer.name), names.alias(peer.alias)))
  return lines
}

/** iproute2's tuntap makes it persistent; to read from it and write to it is what the switch does. */
function tap(step: TapStep, names: Names): string[] {
  const { netns, port, vde, mark } = step
  const name = names.word(step.name)
  const made = settings({ ...step, alias: undefined }, names)
  const lines = mark === undefined ? [`${ip(netns)} tuntap add mode tap vnet_hdr name ${name}`] : []
  if (mark === undefined && made !== '') lines.push(`${ip(netns)} link set dev ${name}${made}`)
  if (mark === undefined && step.alias !== undefined) {
    lines.push(alias(netns, name, names.alias(step.alias)))
  }
  const where = vde === undefined ? `port ${port} of the switch` : `the VDE switch at ${quoted(vde)}`
  lines.push(`# open ${quoted(step.name)} there, and hand it over for ${where}`)
  return lines
}

function bridge(step: BridgeStep, names: Names): string[] {
  const name = names.word(step.name)
  const made = settings({ ...step, up: true, alias: undefined }, names)
  const lines = [`${ip(step.netns)} link add name ${name}${made} type bridge mcast_snooping 0`]
  if (step.alias !== undefined) lines.push(alias(step.netns, name, names.alias(step.alias)))
  return lines
}

function adopt({ netns, name, to, as, ...step }: AdoptStep, names: Names): string {
  const where = `netns ${namespaceWord(to)} name ${names.word(as)}`
  return `${ip(netns)} link set dev ${names.word(name)} ${where}${settings(step, names)}`
}

function alias(netns: string, name: string, text: string): string {
  return `${ip(netns)} link set dev ${name} alias ${text}`
}

type Settings = { [Key in 'up' | 'mtu' | 'mac' | 'master' | 'group' | 'alias']?: LinkStep[Key] | undefined }

/** The settings of a link in the words of ip-link(8), each with a space before it. */
function settings({ master, mac, mtu, group, alias: text, up }: Settings, names: Names): string {
  const words: string[] = []
  if (master !== undefined) words.push('master', shellQuote(master))
  if (mac !== undefined) words.push('address', shellQuote(mac))
  if (mtu !== undefined) words.push('mtu', String(mtu))
  if (group !== undefined) words.push('group', String(group))
  if (text !== undefined) words.push('alias', names.alias(text))
  if (up !== undefined) words.push(up ? 'up' : 'down')
  return words.map((word) => ` ${word}`).join('')
}

function address(step: AddressStep, names: Names): string {
  const nodad = step.address.includes(':') ? ' nodad' : ''
  const text = shellQuote(`${step.address}/${step.prefix}`)
  return `${ip(step.netns)} addr add ${text} dev ${names.word(step.name)}${nodad}`
}

function route(step: RouteStep, names: Names): string {
  const command = `${ip(step.netns)}${step.gateway.includes(':') ? ' -6' : ''} route`
  const destination = shellQuote(step.destination)
  const add = `${command} add ${destination} via ${shellQuote(step.gateway)} dev ${names.word(step.name)} proto static`
  return step.keepExisting ? `${command} show exact ${destination} | grep -q . || ${add}` : add
}

/** sysctl(8) takes a key with slashes too, which an interface name with a dot in it needs. */
function sysctl(step: SysctlStep, names: Names): string {
  const path = `net/${names.filled(step.key)}`
  const key = path.includes('.') ? path : path.replaceAll('/', '.')
  return `${inside(step.netns)}sysctl -w ${names.within(`${key}=${step.value}`)}`
}

/** ip-link(8) gives the link the MAC that it has, and the kernel tells the neighbours. */
function announce({ netns, name }: AnnounceStep, names: Names): string[] {
  const word = names.word(name)
  const set = (value: number) =>
    [`ipv4/conf/${name}/arp_notify`, `ipv6/conf/${name}/ndisc_notify`]
      .map((key) => names.within(`net/${key}=${value}`))
      .join(' ')
  const mac = `$(${ip(netns)} -br link show dev ${word} | awk '{print $3}')`
  return [
    `${inside(netns)}sysctl -qw ${set(1)}`,
    `${ip(netns)} link set dev ${word} address ${mac}`,
    `${inside(netns)}sysctl -qw ${set(0)}`,
  ]
}

function namespace(step: NamespaceStep, names: Names): string[] {
  const name = shellQuote(step.name)
  return [
    `ip netns add ${name}`,
    `ip -n ${name} link set dev lo${settings({ alias: step.alias, up: true }, names)}`,
  ]
}

function vacant(step: VacantStep, names: Names): string[] {
  const choice = names.choice(step)
  const taken = [
    ...(choice.length > 0 ? [] : [`the name ${quoted(step.name)}`]),
    ...(step.mac === undefined ? [] : [`the MAC ${quoted(step.mac)}`]),
    ...step.addresses.map((text) => `the address ${quoted(text)}`),
  ]
  if (taken.length === 0) return choice
  const where = step.netns === '' ? 'this namespace' : `namespace ${quoted(step.netns)}`
  return [`# stop here if ${where} already has ${taken.join(' or ')}`, ...choice]
}

/**
 * Names of interfaces in commands. What the plan's `vacant` step finds only when it runs is found by the
 * shell: the number behind `eth` in `$n`, the namespace's inode number by stat(1).
 */
class Names {
  readonly #vacant: VacantStep | undefined
  /** The name with a `*` that all later steps mean. */
  readonly #pattern: string | undefined

  constructor(steps: readonly Step[]) {
    this.#vacant = steps.find((step) => step.op === 'vacant')
    this.#pattern = this.#vacant?.name.includes('*') ? this.#vacant.name : undefined
  }

  /** One line that sets `n` to the lowest number whose name is free. */
  choice(step: VacantStep): string[] {
    if (step.name !== this.#pattern) return []
    const taken = `${ip(step.netns)} link show dev ${this.word(step.name)} >/dev/null 2>&1`
    return [`n=0; while ${taken}; do n=$((n + 1)); done`]
  }

  word(name: string): string {
    return name === this.#pattern ? name.split('*').map(quotePart).join('$n') : shellQuote(name)
  }

  /** The text with the name, or its pattern, where `{ifname}` stands. */
  filled(text: string): string {
    return this.#vacant === undefined ? text : text.replaceAll('{ifname}', this.#vacant.name)
  }

  /** A word that has the name somewhere within it. */
  within(text: string): string {
    if (this.#pattern === undefined) return shellQuote(text)
    return text.split(this.#pattern).map(quotePart).join(this.word(this.#pattern))
  }

  /** An alias, with what `{ifname}` and `{netns}` in it stand for. */
  alias(text: string): string {
    const vacant = this.#vacant
    if (vacant === undefined) return shellQuote(text)
    const known = this.#pattern === undefined ? text.replaceAll('{ifname}', vacant.name) : text
    const words = known.split(/(\{ifname\}|\{netns\})/).map((part) => {
      if (part === '{ifname}') return this.word(vacant.name)
      if (part === '{netns}') return `$(stat -Lc %i ${shellQuote(vacant.netns || '/proc/self/ns/net')})`
      return quotePart(part)
    })
    return words.join('') || "''"
  }
}

function quotePart(part: string): string {
  return part === '' ? '' : shellQuote(part)
}

const NAMED = /^(?:\/var)?\/run\/netns\/([^/]+)$/

function ip(netns: string): string {
  const name = NAMED.exec(netns)?.[1]
  return name === undefined ? `${inside(netns)}ip` : `ip -n ${shellQuote(name)}`
}

/** What a command begins with to run inside a namespace, with a space after it. */
function inside(netns: string): string {
  if (netns === '') return ''
  const name = NAMED.exec(netns)?.[1]
  if (name !== undefined) return `ip netns exec ${shellQuote(name)} `
  return `nsenter ${shellQuote(`--net=${netns}`)} `
}

/**
 * A namespace as the value of ip-link(8)'s `netns`: a name, or any path with a slash in it (netns_get_fd in
 * iproute2's lib/namespace.c). `$$` is the shell that runs the commands.
 */
function namespaceWord(netns: string): string {
  if (netns === '') return '/proc/$$/ns/net'
  return shellQuote(NAMED.exec(netns)?.[1] ?? netns)
}
