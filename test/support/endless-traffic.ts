/**
 * One TCP connection between two namespaces on which data goes to and fro until it is stopped, to see whether it goes on
 * while something is broken. As a program (`listen ADDRESS`, `connect ADDRESS`) it is one of the ends.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { argv } from 'node:process'
import { fileURLToPath } from 'node:url'
import { waitUntil } from './process.js'

const PROGRAM = fileURLToPath(import.meta.url)
const PORT = 7007
const CHUNK = 4096

export interface EndlessTraffic {
  /** Waits until `count` more exchanges have been made on the same connection; throws when the connection has ended. */
  goesOn(count?: number): Promise<void>
  stop(): Promise<void>
}

/** Namespaces are paths. */
export async function endlessTraffic(from: string, to: string, address: string): Promise<EndlessTraffic> {
  const server = end(to, 'listen', address)
  await once(server.stdout ?? server, 'data')
  const client = end(from, 'connect', address)
  let exchanges = 0
  let said = ''
  client.stdout?.setEncoding('utf8').on('data', (text: string) => {
    exchanges += text.length
  })
  client.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const traffic: EndlessTraffic = {
    async goesOn(count = 20) {
      const wanted = exchanges + count
      await waitUntil(
        `${count} more exchanges with ${address}`,
        () => {
          if (client.exitCode !== null) throw new Error(`the connection with ${address} has ended: ${said}`)
          return exchanges >= wanted
        },
        30_000,
      )
    },
    async stop() {
      for (const each of [client, server]) {
        each.kill('SIGKILL')
        if (each.exitCode === null && each.signalCode === null) await once(each, 'close')
      }
    },
  }
  await traffic.goesOn()
  return traffic
}

function end(netns: string, role: string, address: string): ChildProcess {
  const args = [`--net=${netns}`, '--', process.execPath, PROGRAM, role, address]
  return spawn('nsenter', args, { stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Sends a numbered chunk, and the next one when it has come back as it was. */
function talk(address: string): void {
  const socket = net.connect(PORT, address)
  const gone = (why: string) => {
    process.stderr.write(`${why}\n`)
    process.exit(1)
  }
  let number = 0
  let received: Buffer[] = []
  const send = () => socket.write(Buffer.alloc(CHUNK, String(++number)))
  socket.on('connect', send)
  socket.on('error', (error) => gone(error.message))
  socket.on('close', () => gone('closed'))
  socket.on('data', (chunk) => {
    received.push(chunk)
    const all = Buffer.concat(received)
    if (all.length < CHUNK) return
    if (!all.equals(Buffer.alloc(CHUNK, String(number)))) gone('something else came back than was sent')
    received = []
    process.stdout.write('.')
    setTimeout(send, 5)
  })
}

function listen(address: string): void {
  const server = net.createServer((socket) => socket.on('error', () => {}).pipe(socket))
  server.listen(PORT, address, () => process.stdout.write('listening\n'))
}

if (argv[1] === PROGRAM) {
  const [, , role, address = ''] = argv
  if (role === 'listen') listen(address)
  else talk(address)
}
