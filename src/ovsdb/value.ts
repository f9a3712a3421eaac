import { EcdockError } from '../errors.js'
import { describe } from './json-rpc.js'

declare const uuidBrand: unique symbol

/** Identity of a row, such as `550e8400-e29b-41d4-a716-446655440000`. Made by {@link uuid}. */
export type Uuid = string & { readonly [uuidBrand]: true }

/** A row that an insert of the same transaction makes (RFC 7047 section 5.1). Made by {@link named}. */
export interface NamedUuid {
  readonly namedUuid: string
}

export type AtomType = 'string' | 'integer' | 'real' | 'boolean' | 'uuid'
export type Atom = string | number | boolean

/** The type of a column (RFC 7047 section 3.2), as far as encoding needs it. */
export interface ColumnType {
  /** `scalar`: exactly one atom. `optional`: one or none. */
  shape: 'scalar' | 'optional' | 'set' | 'map'
  /** Type of the atom, of each element, or of a map's keys. */
  key: AtomType
  /** Type of a map's values. */
  value?: AtomType
}

/** A column's value as this package holds it; never changed once made. */
export type ColumnValue = Atom | undefined | ReadonlySet<Atom> | ReadonlyMap<Atom, Atom>

const UUID_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const ZERO_UUID = '00000000-0000-0000-0000-000000000000'
/** <id> of RFC 7047 section 3.1. */
const ID_PATTERN = /^[A-Za-z_][A-Za-z0-9_]*$/

/** `text` as the identity of a row. Throws USAGE when it is none. */
export function uuid(text: string): Uuid {
  if (!isUuid(text)) throw unsuitable(`${describe(text)} is no UUID`)
  return text
}

export function isUuid(value: unknown): value is Uuid {
  return typeof value === 'string' && UUID_PATTERN.test(value)
}

/** The row that the insert with this `uuidName` makes: letters, digits and underscores. Throws USAGE. */
export function named(name: string): NamedUuid {
  if (!ID_PATTERN.test(name)) throw unsuitable(`${describe(name)} cannot name a row in a transaction`)
  return { namedUuid: name }
}

/** `name` as the name of a lock: letters, digits and underscores (RFC 7047 section 4.1.8). Throws USAGE. */
export function lockName(name: string): string {
  if (!ID_PATTERN.test(name)) throw unsuitable(`${describe(name)} cannot name a lock`)
  return name
}

/** What a column holds when nothing was said about it (RFC 7047 section 5.2.1). */
export function defaultValue(column: ColumnType): ColumnValue {
  switch (column.shape) {
    case 'scalar':
      return { string: '', integer: 0, real: 0, boolean: false, uuid: ZERO_UUID }[column.key]
    case 'optional':
      return undefined
    case 'set':
      return EMPTY_SET
    case 'map':
      return EMPTY_MAP
  }
}

/** Values never change once made, so all columns that hold nothing can hold the same nothing. */
const EMPTY_SET: ReadonlySet<Atom> = new Set()
const EMPTY_MAP: ReadonlyMap<Atom, Atom> = new Map()

/** A value as RFC 7047 section 5.1 writes it. Throws USAGE when it does not fit the column. */
export function encodeValue(column: ColumnType, value: unknown): unknown {
  switch (column.shape) {
    case 'scalar':
      return encodeAtom(column.key, value)
    case 'optional':
      return value === undefined ? ['set', []] : encodeAtom(column.key, value)
    case 'set':
      return encodeSet(column.key, value)
    case 'map':
      return encodeMap(column, value)
  }
}

/** `values` as a set, as `mutate` takes the keys that it deletes from a map. */
export function encodeSet(type: AtomType, values: unknown): unknown {
  if (!isIterable(values)) throw unsuitable(`${describe(values)} is no list`)
  return ['set', Array.from(values, (element) => encodeAtom(type, element))]
}

/** One atom. Throws USAGE. */
export function encodeAtom(type: AtomType, value: unknown): unknown {
  switch (type) {
    case 'string':
      // The server takes a NUL or half a surrogate pair for broken JSON, and hangs up.
      if (typeof value === 'string' && !/[\0\p{Surrogate}]/u.test(value)) return value
      break
    case 'integer':
      if (Number.isSafeInteger(value)) return value
      break
    case 'real':
      if (Number.isFinite(value)) return value
      break
    case 'boolean':
      if (typeof value === 'boolean') return value
      break
    case 'uuid':
      if (isUuid(value)) return ['uuid', value]
      if (isNamedUuid(value)) return ['named-uuid', named(value.namedUuid).namedUuid]
      break
  }
  throw unsuitable(`${describe(value)} is no ${type} that OVSDB can hold`)
}

