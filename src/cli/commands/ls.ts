import type { CommandSpec } from '../command.js'
import { listVswitches } from '../listing.js'

export const ls: CommandSpec<object> = {
  name: 'ls',
  summary: 'list vswitches and what is plugged into them',
  description:
    'RX and TX are what the target has received and sent. A ghost is an internal port whose device went with its target.',
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
