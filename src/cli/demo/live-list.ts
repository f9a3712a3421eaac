import type { Port } from '../../vswitch/vswitch.js'
import type { Invocation } from '../invocation.js'
import { durationText } from '../render/quantities.js'

/** A list that grows as ports are made: drawn in place on a terminal, line by line anywhere else. */
export interface LiveList {
  add(port: Port): void
  /** Leaves what is drawn as it is. */
  done(): void
}

export async function openLiveList(invocation: Invocation, names: readonly string[]): Promise<LiveList> {
  const { stdout } = invocation.io
  if (!invocation.talkative) return { add: () => {}, done: () => {} }
  // A terminal that does not know its size cannot be drawn on.
  if (stdout.isTTY !== true || !(stdout.rows > 0 && stdout.columns > 0)) {
    return { add: (port) => void stdout.write(`${portRow(port)}\n`), done: () => {} }
  }
  const { createLogUpdate } = await import('log-update')
  const update = createLogUpdate(stdout)
  const { colors } = invocation
  const rows = names.map((name) => colors.dim(`  ·        ${name}`))
  let next = 0
  update(rows.join('\n'))
  return {
    add: (port) => {
      rows[next++] = `${colors.green('✓')}${portRow(port).slice(1)}`
      update(rows.join('\n'))
    },
    done: () => update.done(),
  }
}

function portRow(port: Port): string {
  const slot = `slot ${port.slot}`.padEnd(8)
  const time = durationText(port.ms ?? 0).padStart(9)
  return `  ${slot} ${port.target.padEnd(28)} ${port.ifname}  ${port.ipv4.padEnd(16)} ${port.mac} ${time}`
}
