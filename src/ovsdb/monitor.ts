import { EcdockError } from '../errors.js'
import type { Connection, RequestOptions } from './connection.js'
import { describe } from './json-rpc.js'
import { REPLICATED, type Replica } from './replica.js'
import { refusalOf } from './result.js'

/** One connection carries one monitor, so its identity can be a constant. */
const MONITOR_ID = 'ecdock-fast'

const ZERO_UUID = '00000000-0000-0000-0000-000000000000'

const METHODS = ['monitor_cond_since', 'monitor_cond', 'monitor'] as const

type Method = (typeof METHODS)[number]

/**
 * Fills `replica` and lets the server keep it up to date, by the newest method that the server knows:
 * monitor_cond_since (OVS 2.12), monitor_cond (2.6) or monitor (RFC 7047 section 4.1.5). Throws as
 * {@link Connection.request} does.
 */
export async function startMonitor(
  connection: Connection,
  database: string,
  replica: Replica,
  limits: Pick<RequestOptions, 'timeoutMs' | 'signal'>,
): Promise<void> {
  for (const method of METHODS) {
    try {
      await connection.request(method, monitorParams(method, database), {
        ...limits,
        onResult: (result) => takeFirstPicture(method, replica, result),
      })
      return
    } catch (error) {
      if (refusalOf(error)?.error !== 'unknown method') throw error
    }
  }
  throw new EcdockError('UNSUPPORTED', 'ovsdb monitor', 'The OVSDB server knows no monitor method.')
}

/** Takes in a notification of the monitor. Throws OVSDB_PROTOCOL, and OVSDB_LOST when the monitor has ended. */
export function takeNotification(replica: Replica, method: string, params: readonly unknown[]): void {
  switch (method) {
    case 'update3':
      checkParams(params, 3)
      replica.apply('update2', params[2])
      break
    case 'update2':
      checkParams(params, 2)
      replica.apply('update2', params[1])
      break
    case 'update':
      checkParams(params, 2)
      replica.apply('update', params[1])
      break
    case 'monitor_canceled':
      throw new EcdockError('OVSDB_LOST', 'ovsdb monitor', 'The OVSDB server has taken the database away.')
  }
}

function monitorParams(method: Method, database: string): unknown[] {
  const request = (columns: readonly string[]) => (method === 'monitor' ? { columns } : [{ columns }])
  const requests = Object.fromEntries(
    Object.entries(REPLICATED).map(([table, columns]) => [table, request(columns)]),
  )
  const params = [database, MONITOR_ID, requests]
  // A last transaction that cannot be: the server then sends everything.
  return method === 'monitor_cond_since' ? [...params, ZERO_UUID] : params
}

function takeFirstPicture(method: Method, replica: Replica, result: unknown): void {
  if (method === 'monitor') {
    replica.replace('update', result)
  } else if (method === 'monitor_cond') {
    replica.replace('update2', result)
  } else {
    if (!Array.isArray(result) || result.length !== 3) throw malformed(result)
    replica.replace('update2', result[2])
  }
}

function checkParams(params: readonly unknown[], count: number): void {
  if (params.length !== count || params[0] !== MONITOR_ID) throw malformed(params)
}

function malformed(value: unknown): EcdockError {
  const message = `The OVSDB server sent ${describe(value)} in place of a monitor's update.`
  return new EcdockError('OVSDB_PROTOCOL', 'ovsdb monitor', message)
}
