import { createColors } from 'picocolors'
import { type Config, sourceOf } from '../config/load.js'
import type { Settings } from '../config/settings.js'
import { EcdockError } from '../errors.js'
import type { HostOptions } from '../host.js'
import type { Vswitch } from '../vswitch/vswitch.js'
import { type GlobalOptions, hostOptions } from './global-options.js'
import type { Io } from './io.js'
import type { Log } from './log.js'
import { parseSlot } from './values.js'
import type { World } from './world.js'

export type Colors = ReturnType<typeof createColors>

/** One run of one command: its options and its way to the world outside. */
export class Invocation {
  readonly colors: Colors

  constructor(
    readonly command: string,
    readonly options: GlobalOptions,
    readonly io: Io,
    readonly log: Log,
    readonly config: Config,
  ) {
    this.colors = createColors(hasColors(io.stdout, io.env))
  }

  get signal(): AbortSignal {
    return this.io.signal
  }

  /** What the configuration says where the command line says nothing. */
  get defaults(): Settings {
    return this.config.settings
  }

  /** Whether people are to be told anything but the result. */
  get talkative(): boolean {
    return this.options.json !== true && this.options.quiet !== true
  }

  /** Opens the world for as long as `use` takes, and closes it whatever comes of that. */
  async withWorld<Result>(use: (world: World) => Promise<Result>): Promise<Result> {
    this.stopIfAborted()
    const where = hostOptions(this.options, this.io.env, this.defaults)
    this.log.debug({ ...where }, 'open')
    const world = await this.io.open({ ...where, ...(await this.tls()) })
    try {
      return await use(world)
    } finally {
      await world.close()
    }
  }

  /** What `ssl:` endpoints need, for {@link withWorld} to open them; it holds a secret, so it is in no log. */
  async tls(): Promise<Pick<HostOptions, 'tls'>> {
    if (this.defaults.tls === undefined) return {}
    const { readTlsFiles } = await import('../config/tls-files.js')
    return { tls: await readTlsFiles(this.defaults.tls) }
  }

  /** The vswitch that `--vswitch`, ECDOCK_VSWITCH or the configuration names, undefined when none does. */
  get vswitchName(): string | undefined {
    return this.options.vswitch ?? (this.io.env.ECDOCK_VSWITCH || this.defaults.vswitch)
  }

  /** The vswitch that is meant: the one that was named, else the only one there is. */
  async vswitch(world: World): Promise<Vswitch> {
    const name = this.vswitchName
    if (name !== undefined) return this.#named(name, world)
    const [only, ...others] = await world.vswitches()
    if (only === undefined) {
      throw new EcdockError('VSWITCH_NOT_FOUND', this.command, 'there is no vswitch', {
        hint: 'Make one with "ecdock-fast create-vswitch 10.0.0.254/24".',
      })
    }
    if (others.length > 0) {
      const names = [only, ...others].map((vswitch) => vswitch.name)
      throw new EcdockError('USAGE', this.command, `there are ${names.length} vswitches: ${listed(names)}`, {
        hint: 'Say which one with --vswitch NAME, or set ECDOCK_VSWITCH.',
      })
    }
    return only
  }

  /** The one slot that is meant: the argument, or else `--slot`, or else the configuration's. */
  slot(argument: string | undefined): number {
    if (argument === undefined) {
      const slot = this.options.slot ?? this.defaults.slot
      if (slot !== undefined) return slot
      throw new EcdockError('USAGE', this.command, 'which slot?', {
        hint: `Write "ecdock-fast ${this.command} 1".`,
      })
    }
    if (this.options.slot !== undefined) {
      throw new EcdockError('USAGE', this.command, 'the slot is given twice, as an argument and by --slot')
    }
    return parseSlot(argument)
  }

  /** Whoever did not name it on the command line wants to know who did, when it is not there. */
  async #named(name: string, world: World): Promise<Vswitch> {
    try {
      return await world.vswitch(name)
    } catch (error) {
      const by = this.options.vswitch === undefined ? this.#naming() : undefined
      if (by === undefined || !(error instanceof EcdockError) || error.code !== 'VSWITCH_NOT_FOUND')
        throw error
      const message = `${error.message}; it is named by ${by}`
      throw new EcdockError(error.code, error.op, message, { hint: error.hint, cause: error })
    }
  }

  #naming(): string | undefined {
    return this.io.env.ECDOCK_VSWITCH ? 'ECDOCK_VSWITCH' : sourceOf(this.config, 'vswitch')
  }

  /** Throws CANCELLED when a signal has asked to stop. */
  stopIfAborted(): void {
    if (this.signal.aborted) throw cancelled(this.command, this.signal)
  }
}

export function cancelled(op: string, signal: AbortSignal): EcdockError {
  const why = signal.reason instanceof Error ? signal.reason.message : 'stopped'
  return new EcdockError('CANCELLED', op, why, { cause: signal.reason })
}

/** Colours for a terminal, unless NO_COLOR (https://no-color.org) or TERM=dumb ask for none. */
export function hasColors(stream: { isTTY?: boolean }, env: Io['env']): boolean {
  return stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb'
}

function listed(names: string[]): string {
  const shown = names.slice(0, 8).join(', ')
  return names.length > 8 ? `${shown}, …` : shown
}
