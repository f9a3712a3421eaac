import type { Duplex, Readable, Writable } from 'node:stream'
import { EcdockError } from '../errors.js'
import { DEFAULT_DETACH_KEYS, DetachFilter, parseDetachKeys } from './detach-keys.js'
import type { ContainerState, DockerEngine } from './engine.js'

/** Where a person sits: a terminal, or streams that stand in for one. */
export interface Console {
  stdin: Readable & { isTTY?: boolean; isRaw?: boolean; setRawMode?(raw: boolean): unknown }
  stdout: Writable & { isTTY?: boolean; columns?: number; rows?: number }
  /** For a container without a terminal, which keeps its two outputs apart. Default: `stdout`. */
  stderr?: Writable
  /** As `docker attach --detach-keys` takes them. Default `ctrl-p,ctrl-q`. */
  detachKeys?: string
  /** Aborting leaves the console as the detach keys do. */
  signal?: AbortSignal
}

/** How a console was left: detached from a container that runs on, or at its end. */
export interface ConsoleEnd {
  detached: boolean
  /** Absent when detached, and when the container was removed at once. */
  exitCode?: number
}

/** How long an ended console waits for Docker to tell the exit code, in ms. */
const EXIT_CODE_MS = 5_000

/**
 * Connects the console to a running container until the container ends or the person detaches. A terminal is
 * put in raw mode, and is given back as it was, whatever happens.
 */
export async function attachConsole(
  engine: DockerEngine,
  container: ContainerState,
  console: Console,
): Promise<ConsoleEnd> {
  const keys = console.detachKeys ?? DEFAULT_DETACH_KEYS
  const filter = new DetachFilter(parseDetachKeys(keys))
  // Docker watches for detach keys too: the same ones, so that it does not swallow others.
  const stream = await engine.attach(container.id, keys)
  const restore = raw(console, container)
  try {
    const detached = await converse(engine, container, stream, console, filter)
    if (detached) return { detached: true }
  } finally {
    restore()
    stream.destroy()
  }
  return exitOf(engine, container)
}

/** Copies both ways; true when it was the person who ended it. */
async function converse(
  engine: DockerEngine,
  container: ContainerState,
  stream: Duplex,
  { stdin, stdout, stderr = stdout, signal }: Console,
  filter: DetachFilter,
): Promise<boolean> {
  if (container.tty) stream.pipe(stdout, { end: false })
  else await engine.demux(stream, stdout, stderr)
  let typed: (chunk: Buffer | string) => void = () => {}
  let left: () => void = () => {}
  const noMoreTyping = () => stream.end()
  const drained = () => stdin.resume()
  const stopResizing = followSize(engine, container, stdout)
  try {
    return await new Promise<boolean>((resolve) => {
      left = () => resolve(true)
      typed = (chunk) => {
        const { forward, detach } = filter.push(Buffer.from(chunk))
        if (forward.length > 0 && !stream.write(forward)) stdin.pause()
        if (detach) left()
      }
      stream.once('end', () => resolve(false))
      stream.once('close', () => resolve(false))
      // A connection that breaks is the end of it too; why, the next call tells.
      stream.on('error', () => resolve(false))
      stream.on('drain', drained)
      stdin.on('data', typed)
      stdin.once('end', noMoreTyping)
      signal?.addEventListener('abort', left, { once: true })
      if (signal?.aborted) left()
    })
  } finally {
    stopResizing()
    stdin.off('data', typed)
    stdin.off('end', noMoreTyping)
    stream.off('drain', drained)
    stdin.pause()
    stream.unpipe(stdout)
    signal?.removeEventListener('abort', left)
  }
}

/** In raw mode every key goes to the container's terminal, which does the echo and the line editing. */
function raw({ stdin }: Console, container: ContainerState): () => void {
  if (!container.tty || !stdin.isTTY || stdin.setRawMode === undefined) return () => {}
  const before = stdin.isRaw ?? false
  stdin.setRawMode(true)
  return () => stdin.setRawMode?.(before)
}

/** Keeps the container's terminal as large as the person's. */
function followSize(engine: DockerEngine, container: ContainerState, stdout: Console['stdout']): () => void {
  if (!container.tty || !stdout.isTTY) return () => {}
  const tell = async (more: number): Promise<void> => {
    const { rows, columns } = stdout
    if (rows === undefined || columns === undefined || rows === 0 || columns === 0) return
    try {
      await engine.resize(container.id, { rows: rows + more, columns: columns + more })
    } catch {
      // The container has ended: the console is about to end as well.
    }
  }
  const resized = () => void tell(0)
  // A shell shows its prompt again only when the size changes, so it changes twice, as `docker attach` does it.
  void tell(1).then(resized)
  stdout.on('resize', resized)
  return () => stdout.off('resize', resized)
}

async function exitOf(engine: DockerEngine, container: ContainerState): Promise<ConsoleEnd> {
  try {
    return { detached: false, exitCode: await engine.wait(container.id, EXIT_CODE_MS) }
  } catch (error) {
    if (!(error instanceof EcdockError)) throw error
    if (error.code === 'CONTAINER_NOT_FOUND') return { detached: false }
    if (error.code === 'TIMEOUT') return { detached: true }
    throw error
  }
}
