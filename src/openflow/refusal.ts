import { EcdockError } from '../errors.js'

/** Types of errors and their codes (`enum ofp_error_type`, OpenFlow 1.0.0 section 5.4.4). */
const ERRORS: Readonly<Record<number, { name: string; codes: readonly string[] }>> = {
  0: { name: 'OFPET_HELLO_FAILED', codes: ['OFPHFC_INCOMPATIBLE', 'OFPHFC_EPERM'] },
  1: {
    name: 'OFPET_BAD_REQUEST',
    codes: [
      'OFPBRC_BAD_VERSION',
      'OFPBRC_BAD_TYPE',
      'OFPBRC_BAD_STAT',
      'OFPBRC_BAD_VENDOR',
      'OFPBRC_BAD_SUBTYPE',
      'OFPBRC_EPERM',
      'OFPBRC_BAD_LEN',
      'OFPBRC_BUFFER_EMPTY',
      'OFPBRC_BUFFER_UNKNOWN',
    ],
  },
  2: {
    name: 'OFPET_BAD_ACTION',
    codes: [
      'OFPBAC_BAD_TYPE',
      'OFPBAC_BAD_LEN',
      'OFPBAC_BAD_VENDOR',
      'OFPBAC_BAD_VENDOR_TYPE',
      'OFPBAC_BAD_OUT_PORT',
      'OFPBAC_BAD_ARGUMENT',
      'OFPBAC_EPERM',
      'OFPBAC_TOO_MANY',
      'OFPBAC_BAD_QUEUE',
    ],
  },
  3: {
    name: 'OFPET_FLOW_MOD_FAILED',
    codes: [
      'OFPFMFC_ALL_TABLES_FULL',
      'OFPFMFC_OVERLAP',
      'OFPFMFC_EPERM',
      'OFPFMFC_BAD_EMERG_TIMEOUT',
      'OFPFMFC_BAD_COMMAND',
      'OFPFMFC_UNSUPPORTED',
    ],
  },
  4: { name: 'OFPET_PORT_MOD_FAILED', codes: ['OFPPMFC_BAD_PORT', 'OFPPMFC_BAD_HW_ADDR'] },
  5: {
    name: 'OFPET_QUEUE_OP_FAILED',
    codes: ['OFPQOFC_BAD_PORT', 'OFPQOFC_BAD_QUEUE', 'OFPQOFC_EPERM'],
  },
}

/**
 * NXET_VENDOR of nicira-ext.h: an error that OpenFlow 1.0 has no number for; u32 vendor, u16 type, u16 code
 * follow.
 */
const VENDOR_ERROR = 0xb0c2

/** What the body of OFPT_ERROR says, such as `OFPET_FLOW_MOD_FAILED OFPFMFC_OVERLAP`. Never throws. */
export function describeRefusal(body: Buffer): string {
  if (body.length < 4) return `an error of ${body.length} bytes`
  const type = body.readUInt16BE(0)
  const code = body.readUInt16BE(2)
  if (type === VENDOR_ERROR && body.length >= 12) {
    const vendor = body.readUInt32BE(4).toString(16).padStart(8, '0')
    return `an error of vendor 0x${vendor}, type ${body.readUInt16BE(8)} code ${body.readUInt16BE(10)}`
  }
  const known = ERRORS[type]
  if (known === undefined) return `an error of type ${type} code ${code}`
  return `${known.name} ${known.codes[code] ?? `code ${code}`}`
}

/** OPENFLOW_REFUSED, with the type and code by name. */
export function refused(op: string, body: Buffer): EcdockError {
  const message = `The switch refused ${op}: ${describeRefusal(body)}.`
  return new EcdockError('OPENFLOW_REFUSED', op, message)
}
