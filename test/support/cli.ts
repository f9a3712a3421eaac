import { PassThrough, Readable } from 'node:stream'
import type { Io } from '../../src/cli/io.js'
import { run } from '../../src/cli/run.js'
import type { World } from '../../src/cli/world.js'
import { EcdockError } from '../../src/errors.js'
import type { HostOptions } from '../../src/host.js'
import type { PlugOutcome, PlugRequest, Port, UnplugOutcome, Vswitch } from '../../src/vswitch/vswitch.js'

/** What a command line has come to. */
export interface CliResult {
  status: number
  stdout: string
  stderr: string
  /** What the world was opened with; undefined when it was not. */
  opened: HostOptions | undefined
}

export interface CliOptions {
  /** Without one, opening the world fails with PERMISSION. */
  world?: World
  stdin?: string | Readable
  env?: Record<string, string>
  /** Where configuration files are. Default: where none is. */
  etc?: string
  signal?: AbortSignal
}

/** Runs a command line in this process, with streams of its own. */
export async function cli(argv: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const stdout = new Collector()
  const stderr = new Collector()
  const stdin =
    typeof options.stdin === 'object' ? options.stdin : Readable.from([Buffer.from(options.stdin ?? '')])
  let opened: HostOptions | undefined
  const status = await run(argv, {
    stdin: stdin as unknown as Io['stdin'],
    stdout: stdout as unknown as Io['stdout'],
    stderr: stderr as unknown as Io['stderr'],
    env: options.env ?? {},
    etc: options.etc ?? '/nonexistent',
    signal: options.signal ?? new AbortController().signal,
    open: async (where) => {
      opened = where
      if (options.world !== undefined) return options.world
      throw new EcdockError('PERMISSION', 'open', 'not allowed to open a netlink socket')
    },
  })
  return { status, stdout: stdout.text(), stderr: stderr.text(), opened }
}

class Collector extends PassThrough {
  readonly #parts: Buffer[] = []

  constructor() {
    super()
    this.on('data', (part: Buffer) => this.#parts.push(part))
  }

  text(): string {
    return Buffer.concat(this.#parts).toString()
  }
}

/**
 * A world that is only good for seeing what a command line asks for: it knows vswitches by name, and a plug
 * works when its slot is free. `calls` is what it was asked to do.
 */
export class FakeWorld {
  readonly calls: string[] = []
  readonly switches = new Map<string, FakeVswitch>()
  closed = false

  constructor(...names: string[]) {
    for (const name of names) this.switches.set(name, new FakeVswitch(name, this.calls))
  }

  asWorld(): World {
    const refuse = (): never => {
      throw new Error('not in this test')
    }
    return {
      kernel: new Proxy({}, { get: refuse }) as World['kernel'],
      containers: {
        start: async (vswitch, options) => {
          this.calls.push(`start ${vswitch.name} ${JSON.stringify({ ...options, signal: undefined })}`)
          return { container: 'c'.repeat(64), name: 'web', port: fakePort(vswitch.name, options.slot ?? 1) }
        },
        attach: async (vswitch, slot) => {
          this.calls.push(`attach ${vswitch.name} ${slot}`)
          return { detached: true }
        },
        stop: refuse,
        restart: async (vswitch, slot, options) => {
          this.calls.push(
            `restart ${vswitch.name} ${slot} ${JSON.stringify({ ...options, signal: undefined })}`,
          )
          return { container: 'c'.repeat(64), name: 'web', port: fakePort(vswitch.name, slot) }
        },
      },
      createVswitch: async ({ name, kind = 'bridge', subnet }) => {
        this.calls.push(`create ${kind} ${name} ${subnet}`)
        if (this.switches.has(name)) throw new EcdockError('VSWITCH_EXISTS', 'create', `${name} exists`)
        const made = new FakeVswitch(name, this.calls)
        this.switches.set(name, made)
        return made
      },
      vswitch: async (name) => this.#find(name),
      vswitches: async () => [...this.switches.values()],
      deleteVswitch: async (name) => {
        this.#find(name)
        this.calls.push(`delete ${name}`)
        this.switches.delete(name)
      },
      vdeSockets: async (name) => ({
        socketDir: `/run/ecdock-fast/vde/${name}/sock`,
        own: true,
        running: true,
      }),
      cleanup: async ({ dryRun = false } = {}) => ({ dryRun, removed: [], failed: [], skipped: [] }),
      close: async () => {
        this.closed = true
      },
    }
  }

  #find(name: string): FakeVswitch {
    const found = this.switches.get(name)
    if (found === undefined) throw new EcdockError('VSWITCH_NOT_FOUND', 'find', `there is no vswitch ${name}`)
    return found
  }
}

class FakeVswitch implements Vswitch {
  readonly kind = 'bridge'
  readonly subnet = '10.0.0.254/24'
  readonly neighSuppress = false
  readonly ipv6Prefix = '2001:db8'
  readonly #taken = new Map<number, Port>()

