import { Option } from 'commander'
import type { Settings } from '../../config/settings.js'
import { EcdockError } from '../../errors.js'
import { parseTarget } from '../../target/parse.js'
import type { Target } from '../../target/target.js'
import type { PlugOptions, PlugOutcome, Vswitch } from '../../vswitch/vswitch.js'
import type { Answer, CommandSpec } from '../command.js'
import type { Invocation } from '../invocation.js'
import { type NicFlags, nicFlags, nicOptions, type PortFlags, portFlags, portOptions } from '../port-flags.js'
import { portLine } from '../render/port.js'
import { parseWhole } from '../values.js'

export interface PlugFlags extends PortFlags, NicFlags {
  ifname?: string
  mtu?: number
  mac?: string
  defaultRoute?: boolean
  explain?: boolean
}

export const plug: CommandSpec<PlugFlags> = {
  name: 'plug',
  summary: 'connect targets to a vswitch',
  description: [
    'Gives each target an interface with the address, MAC and default route of a slot, the lowest free one unless',
    '--slot says which. Several targets are plugged in together; what fails for one leaves the others alone.',
  ].join(' '),
  arguments: [['<TARGET...>', 'pid:N, netns:NAME, netns:/PATH or container:NAME']],
  options: () => [
    new Option(
      '--ifname <NAME>',
      'of the interface in the target (default: the lowest free of eth0, eth1, …)',
    ),
    new Option('--mtu <BYTES>', 'of the interface (default: 1500)').argParser((text) =>
      parseWhole(text, 'MTU', 68, 65_535),
    ),
    new Option('--mac <MAC>', "instead of the slot's own, such as 52:00:0a:00:00:01"),
    new Option('--default-route', 'give it a default route, if the configuration says otherwise'),
    new Option('--no-default-route', 'give the target no default route'),
    ...nicFlags(),
    ...portFlags(),
    new Option('--explain', 'change nothing; print the ip and ovs-vsctl commands that do the same'),
  ],
  takes: ['vswitch', 'slot'],
  examples: [
    'ecdock-fast plug netns:blue --slot 3',
    'ecdock-fast plug container:web pid:4711 --explain',
    'ecdock-fast plug netns:router --slot 9 --route 10.9.0.0/16=10.0.0.2 --sysctl net.ipv4.ip_forward=1',
    'ecdock-fast plug netns:guest --vlan 10 --ingress-rate 10000',
  ],
  run: runPlug,
}

async function runPlug(invocation: Invocation, args: string[], flags: PlugFlags): Promise<Answer> {
  const targets = args.map((text) => parseTarget(text))
  const { slot } = invocation.options
  for (const [option, value] of [
    ['--slot', slot],
    ['--mac', flags.mac],
  ] as const) {
    if (value === undefined || targets.length === 1) continue
    throw new EcdockError('USAGE', 'plug', `${option} is for one target, and there are ${targets.length}`)
  }
  const { defaults } = invocation
  const only = slot ?? (targets.length === 1 ? defaults.slot : undefined)
  const options = { ...plugOptions(flags, defaults), ...(only !== undefined && { slot: only }) }
  return invocation.withWorld(async (world) => {
    const vswitch = await invocation.vswitch(world)
    if (flags.explain === true) return explained(vswitch, targets, options)
    const outcomes = await plugTargets(vswitch, targets, options, invocation.signal)
    return plugged(outcomes, invocation)
  })
}

/** The options of a plug that the flags give, or else the configuration. */
export function plugOptions(flags: PlugFlags, defaults: Settings): PlugOptions {
  const { mtu = defaults.mtu, defaultRoute = defaults.defaultRoute } = flags
  return {
    ...(flags.ifname !== undefined && { ifname: flags.ifname }),
    ...(mtu !== undefined && { mtu }),
    ...(flags.mac !== undefined && { mac: flags.mac }),
    ...(defaultRoute === false && { defaultRoute }),
    ...nicOptions(flags),
    ...portOptions(flags),
  }
}

async function explained(vswitch: Vswitch, targets: Target[], options: PlugOptions): Promise<Answer> {
  const slots = options.slot === undefined ? await vswitch.freeSlots(targets.length) : [options.slot]
  const commands: string[] = []
  for (const [at, target] of targets.entries()) {
    commands.push(...(await vswitch.explain(target, { ...options, slot: slots[at] ?? 0 })))
  }
  return { document: { commands }, text: () => commands.join('\n') }
}

async function plugTargets(
  vswitch: Vswitch,
  targets: readonly Target[],
  options: PlugOptions,
  signal: AbortSignal,
): Promise<PlugOutcome[]> {
  const [only] = targets
  if (only !== undefined && targets.length === 1) {
    return [{ ok: true, port: await vswitch.plug(only, { ...options, signal }) }]
  }
  return vswitch.plugAll(
    targets.map((target) => ({ ...options, target })),
    { signal },
  )
}

function plugged(outcomes: PlugOutcome[], invocation: Invocation): Answer {
  return {
    document: { results: outcomes },
    text: () =>
      outcomes
        .flatMap((outcome) => (outcome.ok ? [portLine(outcome.port, invocation.colors)] : []))
        .join('\n'),
    errors: outcomes.flatMap((outcome) => (outcome.ok ? [] : [outcome.error])),
  }
}
