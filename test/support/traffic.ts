import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { patience } from './patience.js'
import { type Ended, run, runToEnd } from './process.js'

/** In bytes. */
const MEGABYTE = 1024 * 1024

/**
 * Sends a mebibyte of random bytes over one TCP connection from a program in `fromNetns` to one in `toNetns` that
 * listens on `toAddress` there, and then another one back; throws unless each end got what the other has sent. A ping
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
  const deadline = AbortSignal.timeout(patience(options.timeoutMs ?? 30_000))
  const what = `a megabyte each way, ${fromNetns || 'own namespace'} to ${toAddress} in ${toNetns || 'own namespace'}`
  const [version, host] = isIPv6(toAddress) ? ['6', `[${toAddress}]`] : ['4', toAddress]
  const peers: Peer[] = []
  const start = (name: string, netns: string, address: string) => {
    const peer = startPeer(name, netns, address)
    peers.push(peer)
    return peer
  }
  try {
    const server = start('server', toNetns, `TCP${version}-LISTEN:0,bind=${host}`)
    const port = await within<string | Buffer>(deadline, [server.listensOn, server.ended])
    const client = start('client', fromNetns, `TCP${version}:${host}:${port}`)
    const [there, back] = [randomBytes(MEGABYTE), randomBytes(MEGABYTE)]
    // One way after the other: socat reads nothing while it waits until it can write, so two of them can wait for ever.
    client.send(there)
    await within<unknown>(deadline, [server.megabyte, client.ended, server.ended])
    server.send(back)
    const [atServer, atClient] = await within(deadline, [Promise.all([server.ended, client.ended])])
    assertSame('server', atServer, there)
    assertSame('client', atClient, back)
  } catch (error) {
    await Promise.all(peers.map((peer) => peer.stop()))
    const why = error instanceof Error ? error.message : String(error)
    throw new Error([`${what}: ${why}`, ...peers.flatMap((peer) => peer.said())].join('\n'))
  } finally {
    await Promise.all(peers.map((peer) => peer.stop()))
  }
}

function assertSame(end: string, received: Buffer, sent: Buffer): void {
  if (received.equals(sent)) return
  throw new Error(`the ${end} got ${received.length} bytes, and not the ${MEGABYTE} that were sent`)
}

/** How long an answer may take, in ms. What forwards may stand still for a while, as when somebody else keeps the RTNL lock. */
const ANSWER_MS = patience(20_000)

/**
 * Waits until `address` answers an echo request. Throws when it does not, with `when` if it is given: after what it
 * should have. No single ping waits for that: one with a deadline ends as soon as the kernel tells it of an error, which
 * is after three seconds when a neighbour has not answered.
 */
export async function answers(fromNetns: string, address: string, when = ''): Promise<void> {
  const deadline = Date.now() + ANSWER_MS
  for (;;) {
    const ended = await ping(fromNetns, address, ['-c', '1'])
    if (ended.status === 0) return
    if (Date.now() > deadline) {
      const who = `${address}, asked from ${fromNetns || 'the own namespace'}${when && `, ${when}`}`
      throw new Error(`no answer from ${who}\n${ended.output.trim()}`)
    }
    // Where there is no route it says so at once.
    await setTimeout(100)
  }
}

/**
 * Whether `address` answers one of three echo requests, one each 200 ms, within another second: for what should not. The
 * kernel may go on for up to three seconds to ask for a neighbour that has not answered, and then says of it for a while
 * that there is no route to it; {@link forgetNeighbours} before it is to answer.
 */
export async function pings(fromNetns: string, address: string): Promise<boolean> {
  // Exit status 2: it could not even send, as without a route; that is no reply either.
  return (await ping(fromNetns, address, ['-c', '3', '-i', '0.2'])).status === 0
}

/** The system's ping with these `options`. It waits for a second after its last request, which is less than the kernel does. */
function ping(fromNetns: string, address: string, options: readonly string[]): Promise<Ended> {
  const [command, args] = enter(fromNetns, 'ping', ['-n', '-q', ...options, '-W', '1', address])
  return runToEnd(command, args, { timeoutMs: patience(10_000) })
}

/** Lets a target ask anew for the neighbours that it has not found. */
export async function forgetNeighbours(netns: string, ifname: string): Promise<void> {
  const [command, args] = enter(netns, 'ip', ['neigh', 'flush', 'dev', ifname])
  await run(command, args)
}

interface Peer {
  /** The port that it listens on, as soon as it does. */
  listensOn: Promise<string>
  /** Sends this, and then the end of what it sends. */
  send(bytes: Buffer): void
  /** Resolves when a mebibyte has come. */
  megabyte: Promise<void>
  /** All that has come, when it has ended; rejects when that was not with success. */
  ended: Promise<Buffer>
  /** Lines of its stderr, without what it says of every connection. */
  said(): string[]
  stop(): Promise<void>
}

/**
 * One end of the connection. It is socat because that starts in no time: a program of Node's takes a second to start in an
 * emulated machine, and there are hundreds of connections.
 */
function startPeer(name: string, netns: string, address: string): Peer {
  // -d -d: it tells its port. -b: writes that are large enough for segmentation offload. -t: when one direction has ended
  // it waits for the other one, until that ends as well or socat is killed.
  const [command, args] = enter(netns, 'socat', ['-d', '-d', '-b', '262144', '-t', '3600', '-', address])
  const child = spawn(command, args, { stdio: 'pipe' })
  child.stdin.on('error', () => {}) // It may have ended, which `ended` tells.
  let said = ''
  child.stderr.setEncoding('utf8')
  const listensOn = new Promise<string>((resolve) => {
    child.stderr.on('data', (text: string) => {
      said += text
      const port = / listening on .*:(\d+)\n/.exec(said)?.[1]
      if (port !== undefined) resolve(port)
    })
  })
  const chunks: Buffer[] = []
  const megabyte = new Promise<void>((resolve) => {
    let bytes = 0
    child.stdout.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes >= MEGABYTE) resolve()
    })
  })
  const closed = new Promise<void>((resolve) => {
    child.once('close', () => resolve())
    child.once('error', (error) => {
      said += `${error.message}\n`
      resolve()
    })
  })
  const ended = closed.then(() => {
    if (child.exitCode !== 0) throw new Error(`the ${name} ended early`)
    return Buffer.concat(chunks)
  })
  ended.catch(() => {}) // When it is stopped nobody asks any more.
  return {
    listensOn,
    send: (bytes) => child.stdin.end(bytes),
    megabyte,
    ended,
    said: () => said.split('\n').filter((line) => line !== '' && !/ [NI] /.test(line)),
    async stop() {
      child.kill('SIGKILL')
      await closed
    },
  }
}

function enter(netns: string, command: string, args: readonly string[]): [string, readonly string[]] {
  return netns === '' ? [command, args] : ['nsenter', [`--net=${netns}`, '--', command, ...args]]
}

/** The first of these that is done; throws at the deadline. */
async function within<T>(deadline: AbortSignal, work: readonly Promise<T>[]): Promise<T> {
  deadline.throwIfAborted()
  const late = once(deadline, 'abort').then(() => {
    throw new Error('it took too long')
  })
  return await Promise.race([...work, late])
}
