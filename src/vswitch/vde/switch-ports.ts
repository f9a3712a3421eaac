import { EcdockError } from '../../errors.js'
import { Control, type SwitchPort } from '../../vde/control.js'

/** What is plugged into the switch with this control socket, at one port or at all; undefined when there is no such switch. */
export async function portsAt(path: string, port?: number): Promise<SwitchPort[] | undefined> {
  let control: Control | undefined
  try {
    control = await Control.connect(path)
    return await control.list(port)
  } catch (error) {
    // Nothing is at that port.
    if (error instanceof EcdockError && error.errno === 'ENXIO') return []
    if (isEnded(error)) return undefined
    throw error
  } finally {
    control?.close()
  }
}

/** The switch process has ended. */
function isEnded(error: unknown): boolean {
  if (!(error instanceof EcdockError)) return false
  return error.code === 'VDE_LOST' || ['ENOENT', 'ECONNREFUSED', 'ENOTDIR'].includes(error.errno ?? '')
}
