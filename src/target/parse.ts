import { isContainerName } from '../docker/names.js'
import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'
import type { Target } from './target.js'

/** Linux's PID_MAX_LIMIT on 64-bit machines (include/linux/threads.h). */
const HIGHEST_PID = 4_194_304
/** PATH_MAX without its closing NUL (include/uapi/linux/limits.h), in bytes. */
const LONGEST_PATH = 4095
/** NAME_MAX (include/uapi/linux/limits.h), in bytes. */
const LONGEST_NAME = 255

const FORMS = 'A target is pid:1234, netns:NAME or netns:/absolute/path, or container:NAME.'

/**
 * Reads a target as a command line gives it: `pid:1234`, `netns:blue`, `netns:/run/netns/blue` or
 * `container:web`. Throws TARGET_INVALID, whose hint shows these forms.
 */
export function parseTarget(text: string): Target {
  const colon = text.indexOf(':')
  const kind = text.slice(0, Math.max(colon, 0))
  const rest = text.slice(colon + 1)
  switch (kind) {
    case 'pid':
      if (!/^[1-9][0-9]{0,6}$/.test(rest)) throw invalid(`${quoted(rest)} is not a process id`)
      return checkTarget({ pid: Number(rest) })
    case 'netns':
      return checkTarget({ netns: rest })
    case 'container':
      return checkTarget({ container: rest })
    default:
      throw invalid(`${quoted(text)} is not a target`)
  }
}

const KINDS = ['pid', 'netns', 'container'] as const

/** The target itself when it is well-formed. Throws TARGET_INVALID: a name is never passed on unchecked. */
export function checkTarget(target: Target): Target {
  const given = Object(target)
  let kinds = 0
  for (const kind of KINDS) if (Object.hasOwn(given, kind)) kinds++
  if (kinds !== 1) throw invalid('a target has exactly one of pid, netns and container')
  if ('pid' in target) checkPid(target.pid)
  else if ('netns' in target) checkNetns(target.netns)
  else checkContainer(target.container)
  return target
}

function checkPid(pid: unknown): void {
  if (typeof pid !== 'number' || !Number.isInteger(pid) || pid < 1 || pid > HIGHEST_PID) {
    throw invalid(`${quoted(pid)} is not a process id: 1 to ${HIGHEST_PID}`)
  }
}

function checkNetns(netns: unknown): void {
  if (typeof netns !== 'string' || netns === '') throw invalid('the name of the namespace is missing')
  if (netns.includes('\0')) throw invalid(`${quoted(netns)} contains a NUL byte`)
  if (netns.startsWith('/')) {
    if (isLonger(netns, LONGEST_PATH)) {
      throw invalid(`the path of the namespace is longer than ${LONGEST_PATH} bytes`)
    }
    return
  }
  if (netns === '.' || netns === '..' || netns.includes('/')) {
    throw invalid(`${quoted(netns)} is neither a namespace's name nor an absolute path`)
  }
  if (isLonger(netns, LONGEST_NAME)) {
    throw invalid(`the name of the namespace is longer than ${LONGEST_NAME} bytes`)
  }
}

/** In UTF-8, which has at most three bytes for each unit of a JavaScript string: most texts need not be counted. */
function isLonger(text: string, bytes: number): boolean {
  return text.length * 3 > bytes && Buffer.byteLength(text) > bytes
}

function checkContainer(container: unknown): void {
  if (!isContainerName(container)) {
    throw invalid(`${quoted(container)} is not the name or id of a container`)
  }
}

function invalid(message: string): EcdockError {
  return new EcdockError('TARGET_INVALID', 'target', message, { hint: FORMS })
}
