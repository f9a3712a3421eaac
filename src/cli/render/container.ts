import type { StartedContainer } from '../../containers/slot-container.js'
import type { Colors } from '../invocation.js'
import { portLine } from './port.js'

/** A container that has just been started in a slot. */
export function containerText(started: StartedContainer, colors: Colors): string {
  const ports = [started.port, ...(started.furtherPorts ?? [])].map((port) => portLine(port, colors))
  return [`${colors.bold(started.name)}  ${started.container.slice(0, 12)}`, ...ports].join('\n')
}
