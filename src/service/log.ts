import { type Logger, pino } from 'pino'
import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'

export type LogFormat = 'json' | 'text'

const LEVELS: Record<number, string> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
}

/** Opens the service's log. `json` is pino's: one object a line. `text` is for people, and for docker-vde-plugin's friends. */
export function openServiceLog(level: string, format: LogFormat, stream: NodeJS.WritableStream): Logger {
  const options = { name: 'ecdock-fast', level }
  if (format === 'json') return pino(options, stream)
  return pino(options, { write: (line: string) => stream.write(textLine(line)) })
}

/**
 * Reads `--log-format`: `json`, `text`, or docker-vde-plugin's form, such as `logger:stderr` or
 * `logger:stderr?json=true`. Throws USAGE.
 */
export function parseLogFormat(value: string): LogFormat {
  if (value === 'json' || value === 'text') return value
  const found = /^logger:stderr(?:\?json=(true|false))?$/.exec(value)
  if (found !== null) return found[1] === 'true' ? 'json' : 'text'
  throw new EcdockError('USAGE', 'command line', `${quoted(value)} is no format of the log`, {
    hint: 'Give json or text; the log goes to stderr, and from there wherever the service manager puts it.',
  })
}

/** Such as `2026-01-31T12:00:00.000Z info  answered method=NetworkDriver.Join ms=1.2`. */
function textLine(line: string): string {
  const { time, level, msg, name: _name, pid: _pid, hostname: _hostname, ...fields } = JSON.parse(line)
  const rest = Object.entries(fields).map(([key, value]) => ` ${key}=${shown(value)}`)
  return `${new Date(time).toISOString()} ${(LEVELS[level] ?? '').padEnd(5)} ${msg ?? ''}${rest.join('')}\n`
}

function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'message' in value) return JSON.stringify(value.message)
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return /^[\w.:/@%+-]+$/.test(text) ? text : JSON.stringify(value)
}
