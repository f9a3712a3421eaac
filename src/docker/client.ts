import type { Agent } from 'node:http'
import type Dockerode from 'dockerode'
import { EcdockError } from '../errors.js'
import { type DockerAddress, formatDockerAddress, parseDockerAddress } from './address.js'
import { dockerFailure, type Subject } from './failure.js'

/** Longest wait for an answer of Docker, in ms; starting a container from a cold disk takes seconds. */
const CALL_MS = 30_000

export interface CallLimits {
  /** What a 404 means in this call. */
  subject?: Subject | undefined
  /** Longest wait, in ms. Default: the client's. */
  ms?: number | undefined
}

/**
 * A connection to Docker on which every call ends: with an answer, with an error of ours, or with TIMEOUT.
 * Nothing is opened before the first call.
 */
export class DockerClient {
  #where: DockerAddress | undefined
  #agent: Agent | undefined
  readonly #open = new Set<AbortController>()
  #dockerode: Promise<Dockerode> | undefined
  #closed = false

  /**
   * `socket` as {@link parseDockerAddress} reads it. Throws USAGE or UNSUPPORTED; without it, DOCKER_HOST is
   * read with the first call, so that it cannot get in the way of those who use no Docker. `callMs` is how long a
   * call may take that says nothing else.
   */
  constructor(
    socket?: string,
    readonly callMs = CALL_MS,
  ) {
    if (socket !== undefined) this.#where = parseDockerAddress(socket)
  }

  /** As `unix:///var/run/docker.sock`. Throws USAGE or UNSUPPORTED when DOCKER_HOST cannot be used. */
  get address(): string {
    return formatDockerAddress(this.#address())
  }

  #address(): DockerAddress {
    this.#where ??= parseDockerAddress()
    return this.#where
  }

  /**
   * Runs one call of the API; `op` is its name in errors, such as `docker start`. The signal is for those of
   * dockerode's methods that take one. Throws DOCKER_UNREACHABLE, DOCKER_FAILED, TIMEOUT, CANCELLED, or what
   * `subject` says.
   */
  async call<T>(
    op: string,
    run: (docker: Dockerode, abortSignal: AbortSignal) => Promise<T>,
    { subject, ms = this.callMs }: CallLimits = {},
  ): Promise<T> {
    if (this.#closed) throw cancelled(op)
    const { address } = this
    const controller = new AbortController()
    let late = false
    const timer = setTimeout(() => {
      late = true
      controller.abort()
    }, ms)
    const aborted = new Promise<never>((_, reject) => {
      controller.signal.addEventListener('abort', () => reject(controller.signal.reason), { once: true })
    })
    this.#open.add(controller)
    try {
      // The race is for the calls that dockerode cannot abort.
      return await Promise.race([this.dockerode().then((docker) => run(docker, controller.signal)), aborted])
    } catch (error) {
      if (this.#closed) throw cancelled(op)
      if (late) {
        const message = `Docker did not answer within ${ms / 1000} s`
        throw new EcdockError('TIMEOUT', op, message, { cause: error })
      }
      throw dockerFailure(op, address, error, subject)
    } finally {
      clearTimeout(timer)
      this.#open.delete(controller)
    }
  }

  /** dockerode takes 0.1 s to load, which only those who use Docker should pay for. */
  dockerode(): Promise<Dockerode> {
    const where = this.#address()
    this.#dockerode ??= this.#load(where)
    return this.#dockerode
  }

  async #load(where: DockerAddress): Promise<Dockerode> {
    const [{ default: Docker }, { Agent }] = await Promise.all([import('dockerode'), import('node:http')])
    // A `host` that is undefined keeps a DOCKER_HOST in the environment from being preferred to the socket.
    const docker =
      'socketPath' in where
        ? new Docker({ socketPath: where.socketPath, host: undefined, protocol: 'http' })
        : new Docker({ host: `http://${where.host}`, port: where.port, protocol: 'http' })
    this.#agent = new Agent({ keepAlive: true })
    Object.assign(docker.modem, { agent: this.#agent })
    return docker
  }

  /** Ends what is under way, which then fails with CANCELLED, and closes every connection. */
  close(): void {
    this.#closed = true
    for (const controller of this.#open) controller.abort()
    this.#agent?.destroy()
  }
}

function cancelled(op: string): EcdockError {
  return new EcdockError('CANCELLED', op, 'the connection to Docker has been closed')
}
