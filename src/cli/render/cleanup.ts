import type { CleanupReport } from '../../cleanup/cleanup.js'
import type { Removal } from '../../cleanup/finding.js'

/** What is put right instead of being removed. */
const MENDED: ReadonlySet<Removal['kind']> = new Set(['process', 'tap'])

export function cleanupText(report: CleanupReport): string {
  const lines = report.removed.map(
    (item) => `${verb(item, report.dryRun)} ${item.kind} ${item.name}: ${item.why}`,
  )
  if (lines.length + report.failed.length === 0) lines.push('There is nothing to clean up.')
  return [...lines, ...report.skipped].join('\n')
}

function verb({ kind }: Removal, dryRun: boolean): string {
  if (MENDED.has(kind)) return dryRun ? 'would mend' : 'mended'
  return dryRun ? 'would remove' : 'removed'
}