  constructor(
    readonly name: string,
    private readonly calls: string[],
  ) {}

  async reserve(): Promise<void> {}

  async reservedSlots(): Promise<number[]> {
    return []
  }

  async release(): Promise<number[]> {
    return []
  }

  async mirror(): Promise<void> {}

  async unmirror(): Promise<string[]> {
    return []
  }

  async mirrors(): Promise<[]> {
    return []
  }

  async removeMirror(): Promise<void> {}

  async plug(target: PlugRequest['target'], options = {}): Promise<Port> {
    const [outcome] = this.#plugAll([{ ...options, target }])
    if (outcome?.ok === true) return outcome.port
    throw outcome?.error
  }

  async plugAll(requests: readonly PlugRequest[]): Promise<PlugOutcome[]> {
    return this.#plugAll(requests)
  }

  async unplug(slot: number): Promise<void> {
    const [outcome] = await this.unplugAll([slot])
    if (outcome?.ok === false) throw outcome.error
  }

  async unplugAll(slots: readonly number[]): Promise<UnplugOutcome[]> {
    this.calls.push(`unplug ${this.name} ${slots.join()}`)
    return slots.map((slot) => {
      if (this.#taken.delete(slot)) return { ok: true, slot }
      return { ok: false, slot, error: new EcdockError('SLOT_EMPTY', 'unplug', `slot ${slot} is empty`) }
    })
  }

  async ports(): Promise<Port[]> {
    return [...this.#taken.values()]
  }

  async port(slot: number): Promise<Port | undefined> {
    return this.#taken.get(slot)
  }

  async freeSlots(): Promise<number[]> {
    return [this.#taken.size + 1]
  }

  async explain(): Promise<string[]> {
    return ['ip link add …']
  }

  #plugAll(requests: readonly PlugRequest[]): PlugOutcome[] {
    this.calls.push(`plug ${this.name} ${requests.map(({ slot }) => slot ?? 'any').join()}`)
    return requests.map(({ target, slot = this.#taken.size + 1 }) => {
      if (this.#taken.has(slot)) {
        return { ok: false, slot, error: new EcdockError('SLOT_TAKEN', 'plug', `slot ${slot} is taken`) }
      }
      const [[kind, what] = []] = Object.entries(target)
      const port = { ...fakePort(this.name, slot), target: `${kind}:${what}` }
      this.#taken.set(slot, port)
      return { ok: true, port }
    })
  }
}

function fakePort(vswitch: string, slot: number): Port {
  return {
    vswitch,
    kind: 'bridge',
    slot,
    hostIfname: `${vswitch}-s${slot}`,
    ifname: 'eth0',
    mac: '52:00:0a:00:00:01',
    ipv4: `10.0.0.${slot}/24`,
    ipv6: `2001:db8::a00:${slot}/64`,
    gateway: '10.0.0.254',
    mtu: 1500,
    target: 'netns:blue',
    netnsId: 4026531840,
    state: 'up',
    ms: 0.5,
  }
}
