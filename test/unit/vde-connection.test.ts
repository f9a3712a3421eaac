import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DatagramSocket } from '../../src/kernel/datagram-socket.js'
import { connect, type VdeConnection } from '../../src/vde/connection.js'
import { waitUntil } from '../support/process.js'
import { refusal } from '../support/refusal.js'
import { BROADCAST, frameOf } from '../support/vde.js'

const SELF = '52:00:0a:00:00:01'

/** A switch with one port: a place to look at what a client does, and to answer whatever is wanted. */
class FakeSwitch {
  readonly dir = mkdtempSync(join(tmpdir(), 'vde-fake-'))
  readonly requests: Buffer[] = []
  readonly heard: Buffer[] = []
  readonly clients: net.Socket[] = []
  /** Answers a request; by default as a switch does. */
  answer: (client: net.Socket, request: Buffer) => void = (client, request) => this.plugIn(client, request)
  data: DatagramSocket | undefined
  readonly #server = net.createServer((client) => {
    this.clients.push(client)
    client.on('error', () => {})
    client.on('data', (request) => {
      this.requests.push(request)
      this.answer(client, request)
    })
  })

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(join(this.dir, 'ctl'), resolve))
  }

  plugIn(client: net.Socket, request: Buffer, named = join(this.dir, '001.7')): void {
    const path = join(this.dir, '001.7')
    rmSync(path, { force: true })
    const data = DatagramSocket.bind(path, {
      maxDatagrams: 10_000,
      maxBytes: 1 << 28,
      onReady: () => this.heard.push(...data.take()),
    })
    const end = request.indexOf(0, 14)
    data.connect(request.subarray(14, end).toString())
    this.data = data
    client.write(
      Buffer.concat([request.subarray(12, 14), Buffer.from(named), Buffer.alloc(108 - named.length)]),
    )
  }

  async close(): Promise<void> {
    for (const client of this.clients) client.destroy()
    this.data?.close()
    await new Promise((resolve) => this.#server.close(resolve))
    rmSync(this.dir, { recursive: true, force: true })
  }
}

async function withFake(body: (fake: FakeSwitch) => Promise<void>): Promise<void> {
  const fake = new FakeSwitch()
  await fake.listen()
  try {
    await body(fake)
  } finally {
    await fake.close()
  }
}

async function withLink(body: (fake: FakeSwitch, link: VdeConnection) => Promise<void>): Promise<void> {
  await withFake(async (fake) => {
    const link = await connect(fake.dir)
    try {
      await body(fake, link)
    } finally {
      await link.close().catch(() => {})
    }
  })
}

test('frames go out and come in, each as it was sent', () =>
  withLink(async (fake, link) => {
    const sent = [1, 2, 3].map((number) => frameOf(BROADCAST, SELF, `frame ${number}`))
    for (const frame of sent) assert.ok(link.send(frame))
    await waitUntil('the switch has them', () => fake.heard.length === 3)
    assert.equal(fake.heard, sent)

    const answers = Array.from({ length: 200 }, (_, at) => frameOf(SELF, BROADCAST, `answer ${at}`))
    assert.is(fake.data?.send(answers), 200)
    const read: Buffer[] = []
    for await (const frame of link) {
      read.push(frame as Buffer)
      if (read.length === 200) break
    }
    assert.equal(read, answers)
    assert.equal([link.stats.sent, link.stats.received, link.stats.receiveDrops], [3, 200, 0])
  }))

test('as a stream it waits for the switch, and loses nothing', () =>
  withLink(async (fake, link) => {
    const frames = Array.from({ length: 3000 }, (_, at) => frameOf(BROADCAST, SELF, `${at}`.padEnd(1000)))
    const written = new Promise<void>((resolve, reject) => {
      link.on('error', reject)
      let at = 0
      const more = () => {
        while (at < frames.length) if (!link.write(frames[at++])) return void link.once('drain', more)
        resolve()
      }
      more()
    })
    await written
    await waitUntil('the switch has all', () => fake.heard.length === frames.length)
    assert.equal(fake.heard.at(-1), frames.at(-1))
    assert.is(link.stats.sendDrops, 0)
  }))

test('frames that nobody reads are dropped beyond the queue, and counted', () =>
  withFake(async (fake) => {
    const link = await connect(fake.dir, { queueFrames: 100 })
    try {
      const frames = Array.from({ length: 500 }, (_, at) => frameOf(SELF, BROADCAST, `${at}`))
      let sent = 0
      await waitUntil('there was room for all', () => {
        sent += fake.data?.send(frames.slice(sent)) ?? 0
        return sent === frames.length
      })
      // The thread has them when one more passes through a queue that has been emptied.
      let read = 0
      link.on('data', () => read++)
      await waitUntil('all are read or counted', () => read + link.stats.receiveDrops === 500)
      assert.ok(link.stats.receiveDrops > 0)
      assert.is(link.stats.received, read)
    } finally {
      await link.close()
    }
  }))

test('frames beyond the queue of those to be sent are refused, and counted', () =>
  withFake(async (fake) => {
    const link = await connect(fake.dir, { queueFrames: 4 })
    try {
      const frame = frameOf(BROADCAST, SELF, 'x')
      assert.equal(
        [1, 2, 3, 4, 5, 6].map(() => link.send(frame)),
        [true, true, true, true, false, false],
      )
      assert.is(link.stats.sendDrops, 2)
    } finally {
      await link.close()
    }
  }))

test('an empty datagram means nothing', () =>
  withLink(async (fake, link) => {
    const frame = frameOf(SELF, BROADCAST, 'x')
    fake.data?.send([Buffer.alloc(0), frame])
    for await (const read of link) {
      assert.equal(read, frame)
      break
    }
  }))

