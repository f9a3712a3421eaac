/** One thing that was looked at. */
export interface Check {
  /** What was looked at, such as `CAP_NET_ADMIN` or `OVSDB`. */
  name: string
  /**
   * `ok`: it is there. `warning`: it works, or it cannot be known, and `detail` says what may go wrong.
   * `missing`: what `neededFor` names does not work.
   */
  status: 'ok' | 'warning' | 'missing'
  /** What was found, in words. */
  detail: string
  /** What to do about it. */
  hint?: string
  neededFor: string
  /** True when everything but what `neededFor` names works without it. */
  optional: boolean
}

export interface DoctorReport {
  /** Nothing is missing that is not optional: namespaces can be plugged into a vswitch of kind `bridge`. */
  ok: boolean
  checks: Check[]
}

export function doctorReport(checks: Check[]): DoctorReport {
  return { ok: checks.every((check) => check.optional || check.status !== 'missing'), checks }
}
