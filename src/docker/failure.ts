import { EcdockError, type ErrorCode } from '../errors.js'

/** What Docker's answer 404 means in a call: which thing, of which name. */
export interface Subject {
  code: 'CONTAINER_NOT_FOUND' | 'IMAGE_NOT_FOUND'
  name: string
}

/** errno names of a socket on which nobody answers, with what to do about it. */
const UNREACHABLE: Readonly<Record<string, string>> = {
  ENOENT: 'Install Docker and start it, or name its socket in DOCKER_HOST.',
  ECONNREFUSED: 'Start Docker, or name its socket in DOCKER_HOST.',
  EACCES: 'Run it as root, or as a member of the group docker.',
  EPERM: 'Run it as root, or as a member of the group docker.',
  ENOTSOCK: 'Name the socket of Docker in DOCKER_HOST.',
  ECONNRESET: 'Docker has ended, or is being restarted: try again.',
  EPIPE: 'Docker has ended, or is being restarted: try again.',
  ETIMEDOUT: 'Start Docker, or name its socket in DOCKER_HOST.',
  EHOSTUNREACH: 'Start Docker, or name its socket in DOCKER_HOST.',
}

/** The error of a failed call, in our words and with Docker's own. */
export function dockerFailure(op: string, address: string, error: unknown, subject?: Subject): EcdockError {
  if (error instanceof EcdockError) return error
  const errno = textField(error, 'code')
  const hint = UNREACHABLE[errno ?? '']
  if (hint !== undefined) {
    return new EcdockError('DOCKER_UNREACHABLE', op, `Docker does not answer at ${address}`, {
      errno,
      hint,
      cause: error,
    })
  }
  const said = answerOf(error)
  if (statusOf(error) === 404 && subject !== undefined) return notFound(op, subject, said, error)
  return new EcdockError('DOCKER_FAILED', op, `Docker refused: ${said}`, { cause: error })
}

function notFound(op: string, subject: Subject, said: string, cause: unknown): EcdockError {
  const code: ErrorCode = subject.code
  if (code === 'IMAGE_NOT_FOUND' && /no such image/i.test(said)) {
    const hint = `Get it: docker pull ${subject.name}`
    return new EcdockError(code, op, `there is no image ${subject.name}`, { hint, cause })
  }
  if (code === 'CONTAINER_NOT_FOUND') {
    return new EcdockError(code, op, `there is no container ${subject.name}`, {
      hint: 'docker ps -a shows those that there are.',
      cause,
    })
  }
  return new EcdockError('DOCKER_FAILED', op, `Docker refused: ${said}`, { cause })
}

/** Docker's own message, of a bounded length. */
function answerOf(error: unknown): string {
  const answer = typeof error === 'object' && error !== null && 'json' in error ? error.json : undefined
  const text = textField(answer, 'message') ?? textField(error, 'message') ?? String(error)
  return text.trim().slice(0, 1000)
}

/** HTTP 409 is Docker's answer for a name that is taken (Docker Engine API, ContainerCreate). */
export function isConflict(error: unknown): boolean {
  return error instanceof EcdockError && statusOf(error.cause) === 409
}

function statusOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'statusCode' in error ? error.statusCode : undefined
}

function textField(value: unknown, name: string): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const field = (value as Record<string, unknown>)[name]
  return typeof field === 'string' ? field : undefined
}
