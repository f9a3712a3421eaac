import type { CleanupReport } from '../../host.js'

export function cleanupText(report: CleanupReport): string {
  if (report.removed.length === 0) return 'There is nothing to clean up.'
  const verb = report.dryRun ? 'would remove' : 'removed'
  return report.removed.map((item) => `${verb} ${item.kind} ${item.name} (${item.why})`).join('\n')
}
