import { EcdockError } from '../../errors.js'
import type { ReplicaRow } from '../../ovsdb/replica.js'
import { slotTaken } from '../plug-failure.js'
import type { Wiring } from '../wiring.js'

/** What vswitchd says of a port in its Interface row, once it has taken the row in; undefined: it is well. */
export function portError(
  vswitch: string,
  wiring: Pick<Wiring, 'slot' | 'hostIfname'>,
  row: ReplicaRow<'Interface'> | undefined,
): EcdockError | undefined {
  if (row === undefined) {
    return new EcdockError(
      'OVS_PORT_FAILED',
      'plug',
      `port ${wiring.hostIfname} was deleted while it was being added`,
    )
  }
  const said = row.error ?? ''
  if (said === '' && row.ofport !== undefined && row.ofport >= 0) {
    if (row.ofport === wiring.slot) return undefined
    return slotTaken(vswitch, wiring.slot, `another port; ${wiring.hostIfname} got the number ${row.ofport}`)
  }
  return new EcdockError(
    'OVS_PORT_FAILED',
    'plug',
    `Open vSwitch could not add ${wiring.hostIfname}: ${said === '' ? 'it gave the port no number' : said}`,
    { hint: 'Does ovs-vswitchd run in the same network namespace as this program? Its log says more.' },
  )
}
