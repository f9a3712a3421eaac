import { Option } from 'commander'
import type { VswitchKind } from '../../vswitch/vswitch.js'
import type { CommandSpec } from '../command.js'
import { parseWhole } from '../values.js'

export interface DemoFlags {
  kind?: VswitchKind
  usermode?: boolean
  count: number
}

export const demo: CommandSpec<DemoFlags> = {
  name: 'demo',
  summary: 'plug namespaces into a vswitch, ping across, and clean up',
  description:
    'Everything that it makes has a name of its own and is removed at the end, also after an error or ctrl-c.',
  options: () => [
    new Option('--kind <KIND>', 'vde, bridge, or ovs: a running Open vSwitch (default: vde)').choices([
      'vde',
      'bridge',
      'ovs',
    ]),
    new Option('--usermode', "Open vSwitch's userspace datapath, which needs no kernel module"),
    new Option('--count <N>', 'how many namespaces, from 2 to 250')
      .argParser((text) => parseWhole(text, 'count', 2, 250))
      .default(8),
  ],
  takes: [],
  examples: ['sudo ecdock-fast demo'],
  run: async (invocation, _args, flags) => {
    const { runDemo } = await import('../demo/run-demo.js')
    return runDemo(invocation, flags)
  },
}
