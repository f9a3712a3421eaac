import type { PortSettings } from '../vswitch/vswitch.js'

/** The labels that mark a container as started in a slot; this is all the state there is. */
export interface SlotMark {
  vswitch: string
  slot: number
  /**
   * The container's own name. `docker commit` copies labels into images, and so into every container that is made
   * of one: without this, a copy would pass for the container itself. One that was renamed is no longer ours.
   */
  name: string
  /** In bytes, when it was asked for. */
  mtu?: number | undefined
  /** Its further interfaces: by name, such as `eth1`, the vswitch that each is on, in the same slot. */
  nics?: Readonly<Record<string, string>> | undefined
  /** As a plug takes it. */
  internal?: boolean | undefined
  /** As a plug takes it. */
  dualNic?: boolean | undefined
  /** As a plug takes it, which looks whether that is right. */
  port?: PortSettings | undefined
}

export const VSWITCH_LABEL = 'ecdock-fast.vswitch'
export const SLOT_LABEL = 'ecdock-fast.slot'
const NAME_LABEL = 'ecdock-fast.name'
const MTU_LABEL = 'ecdock-fast.mtu'
const NICS_LABEL = 'ecdock-fast.nics'
const INTERNAL_LABEL = 'ecdock-fast.internal'
const DUAL_NIC_LABEL = 'ecdock-fast.dual-nic'
const PORT_LABEL = 'ecdock-fast.port'

/** A word that only the container of one start carries, so that it is found when Docker did not tell its id. */
export const START_LABEL = 'ecdock-fast.start'

export function encodeMark(mark: SlotMark): Record<string, string> {
  const labels: Record<string, string> = {
    [VSWITCH_LABEL]: mark.vswitch,
    [SLOT_LABEL]: String(mark.slot),
    [NAME_LABEL]: mark.name,
  }
  if (mark.mtu !== undefined) labels[MTU_LABEL] = String(mark.mtu)
  if (mark.internal === true) labels[INTERNAL_LABEL] = 'true'
  if (mark.dualNic === true) labels[DUAL_NIC_LABEL] = 'true'
  const port = JSON.stringify(mark.port ?? {})
  if (port !== '{}') labels[PORT_LABEL] = port
  const nics = Object.entries(mark.nics ?? {})
  if (nics.length > 0) labels[NICS_LABEL] = nics.map(([ifname, vswitch]) => `${ifname}:${vswitch}`).join(' ')
  return labels
}

/**
 * What the labels of the container of this name say, or undefined when they are not ours, are another container's, or
 * somebody has written them by hand, wrongly.
 */
export function decodeMark(
  name: string,
  labels: Readonly<Record<string, string>> | null | undefined,
): SlotMark | undefined {
  const vswitch = labels?.[VSWITCH_LABEL]
  const slot = decodeNumber(labels?.[SLOT_LABEL])
  if (vswitch === undefined || vswitch === '' || slot === undefined) return undefined
  if (labels?.[NAME_LABEL] !== name) return undefined
  const mtu = decodeNumber(labels?.[MTU_LABEL])
  const nics = decodeNics(labels?.[NICS_LABEL])
  const port = decodePort(labels?.[PORT_LABEL])
  return {
    vswitch,
    slot,
    name,
    ...(mtu !== undefined && { mtu }),
    ...(nics !== undefined && { nics }),
    ...(labels?.[INTERNAL_LABEL] === 'true' && { internal: true }),
    ...(labels?.[DUAL_NIC_LABEL] === 'true' && { dualNic: true }),
    ...(port !== undefined && { port }),
  }
}

function decodePort(text: string | undefined): PortSettings | undefined {
  try {
    const port: unknown = JSON.parse(text ?? 'null')
    return typeof port === 'object' && port !== null && !Array.isArray(port) ? port : undefined
  } catch {
    return undefined
  }
}

/** Neither a colon nor a space can be in the name of an interface or a vswitch. */
function decodeNics(text: string | undefined): Record<string, string> | undefined {
  if (text === undefined) return undefined
  const words = [...text.matchAll(/([^ :]+):([^ :]+)/g)]
  return Object.fromEntries(words.map(([, ifname, vswitch]) => [ifname, vswitch]))
}

/** A positive decimal number without leading zeros, of at most 8 digits: a slot of a /8 has no more. */
function decodeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9][0-9]{0,7}$/.test(text) ? Number(text) : undefined
}
