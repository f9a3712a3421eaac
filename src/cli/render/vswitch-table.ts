import Table from 'cli-table3'
import type { Port } from '../../vswitch/vswitch.js'
import type { Colors } from '../invocation.js'
import { stateText } from './port.js'
import { bytesText } from './quantities.js'
import type { ListedVswitch } from './vswitch.js'

const HEAD = ['SLOT', 'TARGET', 'IFNAME', 'MAC', 'IPV4', 'IPV6', 'STATE', 'RX', 'TX']

/** All vswitches with their ports, one table each. */
export function vswitchTable(vswitches: readonly ListedVswitch[], colors: Colors): string {
  if (vswitches.length === 0) {
    return 'There is no vswitch yet. Make one with "ecdock-fast create-vswitch 10.0.0.254/24".\n'
  }
  return vswitches.map((vswitch) => oneVswitch(vswitch, colors)).join('\n')
}

function oneVswitch(vswitch: ListedVswitch, colors: Colors): string {
  const title = `${colors.bold(vswitch.name)}  ${vswitch.kind}  ${vswitch.subnet}`
  if (vswitch.ports.length === 0) return `${title}  nothing is plugged in\n`
  const count = vswitch.ports.length === 1 ? '1 port' : `${vswitch.ports.length} ports`
  const table = new Table({
    head: HEAD.map((word) => colors.dim(word)),
    chars: BARE,
    style: { head: [], border: [], 'padding-left': 2, 'padding-right': 0 },
    colAligns: HEAD.map((word) => (word === 'SLOT' || word === 'RX' || word === 'TX' ? 'right' : 'left')),
  })
  for (const port of vswitch.ports) table.push(row(port, colors))
  const lines = table.toString().split('\n')
  const advice = adviceOn(vswitch).map((line) => `  ${colors.dim(line)}\n`)
  return `${title}  ${count}\n${lines.map((line) => line.trimEnd()).join('\n')}\n${advice.join('')}`
}

/** What can be done about ports that are not as they should be. */
function adviceOn({ kind, ports }: ListedVswitch): string[] {
  const has = (...states: Port['state'][]) => ports.some(({ state }) => states.includes(state))
  return [
    ...(kind === 'vde' && has('down') ? ['"ecdock-fast cleanup" plugs in again what is down.'] : []),
    ...(has('ghost', 'stray') ? ['"ecdock-fast cleanup" removes ghosts and strays.'] : []),
  ]
}

/** The counters are the host side's: what it has received, the target has sent. */
function row(port: Port, colors: Colors): string[] {
  return [
    String(port.slot),
    port.target,
    port.ifname,
    port.mac,
    port.ipv4,
    port.ipv6,
    stateText(port.state, colors),
    port.stats === undefined ? '-' : bytesText(port.stats.txBytes),
    port.stats === undefined ? '-' : bytesText(port.stats.rxBytes),
  ]
}

const BARE = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '',
}
