import type { Port } from '../../vswitch/vswitch.js'
import type { Colors } from '../invocation.js'
import { bytesText, durationText } from './quantities.js'

/** One line about a port that has just been made. */
export function portLine(port: Port, colors: Colors): string {
  const time = port.ms === undefined ? '' : colors.dim(`  (${durationText(port.ms)})`)
  const place = `${port.vswitch} slot ${colors.bold(String(port.slot))}`
  return `${place}  ${port.target}  ${port.ifname}  ${port.mac}  ${port.ipv4}  ${port.ipv6}${time}`
}

/** All of a port, one `key: value` a line. */
export function portText(port: Port, colors: Colors): string {
  const rows: [string, string][] = [
    ['vswitch', `${port.vswitch} (${port.kind})`],
    ['slot', String(port.slot)],
    ['state', stateText(port.state, colors)],
    ['target', port.target],
    ['target interface', port.ifname],
    ['target namespace', `net:[${port.netnsId}]`],
    ...(port.hostIfname === '' ? [] : [['host interface', port.hostIfname] satisfies [string, string]]),
    ['mac', port.mac],
    ['ipv4', port.ipv4],
    ['ipv6', port.ipv6],
    ['gateway', port.gateway],
    ['mtu', `${port.mtu} bytes`],
  ]
  if (port.ofport !== undefined) rows.push(['openflow port', String(port.ofport)])
  if (port.stats !== undefined) {
    // The counters are the host side's: what it has sent, the target has received.
    const { stats } = port
    rows.push(['target received', traffic(stats.txPackets, stats.txBytes, stats.txErrors, stats.txDropped)])
    rows.push(['target sent', traffic(stats.rxPackets, stats.rxBytes, stats.rxErrors, stats.rxDropped)])
  }
  const width = Math.max(...rows.map(([key]) => key.length)) + 1
  return rows.map(([key, value]) => `${`${key}:`.padEnd(width)} ${value}`).join('\n')
}

export function stateText(state: Port['state'], colors: Colors): string {
  if (state === 'up') return colors.green(state)
  return state === 'down' ? colors.red(state) : colors.yellow(state)
}

function traffic(packets: number, bytes: number, errors: number, dropped: number): string {
  return `${packets} packets, ${bytesText(bytes)}, ${errors} errors, ${dropped} dropped`
}
