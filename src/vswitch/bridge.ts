import { switchAddress } from '../addressing/slot.js'
import type { Subnet } from '../addressing/subnet.js'
import { parseSubnet } from '../addressing/subnet.js'
import { EcdockError } from '../errors.js'
import type { Kernel, Link, NamedNamespace } from '../kernel/kernel.js'
import type { Step } from '../kernel/plan.js'
import type { HostSidedBackend } from './backend.js'
import { vswitchDeleted } from './host-side.js'
import { hostSidePlaces } from './host-side-places.js'
import { vswitchNetns } from './names.js'
import {
  LINK_GROUP,
  parsePortAlias,
  parseVswitchAlias,
  unfinishedAlias,
  type VswitchRecord,
  vswitchAlias,
} from './record.js'
import { creationFailure, requireVacant, vacantStep } from './vacancy.js'

/**
 * A vswitch of kind `bridge`: a Linux bridge in a namespace of its own, `ecdock-NAME`. There the host's
 * firewall rules do not hold, so Docker's FORWARD policy drops none of its frames and nothing on the host has
 * to be weakened; and the host's namespace stays quiet, whatever the number of ports. The switch's own
 * address is on the host, on one end of a veth pair that is called like the vswitch. The loopback of the
 * namespace carries the vswitch's record.
 */
export function bridgeBackend(record: VswitchRecord): HostSidedBackend {
  const netns = bridgeNetns(record.name)
  const backend: HostSidedBackend = {
    kind: 'bridge',
    polices: false,
    name: record.name,
    subnet: parseSubnet(record.subnet),
    ipv6Prefix: record.ipv6Prefix,
    places: hostSidePlaces(() => backend),
    hostNetns: () => netns,
    hostNetnses: () => [netns],
    interfaces: (wiring) => [
      {
        op: 'veth',
        netns,
        name: wiring.hostIfname,
        master: record.name,
        group: LINK_GROUP,
        alias: wiring.alias,
        mtu: wiring.mtu,
        peer: { netns: wiring.target.netns, name: wiring.ifname, mac: wiring.mac, mtu: wiring.mtu },
      },
    ],
  }
  return backend
}

/** Throws VSWITCH_EXISTS, ADDRESS_TAKEN, PERMISSION or KERNEL; nothing is left behind then. */
export async function createBridge(
  kernel: Kernel,
  record: VswitchRecord,
  subnet: Subnet,
  hasIpv6: boolean,
): Promise<void> {
  await requireVacant(kernel, record, subnet, { hasIpv6 })
  const [outcome] = await kernel.execute([{ steps: creation(record, subnet, hasIpv6) }])
  if (outcome?.ok === false) throw creationFailure(outcome, record)
}

/** The steps that create the vswitch. They look for what is taken once more, because somebody else may be creating one at this moment. */
function creation(record: VswitchRecord, subnet: Subnet, hasIpv6: boolean): Step[] {
  const { name } = record
  const netns = bridgeNetns(name)
  const own = switchAddress(subnet, record.ipv6Prefix)
  const alias = vswitchAlias(record)
  const steps: Step[] = [
    vacantStep(record, subnet, hasIpv6),
    { op: 'netns', name: vswitchNetns(name), alias: unfinishedAlias(name) },
  ]
  // The bridge and its ports have no business with IPv6 themselves: without it they send nothing of their own.
  if (hasIpv6) steps.push({ op: 'sysctl', netns, key: 'ipv6/conf/default/disable_ipv6', value: '1' })
  steps.push(
    // With a MAC of its own the bridge does not change it whenever a port comes or goes.
    { op: 'bridge', netns, name, mac: bridgeMac(own.mac), group: LINK_GROUP, alias },
    {
      op: 'veth',
      netns,
      name: `${name}-up`,
      master: name,
      group: LINK_GROUP,
      alias,
      peer: { netns: '', name, mac: own.mac, group: LINK_GROUP, alias },
    },
    { op: 'link', netns: '', name, alias },
    { op: 'address', netns: '', name, address: own.ipv4, prefix: own.prefix },
  )
  if (hasIpv6) steps.push({ op: 'address', netns: '', name, address: own.ipv6, prefix: own.ipv6Prefix })
  // The record that makes it a vswitch comes last: what a crash leaves half done is known by having none.
  steps.push({ op: 'link', netns: '', name, up: true }, { op: 'link', netns, name: 'lo', alias })
  return steps
}

