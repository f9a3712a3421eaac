import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { waitUntil } from './process.js'

/** A VDE switch that a test has started. */
export interface TestSwitch {
  /** The directory of its sockets. */
  dir: string
  /** Its management console. */
  mgmt: string
  pid: number
  /** Ends it, by default with SIGTERM, and waits until it is gone. */
  stop(signal?: NodeJS.Signals): Promise<void>
}

/** Starts vde_switch, and lets `body` use it. Afterwards it is gone, with all its files. */
export async function withVdeSwitch(
  body: (vde: TestSwitch) => Promise<void>,
  args: readonly string[] = [],
): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'vde-'))
  const dir = join(home, 'sw')
  const mgmt = join(home, 'mgmt')
  // It ends when its standard input does.
  const child = spawn('vde_switch', ['-s', dir, '-M', mgmt, ...args], { stdio: ['pipe', 'ignore', 'pipe'] })
  const said = textOf(child)
  const gone = once(child, 'close')
  try {
    await waitUntil(`vde_switch listens${said()}`, () => existsSync(join(dir, 'ctl')) && existsSync(mgmt))
    const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
      child.kill(signal)
      await gone
    }
    await body({ dir, mgmt, pid: child.pid ?? 0, stop })
  } finally {
    child.kill('SIGKILL')
    await gone
    rmSync(home, { recursive: true, force: true })
  }
}

/** A client of another make: vde_plug, which copies frames between the switch and its standard input and output. */
export interface TestPlug {
  child: ChildProcess
  stop(): Promise<void>
}

export function startVdePlug(dir: string, args: readonly string[] = []): TestPlug {
  const child = spawn('vde_plug', [...args, dir], { stdio: ['pipe', 'pipe', 'ignore'] })
  const gone = once(child, 'close')
  return {
    child,
    async stop() {
      child.kill('SIGKILL')
      await gone
    },
  }
}

/** An Ethernet frame of the local experimental type (IEEE 802, 0x88b5). */
export function frameOf(to: string, from: string, payload: string | Buffer): Buffer {
  const mac = (text: string) => Buffer.from(text.replaceAll(':', ''), 'hex')
  return Buffer.concat([mac(to), mac(from), Buffer.from([0x88, 0xb5]), Buffer.from(payload)])
}

export const BROADCAST = 'ff:ff:ff:ff:ff:ff'

function textOf(child: ChildProcess): () => string {
  let text = ''
  child.stderr?.setEncoding('utf8').on('data', (more: string) => {
    text += more
  })
  return () => text
}
