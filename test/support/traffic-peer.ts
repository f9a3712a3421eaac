/**
 * One end of the connection that traffic.ts makes, as a program of its own: `traffic-peer listen ADDRESS` prints
 * the port that it listens on, `traffic-peer connect ADDRESS` connects to the port that it reads. Both send a mebibyte,
 * close their half, and print what they have received. It starts with little, because it is started often, and takes
 * seconds to start in an emulated machine when it needs more of Node.
 */
import { connect, createServer, type Socket } from 'node:net'
import { argv } from 'node:process'
import { fileURLToPath } from 'node:url'

/** In bytes. */
export const MEGABYTE = 1024 * 1024

/** A mebibyte that looks random and is the same for the same seed, which is not 0 (xorshift32, Marsaglia 2003). */
function seededBytes(seed: number): Buffer {
  const words = new Uint32Array(MEGABYTE / 4)
  let state = seed
  for (let at = 0; at < words.length; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[at] = state
  }
  return Buffer.from(words.buffer)
}

const SEEDS = { server: 0x5eed0001, client: 0x5eed0002 }

function exchange(socket: Socket, own: keyof typeof SEEDS, other: keyof typeof SEEDS): void {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('end', () => {
    const all = Buffer.concat(chunks)
    console.log(JSON.stringify({ received: all.length, intact: all.equals(seededBytes(SEEDS[other])) }))
  })
  socket.on('error', fail)
  socket.end(seededBytes(SEEDS[own]))
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
    let told = ''
    process.stdin.setEncoding('utf8').on('data', (text: string) => {
      told += text
    })
    process.stdin.on('end', () => {
      exchange(connect({ host: address, port: Number(told), allowHalfOpen: true }), 'client', 'server')
    })
  }
}
