import { readdirSync, statSync } from 'node:fs'
import type { ContainerState, DockerEngine } from '../docker/engine.js'
import { EcdockError } from '../errors.js'
import { checkTarget } from './parse.js'
import type { ResolvedTarget, Target } from './target.js'

/** Where `ip netns` keeps its names (ip-netns(8)). */
const NAMED = '/run/netns'
const NAMES_SHOWN = 5

/**
 * Finds the namespace of a target, and sees that it is there. `docker` is called for containers only, so that
 * nothing of Docker is touched without need. Whether the path is a network namespace is for the kernel to say
 * when it is entered.
 *
 * Throws TARGET_INVALID, TARGET_NOT_FOUND, PERMISSION, CONTAINER_NOT_FOUND, CONTAINER_NOT_RUNNING or
 * DOCKER_UNREACHABLE.
 */
export async function resolveTarget(target: Target, docker: () => DockerEngine): Promise<ResolvedTarget> {
  const located = await locateTarget(target, docker)
  checkPresent(located)
  return located
}

/**
 * As {@link resolveTarget}, without looking whether the namespace is there: for somebody who enters it at
 * once, and asks {@link checkPresent} for the reason when that fails.
 */
export async function locateTarget(target: Target, docker: () => DockerEngine): Promise<ResolvedTarget> {
  checkTarget(target)
  return 'container' in target ? resolveContainer(target.container, docker()) : pathOf(target)
}

/** As {@link locateTarget}, at once: undefined for a container, which Docker has to be asked for. */
export function locate(target: Target): ResolvedTarget | undefined {
  checkTarget(target)
  return 'container' in target ? undefined : pathOf(target)
}

function pathOf(target: { pid: number } | { netns: string }): ResolvedTarget {
  if ('pid' in target) return { netns: `/proc/${target.pid}/ns/net`, label: `pid:${target.pid}` }
  const { netns } = target
  return { netns: netns.startsWith('/') ? netns : `${NAMED}/${netns}`, label: `netns:${netns}` }
}

/** Throws TARGET_NOT_FOUND, CONTAINER_NOT_RUNNING or PERMISSION when the namespace of a target is not there. */
export function checkPresent({ netns, label, containerId }: ResolvedTarget): void {
  if (exists(netns)) return
  const name = label.slice(label.indexOf(':') + 1)
  if (containerId !== undefined) {
    throw new EcdockError('CONTAINER_NOT_RUNNING', 'target', `container ${name} has just ended`, {
      hint: 'If it is still running, ecdock-fast cannot see its process: in a container it needs --pid=host.',
    })
  }
  if (label.startsWith('pid:')) throw notFound(`there is no process ${name}`)
  if (name.startsWith('/')) throw notFound(`there is no ${name}`)
  throw notFound(`there is no network namespace ${name}`, hintOfNames())
}

/** The target is in the namespace of this process: its addresses and routes are the host's own. */
export function ownNetwork({ label, containerId }: ResolvedTarget): EcdockError {
  const message = `${label} uses the host's network, so that plugging it in would change the host itself`
  return new EcdockError('TARGET_INVALID', 'target', message, {
    hint:
      containerId === undefined
        ? 'Give a target that has a network namespace of its own: ip netns add NAME, or unshare --net.'
        : 'Run the container with --network none instead of --network host.',
  })
}

async function resolveContainer(name: string, docker: DockerEngine): Promise<ResolvedTarget> {
  const container = await docker.container(name)
  if (container.pid === 0) throw notRunning(container)
  const netns = `/proc/${container.pid}/ns/net`
  return { netns, label: `container:${container.name}`, containerId: container.id }
}

function notRunning(container: ContainerState): EcdockError {
  return new EcdockError(
    'CONTAINER_NOT_RUNNING',
    'target',
    `container ${container.name} is not running: its state is ${container.state}`,
    { hint: `Start it: docker start ${container.name}` },
  )
}

/** One call, and synchronous: procfs and tmpfs never wait, while a turn through libuv's pool would. */
function exists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).code
    if (errno !== 'EACCES' && errno !== 'EPERM') {
      throw new EcdockError('TARGET_NOT_FOUND', 'target', `cannot reach ${path}`, { errno, cause: error })
    }
    throw new EcdockError('PERMISSION', 'target', `may not look at ${path}`, {
      errno,
      hint: 'Run it as root.',
      cause: error,
    })
  }
}

function notFound(message: string, hint?: string): EcdockError {
  return new EcdockError('TARGET_NOT_FOUND', 'target', message, { hint })
}

function hintOfNames(): string {
  let names: string[] = []
  try {
    names = readdirSync(NAMED).sort()
  } catch {
    // No such directory: nobody has made a named namespace yet.
  }
  if (names.length === 0) return `There are no named namespaces (${NAMED} is empty).`
  const rest = names.length - NAMES_SHOWN
  return `There are: ${names.slice(0, NAMES_SHOWN).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}.`
}
