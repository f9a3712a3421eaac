/** The few calls of a logger that the commands use. */
export interface Log {
  info(fields: object, message: string): void
  debug(fields: object, message: string): void
}

const silent: Log = { info: () => {}, debug: () => {} }

/** A log of this level on `stderr`, one JSON object a line; without a level, none, and pino is not even loaded. */
export async function openLog(level: string | undefined, stderr: NodeJS.WriteStream): Promise<Log> {
  if (level === undefined) return silent
  const { pino } = await import('pino')
  const logger = pino({ name: 'ecdock-fast', level }, stderr)
  return {
    info: (fields, message) => logger.info(fields, message),
    debug: (fields, message) => logger.debug(fields, message),
  }
}
