import type { ConfigFile } from '../config/load.js'
import type { Check } from './report.js'

/** Whether the files in which defaults are looked for can be used, and what they say. */
export function configChecks(files: readonly ConfigFile[]): Check[] {
  return files.map(configCheck)
}

function configCheck({ path, from, settings, error, ignored }: ConfigFile): Check {
  const where = from === 'its name' ? path : `${path} (${from})`
  const about = { name: 'configuration', neededFor: 'every command', optional: false }
  if (error !== undefined) {
    const { message, hint = 'Correct it, or take it away.' } = error
    return { ...about, status: 'missing', detail: message, hint }
  }
  if (settings === undefined) return { ...about, status: 'ok', detail: `no ${where}; it need not be there` }
  const keys = Object.keys(settings)
  const detail = `${where} is read: ${keys.length === 0 ? 'it sets nothing' : keys.join(', ')}`
  if (ignored.length === 0) return { ...about, status: 'ok', detail }
  const names = ignored.slice(0, 8).join(', ')
  return {
    ...about,
    neededFor: 'defaults',
    optional: true,
    status: 'warning',
    detail: `${detail}; unknown, and passed over: ${ignored.length > 8 ? `${names}, …` : names}`,
  }
}
