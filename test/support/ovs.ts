import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { patience } from './patience.js'
import { waitUntil } from './process.js'

const run = promisify(execFile)
const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'

export interface OvsOptions {
  /** Start ovs-vswitchd, too. Default true. */
  vswitchd?: boolean
  /** Let the database listen on a free port of 127.0.0.1, too. Default false. */
  tcp?: boolean
}

/**
 * An Open vSwitch of a test's own: its files are in a temporary directory, its interfaces in the network
 * namespace of the test. Its processes die with the test.
 */
export class PrivateOvs {
  /** Directory of its sockets, database and logs. */
  readonly directory: string
  /** For OvsdbClient and Host, as `unix:/tmp/…/db.sock`. */
  readonly ovsdb: string
  /** As `tcp:127.0.0.1:12345`; undefined unless it was asked for. */
  readonly tcpEndpoint: string | undefined
  /** For programs such as ovs-vsctl, ovs-appctl and ovs-docker, so that they speak to this one. */
  readonly env: NodeJS.ProcessEnv
  #server: ChildProcess | undefined
  #vswitchd: ChildProcess | undefined

  constructor(directory: string, tcpEndpoint: string | undefined) {
    this.directory = directory
    this.ovsdb = `unix:${directory}/db.sock`
    this.tcpEndpoint = tcpEndpoint
    this.env = {
      ...process.env,
      OVS_RUNDIR: directory,
      OVS_DBDIR: directory,
      OVS_LOGDIR: directory,
      OVS_SYSCONFDIR: directory,
    }
  }

  get serverPid(): number | undefined {
    return this.#server?.pid
  }

  get vswitchdPid(): number | undefined {
    return this.#vswitchd?.pid
  }

  /** What ovs-vsctl prints. Throws with its stderr when it fails. */
  async vsctl(...args: string[]): Promise<string> {
    const { stdout } = await run('ovs-vsctl', ['--timeout=30', ...args], { env: this.env })
    return stdout.trim()
  }

  async appctl(...args: string[]): Promise<string> {
    const { stdout } = await run('ovs-appctl', ['--timeout=30', ...args], { env: this.env })
    return stdout.trim()
  }

  /** Starts ovsdb-server and waits until it answers. */
  async startServer(): Promise<void> {
    const remotes = [`--remote=p${this.ovsdb}`]
    if (this.tcpEndpoint !== undefined) {
      const port = this.tcpEndpoint.split(':').at(-1)
      remotes.push(`--remote=ptcp:${port}:127.0.0.1`)
    }
    this.#server = this.#spawn('ovsdb-server', [join(this.directory, 'conf.db'), ...remotes])
    await this.#until('ovsdb-server', this.#server, async () => {
      await run('ovsdb-client', ['--timeout=5', 'list-dbs', this.ovsdb], { env: this.env })
    })
  }

  /**
   * Starts ovs-vswitchd, in the network namespace at `netns` ('' is the caller's own), and waits until it has taken
   * in the configuration.
   */
  async startVswitchd(netns = ''): Promise<void> {
    this.#vswitchd = this.#spawn('ovs-vswitchd', [this.ovsdb], netns)
    await this.#until('ovs-vswitchd', this.#vswitchd, async () => {
      await run('ovs-vsctl', ['--timeout=10', 'set', 'Open_vSwitch', '.', 'external_ids:system-id=test'], {
        env: this.env,
      })
    })
  }

  /** Ends ovs-vswitchd, starts it again, and waits until it answers for this bridge, which then has no flow of ours. */
  async restartVswitchd(bridge: string): Promise<void> {
    await this.killVswitchd('SIGTERM')
    await this.startVswitchd()
    await waitUntil(`${bridge} can be spoken to`, () =>
      run('ovs-ofctl', ['show', bridge], { env: this.env }).then(
        () => true,
        () => false,
      ),
    )
  }

  async killServer(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await end(this.#server, signal)
    this.#server = undefined
  }

  async killVswitchd(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await end(this.#vswitchd, signal)
    this.#vswitchd = undefined
  }

  /** Ends the processes and removes the directory. May be called again. */
  async stop(): Promise<void> {
    await this.killVswitchd('SIGTERM')
    await this.killServer('SIGTERM')
    await rm(this.directory, { recursive: true, force: true })
  }

  /** setpriv makes the kernel end the program when the test's process is gone, however it went. */
  #spawn(program: string, args: string[], netns = ''): ChildProcess {
    const log = join(this.directory, `${program}.log`)
    const options = ['--no-chdir', '--pidfile', '-vconsole:off', `--log-file=${log}`]
    const enter = netns === '' ? [] : ['nsenter', `--net=${netns}`, '--']
    return spawn('setpriv', ['--pdeathsig', 'KILL', ...enter, program, ...args, ...options], {
      env: this.env,
      stdio: 'ignore',
    })
  }

  /** Tries until `attempt` does not throw; gives up when the program has ended, or after 20 s. */
  async #until(program: string, child: ChildProcess, attempt: () => Promise<void>): Promise<void> {
    const deadline = Date.now() + patience(20_000)
    for (;;) {
      try {
        await attempt()
        return
      } catch (cause) {
        if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
          throw new Error(`${program} does not start; see ${this.directory}/${program}.log`, { cause })
        }
        await sleep(20)
      }
    }
  }
}

/** Makes a database with its Open_vSwitch row, and starts what was asked for. */
export async function startOvs(options: OvsOptions = {}): Promise<PrivateOvs> {
  const directory = await mkdtemp(join(tmpdir(), 'ecdock-ovs-'))
  const ovs = new PrivateOvs(directory, options.tcp ? `tcp:127.0.0.1:${await freePort()}` : undefined)
  try {
    await run('ovsdb-tool', ['create', join(directory, 'conf.db'), SCHEMA])
    await ovs.startServer()
    const transaction = ['Open_vSwitch', { op: 'insert', table: 'Open_vSwitch', row: {} }]
    await run('ovsdb-client', ['--timeout=10', 'transact', ovs.ovsdb, JSON.stringify(transaction)])
    if (options.vswitchd !== false) await ovs.startVswitchd()
    return ovs
  } catch (error) {
    await ovs.stop()
    throw error
  }
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  const patience = setTimeout(() => child.kill('SIGKILL'), 5000)
  await exited
  clearTimeout(patience)
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
