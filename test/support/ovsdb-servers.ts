import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)
const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'

/** One ovsdb-server. It dies with the test. */
export class OvsdbServer {
  /** Name of its files in the directory. */
  readonly name: string
  readonly endpoint: string
  readonly #directory: string
  readonly #args: readonly string[]
  #child: ChildProcess | undefined

  constructor(directory: string, name: string, args: readonly string[] = []) {
    this.name = name
    this.#directory = directory
    this.#args = args
    this.endpoint = `unix:${directory}/${name}.sock`
  }

  get database(): string {
    return join(this.#directory, `${this.name}.db`)
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Starts it and waits until it answers. */
  async start(): Promise<void> {
    const [directory, { name }] = [this.#directory, this]
    const child = spawn(
      'setpriv',
      [
        ...['--pdeathsig', 'KILL', 'ovsdb-server', this.database],
        ...['--no-chdir', '-vconsole:off', `--log-file=${directory}/${name}.log`],
        ...[`--pidfile=${directory}/${name}.pid`, `--unixctl=${directory}/${name}.ctl`],
        ...[`--remote=p${this.endpoint}`, ...this.#args],
      ],
      { stdio: 'ignore', env: { ...process.env, OVS_RUNDIR: directory, OVS_LOGDIR: directory } },
    )
    this.#child = child
    const deadline = Date.now() + 20_000
    for (;;) {
      try {
        await run('ovsdb-client', ['--timeout=5', 'list-dbs', this.endpoint])
        return
      } catch (cause) {
        if (child.exitCode !== null || Date.now() > deadline) {
          throw new Error(await readFile(`${directory}/${name}.log`, 'utf8'), { cause })
        }
        await sleep(20)
      }
    }
  }

  async appctl(...args: string[]): Promise<string> {
    const target = ['-t', `${this.#directory}/${this.name}.ctl`]
    return (await run('ovs-appctl', ['--timeout=10', ...target, ...args])).stdout
  }

  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
}

/** A cluster of the Open_vSwitch schema, with its one row, all of whose servers have joined. */
export async function startCluster(directory: string, size: number): Promise<OvsdbServer[]> {
  const servers = Array.from({ length: size }, (_, index) => new OvsdbServer(directory, `s${index + 1}`))
  const raft = ({ name }: OvsdbServer) => `unix:${directory}/${name}.raft`
  const [first, ...others] = servers
  if (first === undefined) throw new Error('a cluster has at least one server')
  await run('ovsdb-tool', ['create-cluster', first.database, SCHEMA, raft(first)])
  await first.start()
  for (const server of others) {
    await run('ovsdb-tool', ['join-cluster', server.database, 'Open_vSwitch', raft(server), raft(first)])
    await server.start()
    await run('ovsdb-client', ['--timeout=20', 'wait', server.endpoint, 'Open_vSwitch', 'connected'])
  }
  const transaction = ['Open_vSwitch', { op: 'insert', table: 'Open_vSwitch', row: {} }]
  await run('ovsdb-client', ['--timeout=10', 'transact', first.endpoint, JSON.stringify(transaction)])
  return servers
}

/** The server that leads the cluster at the moment. */
export async function leaderOf(servers: readonly OvsdbServer[]): Promise<OvsdbServer> {
  const deadline = Date.now() + 20_000
  while (Date.now() < deadline) {
    for (const server of servers) {
      if (server.pid === undefined) continue
      const status = await server.appctl('cluster/status', 'Open_vSwitch')
      if (/^Role: leader$/m.test(status)) return server
    }
    await sleep(20)
  }
  throw new Error('the cluster has no leader')
}

/** A certificate authority of a test's own, in a directory of its own. */
export class Authority {
  readonly #directory: string
  readonly #name: string

  static async create(directory: string, name: string): Promise<Authority> {
    const file = join(directory, name)
    await run('openssl', [
      ...['req', '-x509', '-nodes', '-days', '2', '-subj', `/CN=${name}`, '-keyout', `${file}.key`],
      ...['-out', `${file}.pem`, ...KEY],
    ])
    return new Authority(directory, name)
  }

  private constructor(directory: string, name: string) {
    this.#directory = directory
    this.#name = name
  }

  get certificate(): string {
    return join(this.#directory, `${this.#name}.pem`)
  }

  /** Paths of a key, and of a certificate for `commonName` that this has signed. */
  async issue(commonName: string): Promise<{ key: string; cert: string }> {
    const file = join(this.#directory, `${this.#name}-${commonName}`)
    const authority = join(this.#directory, this.#name)
    await run('openssl', [
      ...['req', '-nodes', '-subj', `/CN=${commonName}`, '-keyout', `${file}.key`, '-out', `${file}.csr`],
      ...KEY,
    ])
    await run('openssl', [
      ...['x509', '-req', '-days', '2', '-in', `${file}.csr`, '-out', `${file}.pem`],
      ...['-CA', `${authority}.pem`, '-CAkey', `${authority}.key`, '-CAcreateserial'],
    ])
    return { key: `${file}.key`, cert: `${file}.pem` }
  }
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']

/** An empty standalone database, without even its one row. */
export async function createDatabase(server: OvsdbServer): Promise<void> {
  await run('ovsdb-tool', ['create', server.database, SCHEMA])
}
