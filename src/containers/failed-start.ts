import { existsSync } from 'node:fs'
import type { ContainerSpec, ContainerState, DockerEngine } from '../docker/engine.js'
import { asEcdockError, EcdockError } from '../errors.js'
import { START_LABEL } from './labels.js'

const LOG_LINES = 10
/** Longest that Docker takes to notice the end of a container, in ms. */
const EXIT_MS = 5_000

/**
 * A container that has ended is the better reason for whatever plugging it came to. Docker notices that tens
 * of milliseconds later than the kernel.
 */
export async function requireRunning(engine: DockerEngine, id: string): Promise<void> {
  const { pid } = await engine.container(id)
  if (pid !== 0 && existsSync(`/proc/${pid}/ns/net`)) return
  await engine.wait(id, EXIT_MS)
  throw await ended(engine, await engine.container(id))
}

/** The error for a container that has ended, with its exit code and what it wrote last. */
export async function ended(engine: DockerEngine, container: ContainerState): Promise<EcdockError> {
  const lines = await engine.lastLines(container, LOG_LINES).catch(() => '')
  const said = lines === '' ? 'it wrote nothing' : `it wrote:\n${lines}`
  const message = `container ${container.name} is not running (${container.state}, exit code ${container.exitCode}); ${said}`
  return new EcdockError('CONTAINER_NOT_RUNNING', 'docker start', message, {
    hint: 'It needs a command that goes on, such as a shell or a server.',
  })
}

/** The error itself, unless the container cannot be removed either. */
export async function removeAfter(
  engine: DockerEngine,
  error: EcdockError,
  container: string,
): Promise<EcdockError> {
  try {
    await engine.remove(container)
    return error
  } catch (second) {
    const left = `container ${container.slice(0, 12)} is left: ${asEcdockError(second, 'docker rm').message}`
    return new EcdockError(error.code, error.op, `${error.message}; ${left}`, {
      hint: error.hint,
      cause: error,
    })
  }
}

/** Docker has not told whether it has created the container, nor its id. */
export async function removeUnanswered(
  engine: DockerEngine,
  error: EcdockError,
  spec: ContainerSpec,
): Promise<EcdockError> {
  try {
    const made = await engine.list([`${START_LABEL}=${spec.labels[START_LABEL]}`])
    for (const { id } of made) await engine.remove(id)
    if (made.length > 0) return error
  } catch {
    // What there is to say about it is said below.
  }
  return new EcdockError(
    error.code,
    error.op,
    `${error.message}; it may still create container ${spec.name}`,
    {
      hint: `If it does: docker rm -f ${spec.name}`,
      cause: error,
    },
  )
}
