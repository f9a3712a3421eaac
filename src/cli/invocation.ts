import { createColors } from 'picocolors'
import { EcdockError } from '../errors.js'
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
  ) {
    this.colors = createColors(hasColors(io.stdout, io.env))
  }

  get signal(): AbortSignal {
    return this.io.signal
  }

  /** Whether people are to be told anything but the result. */
  get talkative(): boolean {
    return this.options.json !== true && this.options.quiet !== true
  }

  /** Opens the world for as long as `use` takes, and closes it whatever comes of that. */
  async withWorld<Result>(use: (world: World) => Promise<Result>): Promise<Result> {
    this.stopIfAborted()
    const where = hostOptions(this.options, this.io.env)
    this.log.debug({ ...where }, 'open')
    const world = await this.io.open(where)
    try {
      return await use(world)
    } finally {
      await world.close()
    }
  }

  /** The vswitch that `--vswitch` or ECDOCK_VSWITCH names, undefined when neither does. */
  get vswitchName(): string | undefined {
    return this.options.vswitch ?? (this.io.env.ECDOCK_VSWITCH || undefined)
  }

  /** The vswitch that is meant: the one that was named, else the only one there is. */
  async vswitch(world: World): Promise<Vswitch> {
    const name = this.vswitchName
    if (name !== undefined) return world.vswitch(name)
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

  /** The one slot that is meant: the argument, or else `--slot`. */
  slot(argument: string | undefined): number {
    if (argument === undefined) {
      if (this.options.slot !== undefined) return this.options.slot
      throw new EcdockError('USAGE', this.command, 'which slot?', {
        hint: `Write "ecdock-fast ${this.command} 1".`,
      })
    }
    if (this.options.slot !== undefined) {
      throw new EcdockError('USAGE', this.command, 'the slot is given twice, as an argument and by --slot')
    }
    return parseSlot(argument)
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
