import { shellQuote } from '../../kernel/shell-quote.js'
import { CONFINEMENT_PRIORITY } from '../../openflow/confinement.js'
import { DEFAULT_PRIORITY } from '../../openflow/flow-mod.js'
import { OUR_COOKIES, SLOT_FLOW_COOKIE, type SlotFlow } from '../../openflow/slot-flows.js'
import { portColumns, type SlotConfiguration } from './port-rows.js'

/** The cookie by which flows are known as ours, and all that have it. */
const OURS = `cookie=0x${SLOT_FLOW_COOKIE.toString(16)}`
const ANY_OF_OURS = `cookie=0x${(SLOT_FLOW_COOKIE & OUR_COOKIES).toString(16)}/0x${OUR_COOKIES.toString(16)}`

/** The ovs-vsctl command that writes the rows of a new port, in place of another one's when there is one. */
export function addPort(bridge: string, port: string, slot: SlotConfiguration, instead?: string): string {
  return addPortWith(bridge, port, portColumns(slot), instead)
}

/** The same with whatever columns. */
export function addPortWith(
  bridge: string,
  port: string,
  { Interface, Port }: { Interface: object; Port: object },
  instead?: string,
): string {
  const parts = [
    ...(instead === undefined ? [] : [`del-port ${bridge} ${instead}`]),
    `add-port ${bridge} ${port}`,
    ['set Interface', port, ...settings(Interface)].join(' '),
    ['set Port', port, ...settings(Port)].join(' '),
  ]
  return `ovs-vsctl ${parts.join(' -- ')}`
}

/** The same for rows that are there: what they are not to say any more is taken away. */
export function changePort(port: string, slot: SlotConfiguration): string {
  const columns = Object.entries(portColumns(slot))
  const parts = columns.flatMap(([table, wanted]) => {
    const zeros = Object.entries(wanted).flatMap(([column, value]) => (value === 0 ? `${column}=0` : []))
    const empty = Object.entries(wanted).flatMap(([column, value]) => (isEmptySet(value) ? column : []))
    return [
      ['set', table, port, ...settings(wanted), ...zeros],
      ...(empty.length === 0 ? [] : [['clear', table, port, ...empty]]),
    ]
  })
  return `ovs-vsctl ${parts.map((words) => words.join(' ')).join(' -- ')}`
}

/** The ovs-ofctl command that sets a slot's flow, known as ours by its cookie. */
export function addSlotFlow(bridge: string, { mac, slot }: SlotFlow): string {
  return `ovs-ofctl add-flow ${bridge} ${OURS},dl_dst=${mac},actions=output:${slot}`
}

/** Those that leave a slot to the switch's own forwarding, as `confineSlots` does. */
export function confine(bridge: string, { mac, slot }: SlotFlow): string[] {
  return [
    `ovs-ofctl --strict del-flows ${bridge} ${ANY_OF_OURS},dl_dst=${mac},priority=${DEFAULT_PRIORITY}`,
    `ovs-ofctl add-flow ${bridge} ${OURS},in_port=${slot},priority=${CONFINEMENT_PRIORITY},actions=normal`,
  ]
}

/** The one that undoes it. */
export function setFree(bridge: string, slot: number): string {
  return `ovs-ofctl --strict del-flows ${bridge} ${ANY_OF_OURS},in_port=${slot},priority=${CONFINEMENT_PRIORITY}`
}

/** Columns as ovs-vsctl(8) sets them; what a new row says anyway is left out. */
function settings(columns: object): string[] {
  return Object.entries(columns).flatMap(([column, value]: [string, unknown]) => {
    if (value === 0 || isEmptySet(value)) return []
    if (Array.isArray(value)) return [`${column}=${value.join(',')}`]
    if (typeof value !== 'object' || value === null) return [`${column}=${value}`]
    // A string of OVSDB is written as in JSON (ovs-vsctl(8), "Database Values").
    return Object.entries(value).map(([key, text]) => shellQuote(`${column}:${key}=${JSON.stringify(text)}`))
  })
}

/** An optional column is a set of one at most. */
function isEmptySet(value: unknown): boolean {
  return value === undefined || (Array.isArray(value) && value.length === 0)
}
