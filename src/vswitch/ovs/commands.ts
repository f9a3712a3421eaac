import { shellQuote } from '../../kernel/shell-quote.js'
import type { Output } from '../../openflow/action.js'
import { CONFINEMENT_PRIORITY } from '../../openflow/confinement.js'
import { DEFAULT_PRIORITY } from '../../openflow/flow-mod.js'
import { matchText } from '../../openflow/match-text.js'
import { OUR_COOKIES, type OwnFlow, type Place, SLOT_FLOW_COOKIE } from '../../openflow/own-flow.js'
import { flowsOf, placesLost, type SlotFlow, unwanted } from '../../openflow/slot-flows.js'
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

/** The ovs-ofctl commands that set a slot's flows, and remove what it is not to have. */
export function setSlot(bridge: string, flow: SlotFlow): string[] {
  return [
    ...flowsOf(flow).map((own) => addFlow(bridge, own)),
    ...unwanted(flow).map((place) => deleteFlow(bridge, place)),
  ]
}

/** Those that leave a slot to the switch's own forwarding, as `confineSlots` does. */
export function confine(bridge: string, flow: SlotFlow): string[] {
  return [
    ...placesLost(flow).map((place) => deleteFlow(bridge, place)),
    `ovs-ofctl add-flow ${bridge} ${OURS},in_port=${flow.slot},priority=${CONFINEMENT_PRIORITY},actions=normal`,
  ]
}

/** The one that sets a flow, known as ours by its cookie. */
export function addFlow(bridge: string, { match, priority, actions }: OwnFlow): string {
  const order = priority === DEFAULT_PRIORITY ? '' : `priority=${priority},`
  return `ovs-ofctl add-flow ${bridge} ${OURS},${order}${matchText(match)},actions=${actions.map(actionText).join(',')}`
}

function deleteFlow(bridge: string, { match, priority }: Place): string {
  return `ovs-ofctl --strict del-flows ${bridge} ${ANY_OF_OURS},${matchText(match)},priority=${priority}`
}

function actionText({ output }: Output): string {
  return typeof output === 'number' ? `output:${output}` : output.toLowerCase()
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
