import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ECDOCK_FAST } from './cli-program.js'
import { waitUntil } from './process.js'

/** `ecdock-fast daemon`, as a process of its own with directories of its own. */
export interface TestDaemon {
  readonly pid: number
  /** Where its plugins' sockets are. */
  readonly pluginDir: string
  /** Its directories: sockets of switches, state, control sockets. */
  readonly directory: string
  /** What it has written to its log, in text. */
  log(): string
  /** Ends it by a signal, and waits for that; gives its exit status, null when the signal has killed it. */
  end(signal: NodeJS.Signals): Promise<number | null>
  /** Starts it again where it was. */
  start(): Promise<void>
  /** Ends it, and takes its directories away. */
  stop(): Promise<void>
}

/**
 * Starts it where Docker finds it; or, with `alone`, where Docker does not, and with all it has in /tmp itself, so that
 * paths of sockets are short. `command` starts it otherwise, as a list of words that end with `daemon`.
 */
export async function startDaemon({
  alone = false,
  command = [process.execPath, ECDOCK_FAST, 'daemon'],
  env = process.env,
}: {
  alone?: boolean
  command?: readonly string[]
  env?: NodeJS.ProcessEnv
} = {}): Promise<TestDaemon> {
  const directory = await mkdtemp(join(alone ? '/tmp' : tmpdir(), 'vde-'))
  const pluginDir = alone ? join(directory, 'plugins') : '/run/docker/plugins'
  let child: ChildProcess
  let said = ''
  const start = async () => {
    const before = said.length
    const where = {
      '--plugin-dir': pluginDir,
      '--socket-root': join(directory, 's'),
      '--state-dir': join(directory, 'state'),
      '--run-dir': join(directory, 'r'),
    }
    const [program = '', ...words] = command
    const args = ['--log-level', 'debug', '--log-format', 'text', ...Object.entries(where).flat()]
    child = spawn(program, [...words, ...args], { stdio: ['ignore', 'ignore', 'pipe'], env })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    await waitUntil(
      'the daemon is ready',
      () => {
        if (child.exitCode !== null) throw new Error(`the daemon has ended:\n${said}`)
        return said.includes(' ready ', before)
      },
      20_000,
    )
  }
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
    child.kill(signal)
    await once(child, 'close')
    return child.exitCode
  }
  await start()
  return {
    get pid() {
      return child.pid ?? 0
    },
    pluginDir,
    directory,
    log: () => said,
    end,
    start,
    async stop() {
      await end('SIGTERM')
      await rm(directory, { recursive: true, force: true })
    },
  }
}
