import { Option } from 'commander'
import { EcdockError } from '../../errors.js'
import type { CommandSpec } from '../command.js'

export interface MirrorFlags {
  to?: string
  off?: boolean
}

export const mirror: CommandSpec<MirrorFlags> = {
  name: 'mirror',
  summary: 'copy what a slot sends and gets to an interface',
  description: [
    'Kind ovs: a copy of every frame comes out of the interface, where tcpdump can read it. One that is not there is made',
    'and goes again with the last slot that is mirrored to it; one that is there is taken by the vswitch. Several slots',
    'can be mirrored to one.',
  ].join(' '),
  arguments: [['[SLOT]', 'the slot; or --slot']],
  options: () => [
    new Option('--to <IFNAME>', 'the interface on the host that the copies come out of'),
    new Option('--off', 'stop mirroring the slot'),
  ],
  takes: ['vswitch', 'slot'],
  examples: ['ecdock-fast mirror 3 --to watch0', 'tcpdump -n -i watch0', 'ecdock-fast mirror 3 --off'],
  run: async (invocation, [argument], { to, off = false }) => {
    const slot = invocation.slot(argument)
    if ((to === undefined) !== off) {
      throw new EcdockError(
        'USAGE',
        'mirror',
        `${off ? 'both' : 'neither'} --to and --off ${off ? 'are' : 'is'} given`,
        {
          hint: `Write "ecdock-fast mirror ${slot} --to watch0", and "ecdock-fast mirror ${slot} --off" to stop it.`,
        },
      )
    }
    return invocation.withWorld(async (world) => {
      const vswitch = await invocation.vswitch(world)
      const where = { vswitch: vswitch.name, slot }
      if (to === undefined) {
        const stopped = await vswitch.unmirror(slot)
        const was =
          stopped.length === 0 ? 'was not mirrored' : `is no longer mirrored to ${stopped.join(', ')}`
        return { document: { ...where, stopped }, text: () => `${vswitch.name} slot ${slot} ${was}` }
      }
      await vswitch.mirror(slot, { to })
      return { document: { ...where, to }, text: () => `${vswitch.name} slot ${slot} is mirrored to ${to}` }
    })
  },
}
