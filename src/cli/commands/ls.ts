import type { CommandSpec } from '../command.js'
import { listVswitches } from '../listing.js'

export const ls: CommandSpec<object> = {
  name: 'ls',
  summary: 'list vswitches and what is plugged into them',
  description: [
    'RX and TX are what the target has received and sent. A ghost is a port whose target has ended: an internal one of',
    'Open vSwitch, or one of kind vde; cleanup removes it. Ports of kind vde are down while their switch process does not',
    'run: the next plug, or cleanup, starts it again; or because they could not be plugged in again: cleanup tries it.',
  ].join(' '),
  takes: ['vswitch'],
  examples: ['ecdock-fast ls', "ecdock-fast --json ls | jq '.vswitches[].ports[].ipv4'"],
  run: (invocation) =>
    invocation.withWorld(async (world) => {
      const listed = await listVswitches(world, invocation.options.vswitch)
      return {
        document: { vswitches: listed },
        text: async () => {
          const { vswitchTable } = await import('../render/vswitch-table.js')
          return vswitchTable(listed, invocation.colors)
        },
      }
    }),
}
