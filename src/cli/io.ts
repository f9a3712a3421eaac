import type { OpenWorld } from './world.js'

/** Everything that a command touches outside itself, so that a test can put something else in its place. */
export interface Io {
  stdin: NodeJS.ReadStream
  stdout: NodeJS.WriteStream
  stderr: NodeJS.WriteStream
  env: Readonly<Record<string, string | undefined>>
  /** The directory of configuration files: /etc. */
  etc: string
  /** Aborted by SIGINT, SIGTERM and SIGHUP, with an {@link Interruption} as its reason. */
  signal: AbortSignal
  open: OpenWorld
}

/** The reason of an abort: the operating system's signal that asked for it. */
export class Interruption extends Error {
  override readonly name = 'Interruption'

  constructor(readonly signalName: 'SIGINT' | 'SIGTERM' | 'SIGHUP') {
    super(`stopped by ${signalName}`)
  }
}