/** All links first: when a namespace dies with links in it, the kernel takes them away some time later. */
export async function deleteBridge(kernel: Kernel, name: string): Promise<void> {
  const netns = bridgeNetns(name)
  try {
    const links = await kernel.links(netns)
    const ours = links.filter(isOurs).map((link) => link.ifindex)
    await kernel.deleteLinks(netns, ours)
    await kernel.deleteNamespaces([vswitchNetns(name)])
  } catch (error) {
    // Somebody else deletes it at the same moment, and was faster.
    if (error instanceof EcdockError && error.code === 'TARGET_NOT_FOUND') throw vswitchDeleted(name, error)
    throw error
  }
}

/** By group, and by mark: a deletion in bulk that was cut short leaves links in a group of its own. */
function isOurs({ kind, group, alias }: Link): boolean {
  const marked = parsePortAlias(alias) !== undefined || parseVswitchAlias(alias) !== undefined
  return kind !== '' && (group === LINK_GROUP || marked)
}

export async function findBridge(kernel: Kernel, name: string): Promise<VswitchRecord | undefined> {
  // Anything else is no name of a vswitch, and no name of a file either.
  if (!/^[A-Za-z][A-Za-z0-9._-]{0,14}$/.test(name)) return undefined
  return await readRecord(kernel, { name: vswitchNetns(name), path: bridgeNetns(name) })
}

export async function listBridges(kernel: Kernel): Promise<VswitchRecord[]> {
  const prefix = vswitchNetns('')
  const candidates = (await kernel.namespaces()).filter((netns) => netns.name.startsWith(prefix))
  const records = await Promise.all(candidates.map((netns) => readRecord(kernel, netns)))
  return records.filter((record) => record !== undefined).sort((a, b) => a.name.localeCompare(b.name))
}

/** Names of vswitches that are being created, or whose creation a crash cut short. */
export async function listUnfinishedBridges(kernel: Kernel): Promise<string[]> {
  const prefix = vswitchNetns('')
  const names: string[] = []
  for (const netns of await kernel.namespaces()) {
    if (!netns.name.startsWith(prefix)) continue
    const name = netns.name.slice(prefix.length)
    const [loopback] = await kernel.linksByName(netns.path, ['lo']).catch(unlessGone)
    if (loopback?.alias === unfinishedAlias(name)) names.push(name)
  }
  return names
}

/** The record that the namespace's loopback carries; undefined when it is not the namespace of a vswitch of ours. */
async function readRecord(
  kernel: Kernel,
  netns: Pick<NamedNamespace, 'name' | 'path'>,
): Promise<VswitchRecord | undefined> {
  const [loopback] = await kernel.linksByName(netns.path, ['lo']).catch(unlessGone)
  const record = parseVswitchAlias(loopback?.alias ?? '')
  return record !== undefined && vswitchNetns(record.name) === netns.name ? record : undefined
}

/** Between the listing and the look it may have been deleted. */
function unlessGone(error: unknown): [] {
  if (error instanceof EcdockError && ['TARGET_NOT_FOUND', 'NOT_A_NETNS'].includes(error.code)) return []
  throw error
}

/** The path of the namespace that a vswitch of this kind lives in. */
export function bridgeNetns(name: string): string {
  return `/run/netns/${vswitchNetns(name)}`
}

/** 52:01 where the switch's own address has 52:00: the bridge and the host's end of its link are two stations. */
function bridgeMac(own: string): string {
  return own.replace(/^52:00/, '52:01')
}
