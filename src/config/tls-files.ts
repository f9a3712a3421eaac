import { open } from 'node:fs/promises'
import { EcdockError } from '../errors.js'
import type { TlsOptions } from '../ovsdb/dial.js'
import { quoted } from '../quoted.js'
import type { Settings } from './settings.js'

/** More than any chain of certificates needs, in bytes. */
const LARGEST_PEM = 256 * 1024

/** What `ssl:` endpoints of OVSDB need, from the files that the configuration names. Throws USAGE. */
export async function readTlsFiles({
  ca,
  key,
  cert,
  serverName,
}: NonNullable<Settings['tls']>): Promise<TlsOptions> {
  if (ca === undefined)
    throw fault('the configuration has tls, but no tls.ca: whom is the server to be signed by?')
  const [authority, ...own] = await Promise.all([ca, key, cert].map((path) => path && readPem(path)))
  const [ownKey, ownCert] = own
  return {
    ca: authority ?? '',
    ...(ownKey !== undefined && { key: ownKey }),
    ...(ownCert !== undefined && { cert: ownCert }),
    ...(serverName !== undefined && { serverName }),
  }
}

async function readPem(path: string): Promise<string> {
  try {
    const file = await open(path)
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(LARGEST_PEM + 1), 0, LARGEST_PEM + 1)
      if (bytesRead > LARGEST_PEM) throw fault(`${quoted(path)} is longer than ${LARGEST_PEM} bytes`)
      return buffer.toString('latin1', 0, bytesRead)
    } finally {
      await file.close()
    }
  } catch (error) {
    if (error instanceof EcdockError) throw error
    throw fault(
      `${quoted(path)} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      error,
    )
  }
}

function fault(message: string, cause?: unknown): EcdockError {
  return new EcdockError('USAGE', 'configuration', message, {
    hint: 'docs/configuration.md describes every key.',
    cause,
  })
}
