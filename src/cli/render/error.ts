import type { EcdockError } from '../../errors.js'
import { isMissing } from '../exit-status.js'
import type { Colors } from '../invocation.js'

/** An error as `--json` prints it, under the key `error`. */
export function errorDocument(error: EcdockError): Record<string, string> {
  const hint = hintOf(error)
  return { ...error.toJSON(), ...(hint !== undefined && { hint }) }
}

/** An error for people: what failed, in the kernel's words where there are any, and what to do next. */
export function errorText(error: EcdockError, colors: Colors): string {
  const lines = [`${colors.red('error')}: ${error.message}`]
  if (error.kernelMessage !== undefined && !error.message.includes(error.kernelMessage)) {
    lines.push(`  the kernel says: ${error.kernelMessage}`)
  }
  if (error.code === 'INTERNAL' && error.cause instanceof Error && error.cause.stack !== undefined) {
    lines.push(
      `  ${error.cause.stack
        .split('\n')
        .slice(1, 4)
        .map((line) => line.trim())
        .join('\n  ')}`,
    )
  }
  const hint = hintOf(error)
  if (hint !== undefined) lines.push(`  ${colors.dim('hint')}: ${hint}`)
  return `${lines.join('\n')}\n`
}

/** When something is missing, every hint ends with the command that says what. */
function hintOf(error: EcdockError): string | undefined {
  if (!isMissing(error) || error.hint?.includes('ecdock-fast doctor') === true) return error.hint
  const doctor = '"ecdock-fast doctor" says what is missing.'
  return error.hint === undefined ? doctor : `${error.hint} ${doctor}`
}