for (const [what, frame] of Object.entries({
  'a runt': Buffer.alloc(13),
  'a giant': Buffer.alloc(9217),
  'a text': 'frame' as unknown as Buffer,
})) {
  test(`${what} is not sent`, () =>
    withLink(async (fake, link) => {
      assert.throws(() => link.send(frame), /frame/)
      link.send(Buffer.alloc(9216, 1))
      await waitUntil('the next one comes', () => fake.heard.length === 1)
      assert.is(fake.heard[0]?.length, 9216)
    }))
}

test('the file of the client is gone once it is plugged in, and all of it when it is closed', () =>
  withFake(async (fake) => {
    const link = await connect(fake.dir, { description: 'one of ours', port: 5 })
    assert.equal(readdirSync(fake.dir).sort(), ['001.7', 'ctl'])
    assert.is(fake.requests[0]?.subarray(122).toString(), 'one of ours')
    await link.close()
    await link.close()
    await waitUntil('the switch hears of it', () => fake.clients[0]?.destroyed === true)
  }))

test('a reply that leads elsewhere does not', () =>
  withFake(async (fake) => {
    const elsewhere = join(mkdtempSync(join(tmpdir(), 'vde-other-')), '001.7')
    const trap = DatagramSocket.bind(elsewhere, { maxDatagrams: 9, maxBytes: 9000, onReady: () => {} })
    fake.answer = (client, request) => fake.plugIn(client, request, elsewhere)
    const link = await connect(fake.dir)
    link.send(frameOf(BROADCAST, SELF, 'x'))
    await waitUntil('the switch has it', () => fake.heard.length === 1)
    assert.equal(trap.take(), [])
    trap.close()
    await link.close()
  }))

test('whoever reads hears that the switch has ended', () =>
  withLink(async (fake, link) => {
    const reading = (async () => {
      for await (const _ of link) assert.unreachable()
    })()
    fake.clients[0]?.destroy()
    const error = await refusal(reading, 'VDE_LOST')
    assert.match(error.message, fake.dir)
  }))

test('aborting ends a connection, and an attempt to make one', () =>
  withFake(async (fake) => {
    const first = new AbortController()
    const link = await connect(fake.dir, { signal: first.signal })
    const reading = (async () => {
      for await (const _ of link) assert.unreachable()
    })()
    first.abort()
    await refusal(reading, 'CANCELLED')

    fake.answer = () => second.abort()
    const second = new AbortController()
    await refusal(connect(fake.dir, { signal: second.signal }), 'CANCELLED')
    await refusal(connect(fake.dir, { signal: AbortSignal.abort() }), 'CANCELLED')
    assert.equal(
      readdirSync(fake.dir).filter((name) => name.startsWith('.')),
      [],
    )
  }))

test('a switch that answers wrongly, or not at all, is left, with nothing behind', () =>
  withFake(async (fake) => {
    const answers: [(client: net.Socket, request: Buffer) => void, Parameters<typeof refusal>[1]][] = [
      [(client) => client.destroy(), 'VDE_REFUSED'],
      [(client) => client.end(), 'VDE_REFUSED'],
      [(client, request) => client.end(request.subarray(12, 60)), 'VDE_PROTOCOL'],
      [(client) => client.write('x'.repeat(110)), 'VDE_PROTOCOL'],
      [(client) => client.write('x'.repeat(5000)), 'VDE_PROTOCOL'],
      [() => {}, 'TIMEOUT'],
    ]
    for (const [answer, code] of answers) {
      fake.answer = answer
      await refusal(connect(fake.dir, { timeoutMs: 200 }), code)
    }
    assert.equal(readdirSync(fake.dir), ['ctl'])
  }))

test('what is no switch is told from one that has ended', async () => {
  const home = mkdtempSync(join(tmpdir(), 'vde-none-'))
  try {
    const reason = async (dir: string) => (await refusal(connect(dir), 'VDE_UNREACHABLE')).message
    assert.match(await reason(join(home, 'nowhere')), /there is no such directory/)
    assert.match(await reason(home), /there is no socket ctl/)
    writeFileSync(join(home, 'file'), '')
    assert.match(await reason(join(home, 'file')), /no directory/)
    mkdirSync(join(home, 'odd'))
    writeFileSync(join(home, 'odd', 'ctl'), '')
    assert.match(await reason(join(home, 'odd')), /no socket/)

    const ended = await refusal(connect(await endedSwitch(home)), 'VDE_UNREACHABLE')
    assert.is(ended.errno, 'ECONNREFUSED')
    assert.match(ended.hint ?? '', /has ended/)
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
})

test('a path is checked before anything is done', async () => {
  const long = `/tmp/${'d'.repeat(100)}`
  assert.match((await refusal(connect(long), 'USAGE')).message, /105 bytes/)
  assert.match((await refusal(connect('run/vde'), 'USAGE')).message, /not absolute/)
  await refusal(connect(''), 'USAGE')
  await refusal(connect('/tmp/a\0b'), 'USAGE')
  await refusal(connect('/tmp', { queueFrames: 0 }), 'USAGE')
})

/** A directory whose `ctl` nobody listens at: the link to a socket whose server has gone. */
async function endedSwitch(home: string): Promise<string> {
  const dir = join(home, 'ended')
  mkdirSync(dir)
  const socket = DatagramSocket.bind(join(dir, 'ctl'), { maxDatagrams: 1, maxBytes: 1, onReady: () => {} })
  socket.close()
  assert.ok(existsSync(join(dir, 'ctl')))
  symlinkSync(dir, join(home, 'link'))
  return join(home, 'link')
}

test.run()
