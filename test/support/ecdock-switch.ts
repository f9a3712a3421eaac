import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadKernel } from '../../src/kernel/native.js'
import type { Step } from '../../src/kernel/plan.js'
import { type ConnectOptions, connect, type VdeConnection } from '../../src/vde/connection.js'
import { patience } from './patience.js'
import { waitUntil } from './process.js'
import type { TestSwitch } from './vde.js'

/** What node-gyp has built, seen from dist/test/support; or another build, such as one with sanitizers. */
export const SWITCH_PROGRAM =
  process.env.ECDOCK_TEST_SWITCH ??
  fileURLToPath(new URL('../../../build/Release/ecdock-switch', import.meta.url))

export interface TestEcdockSwitch extends TestSwitch {
  /** Its control socket. */
  control: string
  /** A directory for what else the test needs, which is removed with it. */
  home: string
}

/** Starts ecdock-switch below `parent` and lets `body` use it; it is ended afterwards, and has removed its directory. */
export async function withEcdockSwitch(
  body: (sw: TestEcdockSwitch) => Promise<void>,
  args: readonly string[] = [],
  parent = tmpdir(),
): Promise<void> {
  const home = mkdtempSync(join(parent, 'switch-'))
  chmodSync(home, 0o755)
  const dir = join(home, 'sw')
  const mgmt = join(home, 'mgmt')
  const child = spawn(SWITCH_PROGRAM, ['-s', dir, '-M', mgmt, '--ready-fd', '3', ...args], {
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
  })
  const gone = once(child, 'close')
  try {
    await once(child.stdio[3] as NodeJS.ReadableStream, 'data', {
      signal: AbortSignal.timeout(patience(5000)),
    })
    const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
      child.kill(signal)
      await gone
    }
    await body({ dir, mgmt, control: join(dir, 'control'), home, pid: child.pid ?? 0, stop })
  } finally {
    child.kill('SIGTERM')
    await gone
    rmSync(home, { recursive: true, force: true })
  }
}

/** What the control socket answers to these lines, written at once. */
export async function controlAnswers(control: string, ...lines: string[]): Promise<string[]> {
  const socket = net.connect({ path: control, allowHalfOpen: true })
  socket.end(`${lines.join('\n')}\n`)
  let text = ''
  for await (const chunk of socket.setEncoding('utf8')) text += chunk
  return text.trimEnd().split('\n')
}

/** Puts a tap with these addresses into a namespace, as a port of the switch. */
export async function plugTap(
  control: string,
  netns: string,
  port: number,
  addresses: readonly { address: string; prefix: number }[],
  name = 'tap0',
): Promise<void> {
  const steps: Step[] = [
    { op: 'tap', netns, name, control, port, label: `test port ${port}` },
    ...addresses.map(({ address, prefix }): Step => ({ op: 'address', netns, name, address, prefix })),
    { op: 'link', netns, name, up: true },
  ]
  const [outcome] = await loadKernel().execute([{ steps }])
  if (outcome?.ok !== true) throw new Error(outcome?.message ?? 'no outcome')
}

/** A client of the console that writes what it likes, and reads what comes. */
export async function consoleTalk(mgmt: string, writes: readonly string[]): Promise<string[]> {
  const socket = net.connect({ path: mgmt })
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  const answers: string[] = []
  const prompts = () => text.split('\nvde$ ').length - 1
  try {
    await waitUntil('the console says hello', () => prompts() === 1)
    for (const write of writes) {
      const wanted = write.replace(/\n$/, '').split('\n').length
      text = ''
      socket.write(write)
      await waitUntil(`the console answers ${write.trim()}: ${text}`, () => prompts() === wanted)
      answers.push(text)
    }
    return answers
  } finally {
    socket.destroy()
  }
}

/** A client of a switch; that the switch ends before it is no error here. */
export async function plugIn(dir: string, options: ConnectOptions = {}): Promise<VdeConnection> {
  const connection = await connect(dir, options)
  connection.on('error', () => {})
  return connection
}

/** The next frame that comes. */
export async function nextFrame(connection: VdeConnection): Promise<Buffer> {
  for (;;) {
    const frame = connection.read() as Buffer | null
    if (frame !== null) return frame
    await once(connection, 'readable', { signal: AbortSignal.timeout(patience(10_000)) })
  }
}
