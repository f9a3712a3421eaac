import type { DoctorReport } from '../../doctor/doctor.js'
import type { Colors } from '../invocation.js'

/** What the doctor found, one check a line, each with what to do about it. */
export function doctorText(report: DoctorReport, colors: Colors): string {
  const width = Math.max(0, ...report.checks.map((check) => check.name.length))
  const mark = {
    ok: colors.green('ok     '),
    warning: colors.yellow('warning'),
    missing: colors.red('missing'),
    absent: colors.dim('absent '),
  }
  const indent = ' '.repeat(9)
  const lines = report.checks.flatMap((check) => {
    // Not everybody needs it: no reason to alarm those who do not.
    const status = check.status === 'missing' && check.optional ? 'absent' : check.status
    const line = `${mark[status]}  ${check.name.padEnd(width)}  ${check.detail}`
    if (check.status === 'ok') return [line]
    const need = `${indent}${colors.dim('needed for')} ${check.neededFor}`
    return check.hint === undefined
      ? [line, need]
      : [line, need, `${indent}${colors.dim('hint')} ${check.hint}`]
  })
  const verdict = report.ok
    ? 'All that every use needs is there. What is absent is needed only for what its line says.'
    : 'Something is missing; what needs it does not work until it is there.'
  return `${lines.join('\n')}\n\n${verdict}`
}
