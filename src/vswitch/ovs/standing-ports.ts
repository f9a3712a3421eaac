import { EcdockError, type ErrorCode } from '../../errors.js'
import type { Kernel } from '../../kernel/kernel.js'
import type { Plan, PlanFailed, Step } from '../../kernel/plan.js'
import type { Surroundings } from '../backend.js'
import { standingNames, vswitchNetns } from '../names.js'
import { LINK_GROUP, slotAlias, slotsAlias } from '../record.js'
import { withoutIpv6 } from './host-end.js'

/**
 * A standing port is what stays of a slot when nothing is plugged in. ovs-vswitchd does not notice when a device vanishes
 * and another one of its name appears: on the userspace datapath it goes on reading from the socket of the first, so that
 * no frame passes, and to make it close that socket takes 12 ms of a grace period inside the kernel for each port
 * (docs/open-vswitch.md). So what Open vSwitch sees of a slot never changes: one end of a pair of its own, whose other end
 * is in a namespace of the vswitch. There a bridge for each slot connects it to whatever is plugged in. To plug in and
 * out then costs what it costs on a vswitch of kind `bridge`; vswitchd has nothing to do with it, however many ports it has.
 */
export function standingNetns(vswitch: string): string {
  return `/run/netns/${vswitchNetns(vswitch)}`
}

/** Makes the interfaces of standing ports. One answer for each slot: what went wrong, or undefined. */
export async function makeStanding(
  { kernel, hasIpv6 }: Surroundings,
  vswitch: string,
  slots: readonly number[],
  options: { usermode: boolean; ovsdb: string | undefined },
): Promise<(EcdockError | undefined)[]> {
  await ensureNetns(kernel, vswitch, options.ovsdb, hasIpv6)
  const errors: (EcdockError | undefined)[] = []
  for (let at = 0; at < slots.length; at += SLOTS_A_CALL) {
    const some = slots.slice(at, at + SLOTS_A_CALL)
    const outcomes = await kernel.execute(
      some.map((slot) => standingPlan(vswitch, slot, { ...options, hasIpv6 })),
    )
    for (const [index, outcome] of outcomes.entries()) {
      errors.push(outcome.ok ? undefined : failure(vswitch, some[index] ?? 0, outcome))
    }
  }
  return errors
}

/** Whether the interfaces of a standing port are there. */
export async function isWhole(kernel: Kernel, vswitch: string, slot: number): Promise<boolean> {
  const { bridge, inner } = standingNames(vswitch, slot)
  // Its port is the other end of one of them.
  const links = await kernel.linksByName(standingNetns(vswitch), [bridge, inner]).catch(() => [])
  return links.length === 2 && links.every((link) => link !== undefined)
}

/** Removes the interfaces of standing ports, as far as they are there and ours. */
export async function removeStanding(
  { kernel }: Pick<Surroundings, 'kernel'>,
  vswitch: string,
  slots: readonly number[],
): Promise<void> {
  const mark = (slot: number) => slotAlias(vswitch, slot, undefined)
  const ports = slots.map((slot) => ({ name: standingNames(vswitch, slot).port, mark: mark(slot) }))
  const bridges = slots.map((slot) => ({ name: standingNames(vswitch, slot).bridge, mark: mark(slot) }))
  await kernel.deleteMarkedLinks('', ports)
  try {
    await kernel.deleteMarkedLinks(standingNetns(vswitch), bridges)
  } catch (error) {
    if (!(error instanceof EcdockError) || error.code !== 'TARGET_NOT_FOUND') throw error
  }
}

/** Deletes the namespace of the standing ports of a vswitch in this database, with what is in it, if there is one. */
export async function deleteStandingNetns(
  kernel: Kernel,
  vswitch: string,
  ovsdb: string | undefined,
): Promise<void> {
  const netns = standingNetns(vswitch)
  try {
    const links = await kernel.links(netns)
    if (!links.some(({ name, alias }) => name === 'lo' && alias === slotsAlias(vswitch, ovsdb))) return
    // All links first: when a namespace dies with links in it, the kernel takes them away some time later.
    const ours = links.filter(({ group }) => group === LINK_GROUP).map((link) => link.ifindex)
    await kernel.deleteLinks(netns, ours)
    await kernel.deleteNamespaces([vswitchNetns(vswitch)])
  } catch (error) {
    if (!(error instanceof EcdockError) || !GONE.has(error.code)) throw error
  }
}

