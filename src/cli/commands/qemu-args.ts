import { Option } from 'commander'
import { EcdockError } from '../../errors.js'
import { shellQuote } from '../../kernel/shell-quote.js'
import type { CommandSpec } from '../command.js'

export interface QemuArgsFlags {
  device: string
  netdev?: string
}

export const qemuArgs: CommandSpec<QemuArgsFlags> = {
  name: 'qemu-args',
  summary: 'print what QEMU needs to plug a machine into a slot',
  description: [
    "The -netdev and -device arguments of qemu-system-* for a network card with the slot's MAC, which plugs itself into",
    "the slot's port of a vswitch of kind vde. Nothing is changed; inside, the machine gives itself the slot's address.",
  ].join(' '),
  arguments: [['[SLOT]', 'the slot; or --slot']],
  options: () => [
    new Option('--device <MODEL>', "QEMU's network card").default('virtio-net-pci'),
    new Option('--netdev <ID>', 'what the two arguments call it (default: slotN)'),
  ],
  takes: ['vswitch', 'slot'],
  examples: [
    'ecdock-fast qemu-args --vswitch lab0 --slot 3',
    'qemu-system-x86_64 disk.img $(ecdock-fast qemu-args 3)',
  ],
  run: async (invocation, [argument], flags) => {
    const slot = invocation.slot(argument)
    for (const word of [flags.device, flags.netdev ?? 'slot']) checkWord(word)
    return invocation.withWorld(async (world) => {
      const vswitch = await invocation.vswitch(world)
      if (vswitch.kind !== 'vde') {
        const message = `QEMU cannot plug itself into ${vswitch.name}, which is of kind ${vswitch.kind}`
        throw new EcdockError('UNSUPPORTED', 'qemu-args', message, { hint: 'Use a vswitch of kind vde.' })
      }
      const { checkSlot, slotAddress } = await import('../../addressing/slot.js')
      const { parseSubnet } = await import('../../addressing/subnet.js')
      const subnet = parseSubnet(vswitch.subnet)
      checkSlot(subnet, slot)
      const port = await vswitch.port(slot)
      if (port !== undefined) {
        const message = `slot ${slot} of ${vswitch.name} is taken by ${port.target}`
        throw new EcdockError('SLOT_TAKEN', 'qemu-args', message, { hint: 'Choose another slot.' })
      }
      const { socketDir, own, running } = await world.vdeSockets(vswitch.name)
      if (!running) throw switchEnded(own ? `of ${vswitch.name}` : `at ${socketDir}`, own)
      const { mac, ipv4, prefix } = slotAddress(subnet, slot, vswitch.ipv6Prefix)
      const id = flags.netdev ?? `slot${slot}`
      // QEMU takes two commas for one that is part of a value.
      const sock = socketDir.replaceAll(',', ',,')
      const place = own ? `,port=${slot}` : ''
      const args = [
        '-netdev',
        `vde,id=${id},sock=${sock}${place}`,
        '-device',
        `${flags.device},netdev=${id},mac=${mac}`,
      ]
      return {
        document: { args, socketDir, slot, mac, ipv4: `${ipv4}/${prefix}` },
        text: () => args.map(shellQuote).join(' '),
      }
    })
  },
}

function switchEnded(which: string, own: boolean): EcdockError {
  return new EcdockError('VDE_UNREACHABLE', 'qemu-args', `the switch ${which} has ended`, {
    hint: own
      ? '"ecdock-fast cleanup" starts it again, and plugs in what was.'
      : 'Start it again where it was; QEMU finds it by that directory.',
  })
}

/** Part of an argument that has commas between its parts. */
function checkWord(word: string): void {
  if (/^[A-Za-z][A-Za-z0-9._-]{0,63}$/.test(word)) return
  throw new EcdockError('USAGE', 'qemu-args', `"${word.slice(0, 64)}" is no name that QEMU takes`, {
    hint: 'Give a name of letters, digits, ".", "_" and "-", such as e1000.',
  })
}
