import { z } from 'zod'
import { parseIpv6Prefix } from '../addressing/ipv6-prefix.js'
import { parseSubnet } from '../addressing/subnet.js'
import { parseDockerAddress } from '../docker/address.js'
import { parseDetachKeys } from '../docker/detach-keys.js'
import { asEcdockError } from '../errors.js'
import { parseEndpoints } from '../ovsdb/endpoint.js'

/** Longest text that a setting can be, in characters: that of a path (PATH_MAX). */
const LONGEST_TEXT = 4095
const MOST_TEXTS = 256

const text = z
  .string({ error: 'it is a text; put it in quotes' })
  .min(1, { error: 'it is empty' })
  .max(LONGEST_TEXT, { error: `it has at most ${LONGEST_TEXT} characters` })
  .refine((value) => !value.includes('\0'), { error: 'it holds a NUL' })
const flag = z.boolean({ error: 'it is true or false' })
const texts = z
  .array(text, { error: 'it is a list of texts' })
  .max(MOST_TEXTS, { error: `it has at most ${MOST_TEXTS} items` })

const start = section({ privileged: flag, tty: flag, env: texts, volumes: texts })
const stop = section({ time: wholeNumber(0, 3600) })
const attach = section({ detachKeys: textFor(parseDetachKeys) })
const tls = section({ ca: text, cert: text, key: text, serverName: text })

/** Each key holds the default of an option: the one that is called like it. */
const all = section({
  vswitch: text,
  slot: wholeNumber(1, 0xff_ffff),
  ovsdb: textFor(parseEndpoints),
  leaderOnly: flag,
  tls,
  docker: textFor((address) => parseDockerAddress(address, '')),
  logLevel: oneOf('error', 'warn', 'info', 'debug', 'trace'),
  kind: oneOf('bridge', 'ovs', 'vde'),
  usermode: flag,
  subnet: textFor(parseSubnet),
  ipv6Prefix: textFor(parseIpv6Prefix),
  mtu: wholeNumber(68, 65_535),
  defaultRoute: flag,
  start,
  stop,
  attach,
})

/** What a configuration file may say. Its errors are phrases that follow the name of a key. */
export const settingsSchema = all.refine(
  ({ kind, usermode }) => kind === undefined || kind === 'ovs' || usermode !== true,
  {
    path: ['usermode'],
    error: 'it is for Open vSwitch, and kind says otherwise',
  },
)

/** Defaults of options, as configuration files say them. */
export type Settings = z.infer<typeof settingsSchema>

/** The keys that there can be in the section that `path` leads to. */
export function keysAt(path: readonly PropertyKey[]): string[] {
  const sections: Record<string, { shape: object }> = { start, stop, attach, tls }
  const [name] = path
  const found = name === undefined ? all : sections[String(name)]
  return Object.keys(found?.shape ?? {})
}

function section<Shape extends z.core.$ZodShape>(shape: Shape) {
  return z.strictObject(shape, { error: sectionError }).exactPartial()
}

function sectionError({ code }: { code?: string | undefined }): string | undefined {
  return code === 'invalid_type' ? 'it has keys of its own' : undefined
}

function wholeNumber(low: number, high: number): z.ZodNumber {
  const error = `it is a whole number from ${low} to ${high}`
  return z.int({ error }).min(low, { error }).max(high, { error })
}

function oneOf<const Words extends readonly [string, ...string[]]>(...words: Words) {
  return z.enum(words, { error: `it is one of ${words.join(', ')}` })
}

/** A text that `parse` can read, which throws an EcdockError when it cannot. */
function textFor(parse: (value: string) => unknown) {
  return text.superRefine((value, context) => {
    try {
      parse(value)
    } catch (error) {
      context.addIssue({ code: 'custom', message: asEcdockError(error, 'configuration').message })
    }
  })
}
