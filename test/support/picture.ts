import * as assert from 'uvu/assert'
import { inside } from './netns.js'

/** Few programs, as each takes its time where a processor is emulated. */
const SHOW = `
printf '%s\\n' 'address show' 'route show table all' | ip -json -details -batch - || exit
cd /proc/sys/net || exit
# Not all of them can be read.
grep -rs "" ipv4/conf ipv6/conf --exclude=stable_secret --exclude-dir=all || true
`

/** What the kernel changes by itself as time goes by. */
const RESTLESS_FLAGS = ['NO-CARRIER', 'LOWER_UP']

/**
 * A network namespace as `ip` and /proc/sys show it: links with all their properties, addresses, routes and the
 * settings below net/ipv4/conf and net/ipv6/conf. Equal pictures mean that nobody has changed anything; what the
 * kernel does by itself is not in them (timers, carriers, link-local addresses). `netns` is a path.
 */
export async function picture(netns: string): Promise<string> {
  const shown = await inside(netns, 'sh', ['-c', SHOW])
  const [links = '', routes = '', ...sysctls] = shown.split('\n')
  const parts = [links, routes].map((text) => JSON.stringify(JSON.parse(text, atRest), undefined, 1))
  return [...parts, ...sysctls.sort()].join('\n')
}

/** Throws when two pictures differ, and shows the lines that do. */
export function assertUnchanged(now: string, before: string): void {
  const [linesBefore, linesNow] = [before.split('\n'), now.split('\n')]
  const gone = linesBefore.filter((line) => !linesNow.includes(line))
  const come = linesNow.filter((line) => !linesBefore.includes(line))
  assert.equal({ gone, come }, { gone: [], come: [] })
  assert.ok(now === before, 'lines that there are several of have changed')
}

/** A reviver for JSON.parse. */
function atRest(key: string, value: unknown): unknown {
  if (key.endsWith('_timer') || key === 'operstate') return undefined
  if (key === 'flags' && Array.isArray(value)) return value.filter((flag) => !RESTLESS_FLAGS.includes(flag))
  if (!Array.isArray(value)) return value
  return value.filter((item: { scope?: string; local?: string; dst?: string } | string) => {
    if (typeof item === 'string') return true
    return !/^(fe80|ff00):/.test(item.local ?? item.dst ?? '')
  })
}
