import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { patience } from './patience.js'
import { runToEnd } from './process.js'
import { MEGABYTE } from './traffic-peer.js'

const PEER = fileURLToPath(new URL('./traffic-peer.js', import.meta.url))

/** What one end of the connection has seen. */
interface PeerReport {
  received: number
  intact: boolean
}

/**
 * Sends a mebibyte of random bytes each way over one TCP connection, from a program in `fromNetns` to one in
 * `toNetns` that listens on `toAddress` there, and throws unless both ends got what the other has sent. A ping
 * alone does not prove a connection: over a userspace datapath it passes where no TCP segment does.
 *
 * Namespaces are paths; '' is the caller's own.
 */
export async function megabyteEachWay(
  fromNetns: string,
  toNetns: string,
  toAddress: string,
  options: { timeoutMs?: number } = {},
): Promise<void> {
  const timeoutMs = patience(options.timeoutMs ?? 10_000)
  const what = `a megabyte each way, ${fromNetns || 'own namespace'} to ${toAddress} in ${toNetns || 'own namespace'}`
  const server = startPeer(toNetns, ['listen', toAddress])
  // Side by side, because it takes a program of Node half of its life to start.
  const client = startPeer(fromNetns, ['connect', toAddress])
  try {
    const deadline = AbortSignal.timeout(timeoutMs)
    client.tell(await within(deadline, server.nextLine()))
    const lines = await within(deadline, Promise.all([server.nextLine(), client.nextLine()]))
    for (const [index, line] of lines.entries()) {
      const report = JSON.parse(line) as PeerReport
      if (report.intact) continue
      const end = index === 0 ? 'server' : 'client'
      throw new Error(`the ${end} got ${report.received} bytes, and not the ${MEGABYTE} that were sent`)
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    const said = [server, client].map((peer) => peer.said()).join('')
    throw new Error(`${what}: ${why}${said === '' ? '' : `\n${said}`}`)
  } finally {
    await Promise.all([server.stop(), client.stop()])
  }
}

/** Whether `address` answers one of three echo requests (by the system's ping), one each 200 ms. */
export async function pings(fromNetns: string, address: string): Promise<boolean> {
  const [command, args] = enter(fromNetns, 'ping', ['-n', '-q', '-c', '3', '-i', '0.2', '-W', '1', address])
  const ended = await runToEnd(command, args, { timeoutMs: patience(10_000) })
  // Exit status 2: it could not even send, as without a route; that is no reply either.
  return ended.status === 0
}

interface Peer {
  /** The next line of its standard output. */
  nextLine(): Promise<string>
  /** Gives it a line of standard input. */
  tell(line: string): void
  /** What it has said on stderr. */
  said(): string
  stop(): Promise<void>
}

function startPeer(netns: string, args: readonly string[]): Peer {
  const [command, commandArgs] = enter(netns, process.execPath, [PEER, ...args])
  const child: ChildProcess = spawn(command, commandArgs, { stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin?.on('error', () => {}) // It may have ended, which nextLine tells.
  let gone = false
  let said = ''
  const ended = new Promise<void>((resolve) => {
    const end = (error?: unknown) => {
      gone = true
      if (error instanceof Error) said += `${error.message}\n`
      resolve()
    }
    child.once('close', () => end())
    child.once('error', end)
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  let text = ''
  let waiting: (() => void) | undefined
  child.stdout?.setEncoding('utf8').on('data', (more: string) => {
    text += more
    waiting?.()
  })
  return {
    async nextLine() {
      while (!text.includes('\n')) {
        if (gone) throw new Error(`the ${args[0] === 'listen' ? 'server' : 'client'} ended early`)
        await Promise.race([
          ended,
          new Promise<void>((resolve) => {
            waiting = resolve
          }),
        ])
      }
      const line = text.slice(0, text.indexOf('\n'))
      text = text.slice(line.length + 1)
      return line
    },
    tell: (line) => child.stdin?.end(`${line}\n`),
    said: () => said,
    async stop() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

function enter(netns: string, command: string, args: readonly string[]): [string, readonly string[]] {
  return netns === '' ? [command, args] : ['nsenter', [`--net=${netns}`, '--', command, ...args]]
}

async function within<T>(deadline: AbortSignal, work: Promise<T>): Promise<T> {
  const late = once(deadline, 'abort').then(() => {
    throw new Error('it took too long')
  })
  deadline.throwIfAborted()
  return await Promise.race([work, late])
}
