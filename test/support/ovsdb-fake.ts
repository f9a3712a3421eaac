import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface FakeRequest {
  id: number
  method: string
  params: unknown[]
}

/** One connection that a {@link FakeServer} has accepted. */
export class FakePeer {
  /** Everything that was received, in order. */
  readonly received: FakeRequest[] = []
  readonly socket: net.Socket
  #text = ''

  constructor(socket: net.Socket, onMessage: (message: FakeRequest, peer: FakePeer) => void) {
    this.socket = socket
    socket.on('error', () => {})
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => {
      this.#text += text
      // What our client sends holds no brace in a string, so counting braces is enough here.
      for (let end = endOfObject(this.#text); end > 0; end = endOfObject(this.#text)) {
        const message = JSON.parse(this.#text.slice(0, end)) as FakeRequest
        this.#text = this.#text.slice(end)
        this.received.push(message)
        onMessage(message, this)
      }
    })
  }

  send(message: unknown): void {
    this.socket.write(JSON.stringify(message))
  }

  reply(request: FakeRequest, result: unknown, error: unknown = null): void {
    this.send({ id: request.id, result, error })
  }
}

/** A server that says what a test wants it to say, on a unix socket of its own. */
export class FakeServer {
  readonly endpoint: string
  readonly peers: FakePeer[] = []
  readonly #server: net.Server
  readonly #directory: string

  static async start(onMessage: (message: FakeRequest, peer: FakePeer) => void): Promise<FakeServer> {
    const directory = await mkdtemp(join(tmpdir(), 'ecdock-fake-'))
    const server = new FakeServer(directory, onMessage)
    await once(server.#server, 'listening')
    return server
  }

  private constructor(directory: string, onMessage: (message: FakeRequest, peer: FakePeer) => void) {
    this.#directory = directory
    this.endpoint = `unix:${directory}/db.sock`
    this.#server = net.createServer((socket) => this.peers.push(new FakePeer(socket, onMessage)))
    this.#server.listen(join(directory, 'db.sock'))
  }

  /** May be called again. */
  async stop(): Promise<void> {
    for (const { socket } of this.peers) socket.destroy()
    if (this.#server.listening) {
      this.#server.close()
      await once(this.#server, 'close')
    }
    await rm(this.#directory, { recursive: true, force: true })
  }
}

export type Behaviour = (message: FakeRequest, peer: FakePeer) => void

/** A server that lets clients in, with this first picture of the database, and behaves as the test says in all the rest. */
export function welcoming(firstPicture: unknown, behaviour: Behaviour = () => {}): Behaviour {
  const zero = '00000000-0000-0000-0000-000000000000'
  return (message, peer) => {
    if (message.method === 'monitor_cond_since') peer.reply(message, [false, zero, firstPicture])
    else behaviour(message, peer)
  }
}

function endOfObject(text: string): number {
  let depth = 0
  for (let index = 0; index < text.length; index++) {
    if (text[index] === '{') depth++
    if (text[index] === '}' && --depth === 0) return index + 1
  }
  return 0
}
