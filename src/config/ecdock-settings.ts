import { quoted } from '../quoted.js'
import { malformed } from './malformed.js'
import { type Settings, settingsSchema } from './settings.js'

/** What ecDock calls them (its script `ec`, version 1.2), and what they are here. */
const KEYS = {
  DEFAULT_VSWITCH: 'vswitch',
  DEFAULT_SLOT: 'slot',
  DEFAULT_IPV6_PREFIX: 'ipv6Prefix',
} as const satisfies Record<string, keyof Settings>

const HINT =
  'The file is read, not run by a shell: assignments of plain values are understood, such as DEFAULT_VSWITCH=ovs0.'

/** What ecDock's file says. */
export interface EcdockSettings {
  settings: Settings
  /** Names of variables that mean nothing to ecDock nor here. */
  ignored: string[]
}

/**
 * Reads the text of ecDock's file of defaults, which ecDock has its shell run: comments, and assignments of words
 * and quoted strings (POSIX.1 shell command language, 2.2 and 2.9.1). Nothing is expanded. The last assignment counts, and
 * an empty value is none. Throws USAGE, with the line, for all else; `path` is only for errors.
 */
export function parseEcdockSettings(text: string, path: string): EcdockSettings {
  const settings: Settings = {}
  const ignored = new Set<string>()
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const number = index + 1
    if (/^\s*(#|$)/.test(line)) continue
    const { name, word } = assignment(line) ?? {}
    if (name === undefined || word === undefined) {
      throw malformed(path, number, `${quoted(line.trim())} is no assignment`, HINT)
    }
    if (!isKey(name)) {
      ignored.add(name)
      continue
    }
    const value = plainValue(word)
    if (value === undefined) {
      throw malformed(path, number, `${name}: ${quoted(word)} is no plain value`, HINT)
    }
    delete settings[KEYS[name]]
    if (value !== '') Object.assign(settings, checked(name, value, path, number))
  }
  return { settings, ignored: [...ignored] }
}

/** The parts of `[export ]NAME=WORD[ # comment]`, if the line is that and its quotes are closed. */
function assignment(line: string): { name: string; word: string } | undefined {
  const match =
    /^\s*(?:export\s+)?([A-Za-z_]\w*)=((?:[^\s'"\\#;&|<>()]|(?<=\S)#|'[^']*'|"(?:[^"\\]|\\.)*"|\\\S|\$\([^()'"]*\))*)(?:\s+#.*|\s*)$/.exec(
      line,
    )
  const [, name, word] = match ?? []
  return name === undefined || word === undefined ? undefined : { name, word }
}

/** The value of a word in which a shell would expand nothing; undefined for any other. */
function plainValue(word: string): string | undefined {
  let value = ''
  for (const part of word.match(/'[^']*'|"[^"]*"|[^'"]+/g) ?? []) {
    const isSingle = part.startsWith("'")
    const isDouble = part.startsWith('"')
    if (!isSingle && /[$`\\]/.test(part)) return undefined
    if (!isSingle && !isDouble && /[~*?[\]{}!]/.test(part)) return undefined
    value += isSingle || isDouble ? part.slice(1, -1) : part
  }
  return value
}

function checked(name: keyof typeof KEYS, value: string, path: string, line: number): Settings {
  const key = KEYS[name]
  const given = key === 'slot' && /^[1-9]\d{0,7}$/.test(value) ? Number(value) : value
  const result = settingsSchema.safeParse({ [key]: given })
  if (result.success) return result.data
  throw malformed(path, line, `${name}: ${result.error.issues[0]?.message}`)
}

function isKey(name: string): name is keyof typeof KEYS {
  return Object.hasOwn(KEYS, name)
}