const GONE: ReadonlySet<ErrorCode> = new Set(['TARGET_NOT_FOUND', 'NOT_A_NETNS'])
const SLOTS_A_CALL = 32

/** The plan that makes the interfaces of one. */
export function standingPlan(
  vswitch: string,
  slot: number,
  { usermode, ovsdb, hasIpv6 }: { usermode: boolean; ovsdb: string | undefined; hasIpv6: boolean },
): Plan {
  const netns = standingNetns(vswitch)
  const names = standingNames(vswitch, slot)
  const alias = slotAlias(vswitch, slot, ovsdb)
  const steps: Step[] = [
    { op: 'bridge', netns, name: names.bridge, group: LINK_GROUP, alias },
    {
      op: 'veth',
      netns: '',
      name: names.port,
      group: LINK_GROUP,
      peer: { netns, name: names.inner, group: LINK_GROUP },
    },
  ]
  if (hasIpv6) steps.push(withoutIpv6(names.port))
  // Nobody else fills in the checksums of what the userspace datapath forwards.
  if (usermode) steps.push({ op: 'tx-checksum-off', netns, name: names.inner })
  steps.push(
    { op: 'link', netns, name: names.inner, master: names.bridge, up: true, alias },
    { op: 'ready', netns, name: names.inner },
    { op: 'link', netns: '', name: names.port, alias },
  )
  return { steps }
}

async function ensureNetns(
  kernel: Kernel,
  vswitch: string,
  ovsdb: string | undefined,
  hasIpv6: boolean,
): Promise<void> {
  const name = vswitchNetns(vswitch)
  const netns = standingNetns(vswitch)
  try {
    await kernel.createNamespaces([name], slotsAlias(vswitch, ovsdb))
  } catch (error) {
    if (!(error instanceof EcdockError) || error.code !== 'NETNS_EXISTS') throw error
    const [loopback] = await kernel.linksByName(netns, ['lo'])
    if (loopback?.alias === slotsAlias(vswitch, ovsdb)) return
    const message = `there is a namespace ${name} that is not of vswitch ${vswitch}`
    throw new EcdockError('NETNS_EXISTS', 'reserve slots', message, {
      hint: `Delete it: ip netns delete ${name}`,
    })
  }
  if (!hasIpv6) return
  const [outcome] = await kernel.execute([{ steps: [noIpv6(netns)] }])
  if (outcome?.ok === false)
    throw new EcdockError('KERNEL', outcome.op, outcome.message, { errno: outcome.errno })
}

/** The steps that make the namespace of standing ports. */
export function standingNetnsSteps(vswitch: string, ovsdb: string | undefined, hasIpv6: boolean): Step[] {
  const made: Step = { op: 'netns', name: vswitchNetns(vswitch), alias: slotsAlias(vswitch, ovsdb) }
  return hasIpv6 ? [made, noIpv6(standingNetns(vswitch))] : [made]
}

/** What is in it has no business with IPv6 itself: without it it sends nothing of its own. */
function noIpv6(netns: string): Step {
  return { op: 'sysctl', netns, key: 'ipv6/conf/default/disable_ipv6', value: '1' }
}

function failure(vswitch: string, slot: number, failed: PlanFailed): EcdockError {
  const message = `slot ${slot} of ${vswitch} could not be made ready: ${failed.message}`
  return new EcdockError('KERNEL', failed.op, message, {
    errno: failed.errno,
    kernelMessage: failed.kernelMessage,
    ...(failed.errno === 'EEXIST' && { hint: 'Run "ecdock-fast cleanup".' }),
  })
}
