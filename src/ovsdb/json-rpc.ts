import { EcdockError } from '../errors.js'

/** JSON-RPC 1.0 as RFC 7047 section 4 uses it. */
export type Message = Request | Notification | Reply

export interface Request {
  kind: 'request'
  id: unknown
  method: string
  params: readonly unknown[]
}

export interface Notification {
  kind: 'notification'
  method: string
  params: readonly unknown[]
}

export interface Reply {
  kind: 'reply'
  id: unknown
  result: unknown
  /** null when the request succeeded. */
  error: unknown
}

/** The message that a received JSON value is. Throws OVSDB_PROTOCOL when it is none. */
export function parseMessage(value: unknown): Message {
  if (!isRecord(value)) throw malformed('a message that is not an object')
  const id = own(value, 'id') ?? null
  const method = own(value, 'method')
  if (method !== undefined) {
    const params = own(value, 'params')
    if (typeof method !== 'string' || !Array.isArray(params)) throw malformed('a malformed request')
    return id === null ? { kind: 'notification', method, params } : { kind: 'request', id, method, params }
  }
  const result = own(value, 'result')
  const error = own(value, 'error') ?? null
  if (result === undefined && error === null) {
    throw malformed('a message that is neither a request nor a reply')
  }
  if (id === null) throw malformed(`a reply to no request (${describe(error)})`)
  return { kind: 'reply', id, result: result ?? null, error }
}

/** The text that asks the server for something; the reply carries the same `id`. */
export function requestText(id: number, method: string, params: readonly unknown[]): string {
  return JSON.stringify({ id, method, params })
}

export function notificationText(method: string, params: readonly unknown[]): string {
  return JSON.stringify({ id: null, method, params })
}

export function replyText(id: unknown, result: unknown): string {
  return JSON.stringify({ id, result, error: null })
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A received value as text for an error message, cut to 200 characters. */
export function describe(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 200 ? `${text.slice(0, 199)}…` : text
}

function own(value: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(value, key) ? value[key] : undefined
}

function malformed(what: string): EcdockError {
  return new EcdockError('OVSDB_PROTOCOL', 'ovsdb receive', `The OVSDB server sent ${what}.`)
}
