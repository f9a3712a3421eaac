import type { Duplex, Readable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import type Dockerode from 'dockerode'
import { EcdockError } from '../errors.js'
import { DockerClient } from './client.js'
import type { Subject } from './failure.js'
import { checkContainerName, checkImageName } from './names.js'

/** A container as Docker tells it now. */
export interface ContainerState {
  /** Full id, 64 hexadecimal digits. */
  id: string
  name: string
  /** As it was named when the container was created. */
  image: string
  /** Docker's word: `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`. */
  state: string
  /** Of the container's first process in the host's process ids; 0 when it does not run. */
  pid: number
  exitCode: number
  /** It has a terminal. */
  tty: boolean
  labels: Readonly<Record<string, string>>
}

/** One line of the list of containers. */
export interface ContainerSummary {
  id: string
  name: string
  image: string
  state: string
  /** For people, such as `Up 3 minutes`. */
  status: string
  labels: Readonly<Record<string, string>>
}

/** A container to create: one without any of Docker's networking. */
export interface ContainerSpec {
  name: string
  hostname: string
  image: string
  /** Empty for the image's own command. */
  args: readonly string[]
  /** `KEY=VALUE`. */
  env: readonly string[]
  /** `/host/path:/container/path[:ro]` or `volume:/container/path`. */
  volumes: readonly string[]
  labels: Readonly<Record<string, string>>
  privileged: boolean
  tty: boolean
}

/** What Docker waits for before it kills, unless told otherwise, in seconds (docker-stop(1)). */
const STOP_SECONDS = 10
const MOST_LOG_BYTES = 256 * 1024

/**
 * Docker's API, as far as it is needed. Nothing is opened before the first call. Every call has a time
 * limit, and throws DOCKER_UNREACHABLE, DOCKER_FAILED (with Docker's own message), TIMEOUT or, after
 * {@link close}, CANCELLED; calls about one container throw CONTAINER_NOT_FOUND too.
 */
export class DockerEngine {
  readonly #client: DockerClient
  readonly #consoles = new Set<Duplex>()

  /**
   * `socket` is `unix:///path`, `/path` or `tcp://127.0.0.1:2375`; DOCKER_HOST or Docker's usual socket
   * without it. A call may take `callMs`, 30 s unless given, and no longer. Throws USAGE or UNSUPPORTED; about
   * DOCKER_HOST with the first call only.
   */
  constructor(socket?: string, callMs?: number) {
    this.#client = new DockerClient(socket, callMs)
  }

  /** As `unix:///var/run/docker.sock`. Throws USAGE or UNSUPPORTED when DOCKER_HOST cannot be used. */
  get address(): string {
    return this.#client.address
  }

  /** Docker's version, such as `20.10.24`. */
  async version(): Promise<string> {
    const answer = await this.#client.call('docker version', (docker) => docker.version())
    return answer.Version
  }

  /** Throws IMAGE_NOT_FOUND unless the image is there. */
  async requireImage(image: string): Promise<void> {
    checkImageName(image)
    const subject: Subject = { code: 'IMAGE_NOT_FOUND', name: image }
    const inspect = (docker: Dockerode) => docker.getImage(image).inspect()
    await this.#client.call('docker image inspect', inspect, { subject })
  }

  /** The container of this name or id. */
  async container(name: string): Promise<ContainerState> {
    const { INSPECTED, understood } = await import('./answers.js')
    const found = understood(
      INSPECTED,
      await this.#callOne('docker inspect', name, (container, abortSignal) =>
        container.inspect({ abortSignal }),
      ),
    )
    return {
      id: found.Id,
      name: found.Name.replace(/^\//, ''),
      image: found.Config.Image,
      state: found.State.Status,
      pid: found.State.Running ? found.State.Pid : 0,
      exitCode: found.State.ExitCode,
      tty: found.Config.Tty,
      labels: found.Config.Labels ?? {},
    }
  }

  /** Containers that carry all these labels, running or not; a label is `KEY` or `KEY=VALUE`. */
  async list(labels: readonly string[]): Promise<ContainerSummary[]> {
    const { LISTED, understood } = await import('./answers.js')
    const found = understood(
      LISTED,
      await this.#client.call('docker ps', (docker, abortSignal) =>
        docker.listContainers({ all: true, filters: { label: [...labels] }, abortSignal }),
      ),
    )
    return found.map((item) => ({
      id: item.Id,
      name: (item.Names[0] ?? item.Id).replace(/^\//, ''),
      image: item.Image,
      state: item.State,
      status: item.Status,
      labels: item.Labels ?? {},
    }))
  }

  /** Creates a container and answers its id. Throws IMAGE_NOT_FOUND. */
  async create(spec: ContainerSpec): Promise<string> {
    checkImageName(spec.image)
    checkContainerName(spec.name)
    const subject: Subject = { code: 'IMAGE_NOT_FOUND', name: spec.image }
    const create = (docker: Dockerode, abortSignal: AbortSignal) =>
      docker.createContainer({
        name: spec.name,
        Hostname: spec.hostname,
        Image: spec.image,
        ...(spec.args.length > 0 ? { Cmd: [...spec.args] } : {}),
        Env: [...spec.env],
        Labels: { ...spec.labels },
        Tty: spec.tty,
        OpenStdin: true,
        HostConfig: { NetworkMode: 'none', Privileged: spec.privileged, Binds: [...spec.volumes] },
        abortSignal,
      })
    const container = await this.#client.call('docker create', create, { subject })
    return container.id
  }

  async start(id: string): Promise<void> {
    await this.#callOne('docker start', id, (container, abortSignal) => container.start({ abortSignal }))
  }

  /** Ends the container's processes, by force after `seconds` (10 unless given); nothing if it does not run. */
  async stop(id: string, seconds?: number): Promise<void> {
    const ms = (seconds ?? STOP_SECONDS) * 1000 + this.#client.callMs
    const options = seconds === undefined ? {} : { t: seconds }
    try {
      await this.#callOne(
        'docker stop',
        id,
        (container, abortSignal) => container.stop({ ...options, abortSignal }),
        ms,
      )
    } catch (error) {
      // 304 Not Modified is how Docker says that it was stopped already (Docker Engine API, ContainerStop).
      const cause = error instanceof EcdockError ? error.cause : undefined
      const stopped = cause instanceof Error && 'statusCode' in cause && cause.statusCode === 304
      if (!stopped) throw error
    }
  }

  /** Removes a container, by force, with its anonymous volumes; nothing if there is none. */
  async remove(id: string): Promise<void> {
    try {
      await this.#callOne('docker rm', id, (container, abortSignal) =>
        container.remove({ force: true, v: true, abortSignal }),
      )
    } catch (error) {
      if (!(error instanceof EcdockError) || error.code !== 'CONTAINER_NOT_FOUND') throw error
    }
  }

  /**
   * The last lines that a container that has ended wrote, without terminal control, of at most 2000 characters. Lines
   * can be of any length: behind the first 256 KiB nothing is read.
   */
  async lastLines({ id, tty, state }: ContainerState, lines: number): Promise<string> {
    if (state === 'created') return '' // to follow its log would be to wait for its start
    const log = await this.#callOne('docker logs', id, async (container, abortSignal) => {
      // Only a log that is followed comes as a stream; that of a container that has ended has an end all the same.
      const options = { stdout: true, stderr: true, tail: lines, follow: true } as const
      const stream = await container.logs({ ...options, abortSignal })
      return await beginning(stream as Readable, MOST_LOG_BYTES)
    })
    const text = tty ? log.toString() : withoutFrames(log)
    return stripControl(text).trim().slice(-2000)
  }

  /** The console of a running container, as one stream: what is written to it is typed there. */
  async attach(id: string, detachKeys: string): Promise<Duplex> {
    const stream = await this.#callOne('docker attach', id, (container, abortSignal) =>
      container.attach({
        stream: true,
        stdin: true,
        stdout: true,
        stderr: true,
        hijack: true,
        detachKeys,
        abortSignal,
      }),
    )
    const console = stream as Duplex
    this.#consoles.add(console)
    console.once('close', () => this.#consoles.delete(console))
    return console
  }

  /** Splits a console stream of a container without a terminal, which carries both outputs in frames. */
  async demux(stream: Duplex, stdout: NodeJS.WritableStream, stderr: NodeJS.WritableStream): Promise<void> {
    const docker = await this.#client.dockerode()
    docker.modem.demuxStream(stream, stdout, stderr)
  }

  /** Tells the container's terminal its size, in characters. */
  async resize(id: string, size: { rows: number; columns: number }): Promise<void> {
    await this.#callOne('docker resize', id, (container, abortSignal) =>
      container.resize({ h: size.rows, w: size.columns, abortSignal }),
    )
  }

  /** Waits until the container has ended, at most `ms`, and answers its exit code. */
  async wait(id: string, ms: number): Promise<number> {
    const ended = await this.#callOne(
      'docker wait',
      id,
      (container, abortSignal) => container.wait({ abortSignal }),
      ms,
    )
    return (ended as { StatusCode: number }).StatusCode
  }

  /** Ends what is under way, which then fails with CANCELLED, and lets go of every connection. */
  close(): void {
    for (const console of this.#consoles) console.destroy()
    this.#client.close()
  }

  async #callOne<T>(
    op: string,
    name: string,
    run: (container: Dockerode.Container, abortSignal: AbortSignal) => Promise<T>,
    ms?: number,
  ): Promise<T> {
    checkContainerName(name)
    const subject: Subject = { code: 'CONTAINER_NOT_FOUND', name }
    return this.#client.call(op, (docker, signal) => run(docker.getContainer(name), signal), { subject, ms })
  }
}

/** What a stream begins with, up to `bytes`; the rest is not read. */
async function beginning(stream: Readable, bytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of stream) {
    chunks.push(chunk)
    length += chunk.length
    if (length >= bytes) break
  }
  return Buffer.concat(chunks).subarray(0, bytes)
}

/** The text in Docker's frames of output: 4 bytes of stream type, a length, and so many bytes (Docker Engine API). */
function withoutFrames(log: Buffer): string {
  const parts: Buffer[] = []
  let offset = 0
  while (offset + 8 <= log.length) {
    const length = log.readUInt32BE(offset + 4)
    parts.push(log.subarray(offset + 8, offset + 8 + length))
    offset += 8 + length
  }
  return Buffer.concat(parts).toString()
}

/** Without escape sequences and other control characters: it ends up on somebody's terminal. */
function stripControl(text: string): string {
  return stripVTControlCharacters(text).replace(/[^\n\P{C}]/gu, '')
}
