import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { startSwitch, stopSwitch } from '../../src/vde/switch-process.js'
import { plugTap } from '../../test/support/ecdock-switch.js'
import { run } from '../program.js'
import type { DataPlaneContestant } from './figures.js'

/** A VDE switch with taps in network namespaces. */
export interface DataPlane {
  readonly name: DataPlaneContestant
  /** Of the switch's sockets. */
  readonly directory: string
  /** All processes that frames pass through. */
  readonly pids: readonly number[]
  /** Plugs an interface of that name into the namespace at /run/netns/NETNS, as port `port`. Its address is 10.0.0.PORT. */
  plug(netns: string, name: string, port: number): Promise<void>
  close(): Promise<void>
}

const PREFIX = 16
/** As many as an ecdock-switch has; vde_switch has 32 unless told otherwise. */
const PORTS = 1024

export function portAddress(port: number): string {
  return `10.0.${port >> 8}.${port & 255}`
}

/** ecdock-switch, as the library starts it. */
export async function ownPlane(directory: string, offload = true): Promise<DataPlane> {
  const control = `${directory}-control`
  const { pid } = await startSwitch({ dir: directory, control, offload })
  return {
    name: offload ? 'ecdock-switch' : 'ecdock-switch --no-offload',
    directory,
    pids: [pid],
    plug: (netns, name, port) =>
      plugTap(control, `/run/netns/${netns}`, port, [{ address: portAddress(port), prefix: PREFIX }], name),
    close: () => stopSwitch(control),
  }
}

/** vde_switch, and a vde_plug2tap for each tap. */
export async function vde2Plane(directory: string): Promise<DataPlane> {
  // It ends when its standard input does.
  const programs = [new Program('vde_switch', ['-s', directory, '-n', String(PORTS)])]
  await until('vde_switch listens', () => existsSync(`${directory}/ctl`))
  return {
    name: 'vde_switch',
    directory,
    get pids() {
      return programs.map(({ pid }) => pid)
    },
    async plug(netns, name, port) {
      const plug = ['vde_plug2tap', '-s', directory, '-p', String(port), name]
      programs.push(new Program('nsenter', [`--net=/run/netns/${netns}`, ...plug]))
      // It opens the tap first, and connects to the switch then.
      await until(`vde_plug2tap has plugged in ${name}`, () =>
        readdirSync(directory).some((file) => file.startsWith(socketOf(port))),
      )
      run('ip', ['-n', netns, 'address', 'add', `${portAddress(port)}/${PREFIX}`, 'dev', name])
      run('ip', ['-n', netns, 'link', 'set', name, 'up'])
    },
    async close() {
      // The switch last: without it the others end by themselves.
      for (const program of programs.splice(0).reverse()) await program.end()
    },
  }
}

/** Its standard input stays open until it is ended; what it says about signals and clients that go is nothing new. */
class Program {
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown>

  constructor(command: string, args: readonly string[]) {
    this.#child = spawn(command, args, { stdio: ['pipe', 'ignore', 'ignore'] })
    this.#closed = once(this.#child, 'close')
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  async end(): Promise<void> {
    this.#child.kill('SIGTERM')
    await this.#closed
  }
}

/** What vde_switch calls a port's socket begins so. */
function socketOf(port: number): string {
  return `${String(port).padStart(3, '0')}.`
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 5000; attempt++) {
    if (condition()) return
    await sleep(2)
  }
  throw new Error(`it takes too long until ${what}`)
}
