import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MessageFramer } from '../../src/openflow/framing.js'
import { encodeMessage, type Message, TYPE } from '../../src/openflow/message.js'

/** One connection that a {@link FakeSwitch} has accepted. */
export class FakeSwitchPeer {
  /** Everything that was received, in order. */
  readonly received: Message[] = []
  readonly socket: net.Socket

  constructor(socket: net.Socket, onMessage: FakeSwitchBehaviour) {
    this.socket = socket
    const framer = new MessageFramer()
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      for (const message of framer.push(chunk)) {
        this.received.push(message)
        onMessage(message, this)
      }
    })
  }

  send(type: number, xid: number, body: Buffer = Buffer.alloc(0)): void {
    this.socket.write(encodeMessage({ type, body }, xid))
  }

  /** OFPT_ERROR with this type and code in answer to `request`. */
  refuse({ xid }: Message, type: number, code: number): void {
    const body = Buffer.alloc(4)
    body.writeUInt16BE(type, 0)
    body.writeUInt16BE(code, 2)
    this.send(TYPE.error, xid, body)
  }

  /** Answers as a switch that has done what it was asked for. */
  greetOrConfirm({ type, xid }: Message): void {
    if (type === TYPE.hello) this.send(TYPE.hello, xid)
    if (type === TYPE.barrierRequest) this.send(TYPE.barrierReply, xid)
  }
}

export type FakeSwitchBehaviour = (message: Message, peer: FakeSwitchPeer) => void

/** A bridge that says what a test wants it to say, on a management socket of its own. */
export class FakeSwitch {
  readonly path: string
  readonly peers: FakeSwitchPeer[] = []
  readonly #server: net.Server
  readonly #directory: string

  static async start(onMessage: FakeSwitchBehaviour): Promise<FakeSwitch> {
    const directory = await mkdtemp(join(tmpdir(), 'ecdock-fake-'))
    const fake = new FakeSwitch(directory, onMessage)
    await once(fake.#server, 'listening')
    return fake
  }

  private constructor(directory: string, onMessage: FakeSwitchBehaviour) {
    this.#directory = directory
    this.path = join(directory, 'ovs0.mgmt')
    this.#server = net.createServer((socket) => this.peers.push(new FakeSwitchPeer(socket, onMessage)))
    this.#server.listen(this.path)
  }

  async stop(): Promise<void> {
    this.#server.close()
    for (const { socket } of this.peers) socket.destroy()
    await once(this.#server, 'close')
    await rm(this.#directory, { recursive: true })
  }
}