/** A received value. Throws OVSDB_PROTOCOL when it is not of the column's type. */
export function decodeValue(column: ColumnType, json: unknown): ColumnValue {
  if (column.shape === 'map') return new Map(decodePairs(column, json))
  if (column.shape === 'scalar') return decodeAtom(column.key, json)
  const elements = decodeElements(column.key, json)
  if (column.shape === 'set') return new Set(elements)
  if (elements.length > 1) throw unexpected(json, 'at most one element')
  return elements[0]
}

/**
 * The new value of a column that a `modify` of update2 or update3 tells of. Of sets and maps that can hold
 * more than one element it brings the difference: an element that is there goes, one that is not there
 * comes, and a known key with another value gets that value (ovsdb-server(7), section 4.1.15). Of every other
 * column it brings the new value. Throws OVSDB_PROTOCOL.
 */
export function applyDifference(column: ColumnType, old: ColumnValue, json: unknown): ColumnValue {
  if (column.shape === 'map' && old instanceof Map) {
    const map = new Map<Atom, Atom>(old)
    for (const [key, value] of decodePairs(column, json)) {
      if (map.get(key) === value) map.delete(key)
      else map.set(key, value)
    }
    return map
  }
  if (column.shape === 'set' && old instanceof Set) {
    const set = new Set<Atom>(old)
    for (const element of decodeElements(column.key, json)) {
      if (!set.delete(element)) set.add(element)
    }
    return set
  }
  return decodeValue(column, json)
}

function encodeMap(column: ColumnType, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) throw unsuitable(`${describe(value)} is no map`)
  const pairs: [unknown, unknown][] =
    value instanceof Map
      ? [...value]
      : Object.entries(value).map(([key, item]) => [column.key === 'integer' ? Number(key) : key, item])
  const valueType = column.value ?? 'string'
  return ['map', pairs.map(([key, item]) => [encodeAtom(column.key, key), encodeAtom(valueType, item)])]
}

/** A set, which the sender may write as a bare atom when it has one element (RFC 7047 section 5.1). */
function decodeElements(type: AtomType, json: unknown): Atom[] {
  if (Array.isArray(json) && json[0] === 'set') {
    if (json.length !== 2 || !Array.isArray(json[1])) throw unexpected(json, 'a set')
    return json[1].map((element) => decodeAtom(type, element))
  }
  return [decodeAtom(type, json)]
}

function decodePairs(column: ColumnType, json: unknown): [Atom, Atom][] {
  if (!Array.isArray(json) || json.length !== 2 || json[0] !== 'map' || !Array.isArray(json[1])) {
    throw unexpected(json, 'a map')
  }
  return json[1].map((pair: unknown) => {
    if (!Array.isArray(pair) || pair.length !== 2) throw unexpected(pair, 'a pair of a map')
    return [decodeAtom(column.key, pair[0]), decodeAtom(column.value ?? 'string', pair[1])]
  })
}

function decodeAtom(type: AtomType, json: unknown): Atom {
  switch (type) {
    case 'string':
      if (typeof json === 'string') return json
      break
    case 'integer':
    case 'real':
      // Integers have 64 bits; beyond 2^53 they lose their last digits here. Only counters grow that far.
      if (typeof json === 'number') return json
      break
    case 'boolean':
      if (typeof json === 'boolean') return json
      break
    case 'uuid':
      if (Array.isArray(json) && json.length === 2 && json[0] === 'uuid' && isUuid(json[1])) return json[1]
      break
  }
  throw unexpected(json, `a value of type ${type}`)
}

function isNamedUuid(value: unknown): value is NamedUuid {
  return (
    typeof value === 'object' && value !== null && 'namedUuid' in value && typeof value.namedUuid === 'string'
  )
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value
}

function unsuitable(why: string): EcdockError {
  return new EcdockError('USAGE', 'ovsdb encode', `${why}.`)
}

function unexpected(json: unknown, expected: string): EcdockError {
  const message = `The OVSDB server sent ${describe(json)} in place of ${expected}.`
  return new EcdockError('OVSDB_PROTOCOL', 'ovsdb receive', message)
}
