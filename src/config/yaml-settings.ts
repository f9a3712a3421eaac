import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import type { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'
import { malformed } from './malformed.js'
import { keysAt, type Settings, settingsSchema } from './settings.js'

/** As deep as `start: { env: [A=1] }`. */
const DEEPEST = 3
/**
 * The parser is recursive, and so many levels that they fill the stack can end the
 * process: what is allowed here, brackets in texts too, takes a quarter of it at most.
 */
const MOST_BRACKETS = 200
const MOST_INDICATORS = 32

/**
 * Reads the text of a configuration file in YAML 1.2; `path` is only for errors. Throws USAGE, with the line and
 * the key.
 */
export function parseYamlSettings(text: string, path: string): Settings {
  checkNesting(text, path)
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' })
  const [fault] = [...document.errors, ...document.warnings]
  if (fault !== undefined) throw malformed(path, lines.linePos(fault.pos[0]).line, lowerCase(fault.message))
  const refuse = (node: unknown, why: string): EcdockError =>
    malformed(path, lines.linePos(isNode(node) ? (node.range?.[0] ?? 0) : 0).line, why)
  const result = settingsSchema.safeParse(dataOf(document.contents, 0, refuse) ?? {})
  if (result.success) return result.data
  const [issue] = result.error.issues
  const where =
    issue?.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0] ?? ''] : (issue?.path ?? [])
  const { line } = lines.linePos(offsetOf(document, where))
  if (issue?.code === 'unrecognized_keys') throw unknownKey(path, line, where)
  if (where.length === 0) throw malformed(path, line, 'it is not made of keys and values')
  throw malformed(path, line, `${where.join('.')}: ${issue?.message}`)
}

/**
 * Counts what opens a level of nesting: a bracket (also one in a text, where its closing one makes up for it), and
 * an indicator of YAML 1.2 section 8.2, such as the dash of a list.
 */
function checkNesting(text: string, path: string): void {
  let open = 0
  for (const [index, line] of text.split('\n').entries()) {
    if (/^\s*#/.test(line)) continue
    const indicators = line.match(/(?<!\S)[-?:](?!\S)/g)?.length ?? 0
    for (const [bracket] of line.matchAll(/[[\]{}]/g)) {
      open = Math.max(0, open + ('[{'.includes(bracket) ? 1 : -1))
      if (open > MOST_BRACKETS) break
    }
    if (open > MOST_BRACKETS || indicators > MOST_INDICATORS) {
      throw malformed(path, index + 1, 'it is nested too deeply')
    }
  }
}

/**
 * The node as plain data. Not the parser's own toJS: that takes exponential time for keys that are not scalars, and
 * follows aliases, which make much of little. Nothing that is deeper than any setting is looked into.
 */
function dataOf(node: unknown, level: number, refuse: (node: unknown, why: string) => EcdockError): unknown {
  if (node === null || isScalar(node)) return node?.value ?? null
  if (level === DEEPEST) throw refuse(node, 'it is nested too deeply')
  if (isSeq(node)) return node.items.map((item) => dataOf(item, level + 1, refuse))
  if (!isMap(node)) throw refuse(node, 'aliases are not read; write the value itself')
  const entries = node.items.map(({ key, value }) => {
    if (!isScalar(key) || typeof key.value !== 'string') throw refuse(key, 'a key is a word')
    return [key.value, dataOf(value, level + 1, refuse)] as const
  })
  return Object.fromEntries(entries)
}

function unknownKey(path: string, line: number, where: readonly PropertyKey[]): Error {
  const known = keysAt(where.slice(0, -1))
  const key = where.join('.')
  const meant = known.find((each) => bare(each) === bare(String(where.at(-1))))
  const hint = meant === undefined ? `There are: ${known.join(', ')}.` : `Did you mean ${meant}?`
  return malformed(path, line, `there is no key ${quoted(key)}`, hint)
}

/** Where in the text the last of `keys` that is found stands, in characters from its beginning. */
function offsetOf(document: Document, keys: readonly PropertyKey[]): number {
  let node: unknown = document.contents
  let offset = 0
  for (const key of keys) {
    let found: unknown
    if (isMap(node)) {
      const pair = node.items.find((each) => isScalar(each.key) && String(each.key.value) === String(key))
      found = pair?.key
      node = pair?.value
    } else if (isSeq(node)) {
      found = node.items[Number(key)]
      node = found
    }
    if (isScalar(found) || isMap(found) || isSeq(found)) offset = found.range?.[0] ?? offset
  }
  return offset
}

/** `ipv6-prefix` and `IPv6_Prefix` are meant for ipv6Prefix. */
function bare(key: string): string {
  return key.replace(/[-_]/g, '').toLowerCase()
}

function lowerCase(message: string): string {
  return `${message.charAt(0).toLowerCase()}${message.slice(1)}`
}
