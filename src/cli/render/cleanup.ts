import type { CleanupReport } from '../../cleanup/cleanup.js'

export function cleanupText(report: CleanupReport): string {
  const verb = report.dryRun ? 'would remove' : 'removed'
  const lines = report.removed.map((item) => `${verb} ${item.kind} ${item.name}: ${item.why}`)
  if (lines.length + report.failed.length === 0) lines.push('There is nothing to clean up.')
  return [...lines, ...report.skipped].join('\n')
}
