/**
 * One end of the connection that traffic.ts makes, as a program of its own: `traffic-peer listen ADDRESS` prints
 * the port that it listens on, `traffic-peer connect ADDRESS` connects to the port that it reads. Both send a mebibyte,
 * close their half, and print what they have received.
 */
import { createCipheriv, createHash } from 'node:crypto'
import { connect, createServer, type Socket } from 'node:net'
import { argv } from 'node:process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

/** In bytes. */
export const MEGABYTE = 1024 * 1024

/** A mebibyte that looks random and is the same for the same seed. */
function seededBytes(seed: string): Buffer {
  const key = createHash('sha256').update(seed).digest()
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(MEGABYTE))
}

function hashOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function exchange(socket: Socket, own: string, other: string): void {
  const hash = createHash('sha256')
  let received = 0
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length
    hash.update(chunk)
  })
  socket.on('end', () => {
    const intact = received === MEGABYTE && hash.digest('hex') === hashOf(seededBytes(other))
    console.log(JSON.stringify({ received, intact }))
  })
  socket.on('error', fail)
  socket.end(seededBytes(own))
}

function fail(error: Error): never {
  console.error(error.message)
  process.exit(1)
}

function listen(address: string): void {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    server.close()
    exchange(socket, 'server', 'client')
  })
  server.on('error', fail)
  server.listen(0, address, () => {
    const bound = server.address()
    console.log(typeof bound === 'object' ? bound?.port : bound)
  })
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const [verb, address = ''] = argv.slice(2)
  if (verb === 'listen') listen(address)
  else {
    const port = Number(await text(process.stdin))
    exchange(connect({ host: address, port, allowHalfOpen: true }), 'client', 'server')
  }
}
