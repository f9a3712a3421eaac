import { getEventListeners } from 'node:events'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { EcdockError } from '../../src/errors.js'
import { OpenFlowClient, type OpenFlowOptions } from '../../src/openflow/client.js'
import type { FlowMod } from '../../src/openflow/flow-mod.js'
import { encodeMessage, type Message, TYPE } from '../../src/openflow/message.js'
import { FakeSwitch, type FakeSwitchBehaviour, type FakeSwitchPeer } from '../support/openflow-fake.js'
import { waitUntil } from '../support/process.js'
import { refusal } from '../support/refusal.js'

const SLOT_FLOW: FlowMod = { command: 'add', match: { dlDst: '52:00:0a:00:00:01' }, actions: [{ output: 1 }] }
const obliging: FakeSwitchBehaviour = (message, peer) => peer.greetOrConfirm(message)
/** Lets clients in, and says nothing more. */
const silent: FakeSwitchBehaviour = (message, peer) => {
  if (message.type === TYPE.hello) peer.greetOrConfirm(message)
}

/** Lets clients in, and answers all the rest as the test says. */
function answering(behaviour: FakeSwitchBehaviour): FakeSwitchBehaviour {
  return (message, peer) => {
    if (message.type === TYPE.hello) peer.greetOrConfirm(message)
    else behaviour(message, peer)
  }
}

type Connect = (options?: OpenFlowOptions) => Promise<OpenFlowClient>

async function withSwitch(
  behaviour: FakeSwitchBehaviour,
  action: (connect: Connect, fake: FakeSwitch) => Promise<void>,
): Promise<void> {
  const fake = await FakeSwitch.start(behaviour)
  const clients: OpenFlowClient[] = []
  try {
    await action(async (options) => {
      const client = await OpenFlowClient.connect(fake.path, options)
      clients.push(client)
      return client
    }, fake)
  } finally {
    for (const client of clients) await client.close()
    await fake.stop()
  }
}

function received(fake: FakeSwitch): Message[] {
  return fake.peers.flatMap((peer) => peer.received)
}

function onlyPeer(fake: FakeSwitch): FakeSwitchPeer {
  const [peer] = fake.peers
  if (peer === undefined || fake.peers.length > 1) throw new Error(`${fake.peers.length} connections`)
  return peer
}

/** An answer of flow statistics that holds as many flows, each of 88 bytes. */
function flows(count: number, more: boolean): Buffer {
  const body = Buffer.alloc(4 + 88 * count)
  body.writeUInt16BE(1, 0)
  body.writeUInt16BE(more ? 1 : 0, 2)
  for (let at = 4; at < body.length; at += 88) body.writeUInt16BE(88, at)
  return body
}

test('it says HELLO in version 1, and waits for the other', () =>
  withSwitch(obliging, async (connect, fake) => {
    const client = await connect()
    assert.ok(client.connected)
    assert.equal(
      received(fake).map(({ version, type }) => [version, type]),
      [[1, TYPE.hello]],
    )
  }))

test('an echo request is answered with what it holds', () =>
  withSwitch(obliging, async (connect, fake) => {
    const client = await connect()
    onlyPeer(fake).send(TYPE.echoRequest, 4711, Buffer.from('alive?'))
    await waitUntil('it is answered', () => received(fake).some(({ type }) => type === TYPE.echoReply))
    const echo = received(fake).find(({ type }) => type === TYPE.echoReply)
    assert.is(echo?.xid, 4711)
    assert.is(String(echo?.body), 'alive?')
    await client.barrier()
  }))

test('each modification hears its own error, and the others are done', () =>
  withSwitch(
    answering((message, peer) => {
      const priority = message.type === TYPE.flowMod ? message.body.readUInt16BE(54) : undefined
      if (priority === 2) peer.refuse(message, 3, 1)
      if (message.type === TYPE.portMod) peer.refuse(message, 4, 1)
      peer.greetOrConfirm(message)
    }),
    async (connect, fake) => {
      const client = await connect()
      const errors = await client.apply([
        { ...SLOT_FLOW, priority: 1 },
        { ...SLOT_FLOW, priority: 2 },
        { ...SLOT_FLOW, priority: 70_000 },
        { port: 7, hwAddr: '52:00:0a:00:00:01', config: { noFlood: true } },
        { ...SLOT_FLOW, priority: 5 },
      ])
      assert.equal(
        errors.map((error) => error?.code),
        [undefined, 'OPENFLOW_REFUSED', 'USAGE', 'OPENFLOW_REFUSED', undefined],
      )
      const refused = 'The switch refused openflow flow add: OFPET_FLOW_MOD_FAILED OFPFMFC_OVERLAP.'
      assert.is(errors[1]?.message, refused)
      assert.match(
        errors[3]?.message ?? '',
        'openflow port modify: OFPET_PORT_MOD_FAILED OFPPMFC_BAD_HW_ADDR',
      )
      const types = received(fake).map(({ type }) => type)
      assert.equal(
        types,
        [0, 14, 14, 15, 14, 18],
        'one barrier behind them all, and not the one that cannot be',
      )
    },
  ))

test('nothing to do is nothing said', () =>
  withSwitch(obliging, async (connect, fake) => {
    const client = await connect()
    assert.equal(await client.apply([]), [])
    assert.equal(await client.modifyPorts([]), [])
    await client.barrier()
    assert.is(received(fake).length, 2)
  }))

test('calls that overlap are sent in order, and each has its own xids', () =>
  withSwitch(obliging, async (connect, fake) => {
    const client = await connect()
    const calls = Array.from({ length: 50 }, (_, priority) => client.apply([{ ...SLOT_FLOW, priority }]))
    assert.equal(await Promise.all(calls), Array(50).fill([undefined]))
    const flowMods = received(fake).filter(({ type }) => type === TYPE.flowMod)
    assert.equal(
      flowMods.map(({ body }) => body.readUInt16BE(54)),
      Array.from({ length: 50 }, (_, at) => at),
    )
    assert.is(new Set(received(fake).map(({ xid }) => xid)).size, 101)
  }))

test('a switch that reads slowly is not overrun: what waits is not even made', () =>
  withSwitch(obliging, async (connect, fake) => {
    const client = await connect()
    onlyPeer(fake).socket.pause()
    let made = 0
    const flow: FlowMod = {
      ...SLOT_FLOW,
      get priority() {
        made++
        return 1
      },
    }
    const count = 100_000
    const applied = client.apply(Array(count).fill(flow))
    await client.echo({ timeoutMs: 50 }).catch(() => {})
    // Of 8 MB, what the socket's buffers take, and one batch more.
    assert.ok(made > 0 && made < count / 2, `${made} were made`)
    onlyPeer(fake).socket.resume()
    assert.equal(
      (await applied).filter((error) => error !== undefined),
      [],
    )
    assert.is(made, count)
  }))

test('what comes unasked, or too late, or of an unknown type, is passed over', () =>
  withSwitch(
    answering((message, peer) => {
      for (const type of [7, 10, 11, 12, 77, 255]) peer.send(type, 0, Buffer.alloc(40))
      peer.send(TYPE.barrierReply, message.xid + 1000)
      peer.send(TYPE.error, 0xffffffff, Buffer.alloc(12))
      peer.send(TYPE.hello, message.xid)
      peer.greetOrConfirm(message)
      peer.greetOrConfirm(message)
    }),
    async (connect) => {
      const client = await connect()
      assert.equal(await client.apply([SLOT_FLOW]), [undefined])
      await client.barrier()
    },
  ))

test('statistics are put together from as many messages as they come in', () =>
  withSwitch(
    answering(({ xid }, peer) => {
      peer.send(TYPE.statsReply, xid, flows(2, true))
      peer.send(TYPE.statsReply, xid, flows(0, true))
      peer.send(TYPE.statsReply, xid, flows(3, false))
    }),
    async (connect) => {
      assert.is((await (await connect()).flows()).length, 5)
    },
  ))

test('ports that do not fit into the features are asked for one by one', () =>
  withSwitch(
    answering(({ type, xid }, peer) => {
      const port = Buffer.alloc(48)
      port.writeUInt16BE(2000, 0)
      if (type === TYPE.featuresRequest) peer.send(TYPE.featuresReply, xid, Buffer.alloc(24 + 1364 * 48))
      if (type !== TYPE.statsRequest) return
      const head = Buffer.from('000d0001', 'hex')
      peer.send(TYPE.statsReply, xid, Buffer.concat([head, ...Array(1364).fill(port)]))
      peer.send(TYPE.statsReply, xid, Buffer.concat([Buffer.from('000d0000', 'hex'), port]))
    }),
    async (connect) => {
      const ports = await (await connect()).ports()
      assert.is(ports.length, 1365)
      assert.is(ports.at(-1)?.number, 2000)
    },
  ))

const HOSTILE: [what: string, answer: (xid: number) => Buffer, words: RegExp][] = [
  ['a length of 0', () => Buffer.alloc(64), /0 bytes, shorter than its header/],
  ['a length of 7', () => Buffer.from('0113000700000001', 'hex'), /7 bytes, shorter than its header/],
  ['another version', (xid) => Buffer.from(`04130008${hex32(xid)}`, 'hex'), /a message of version 4/],
  ['text', () => Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'.repeat(2000)), /a message of version 72/],
  [
    'another message',
    (xid) => encodeMessage({ type: TYPE.echoReply, body: Buffer.alloc(0) }, xid),
    /of type 3/,
  ],
  ['a flow that is cut short', (xid) => stats(xid, flows(1, false).subarray(0, 50)), /a flow of 0 bytes/],
  ['statistics without a head', (xid) => stats(xid, Buffer.alloc(3)), /statistics of 3 bytes/],
  ['other statistics', (xid) => stats(xid, Buffer.from('00040000', 'hex')), /of kind 4 in place of 1/],
]

for (const [what, answer, words] of HOSTILE) {
  test(`a switch that sends ${what} is given up, and all who wait hear it`, () =>
    withSwitch(
      answering(({ type, xid }, peer) => {
        if (type === TYPE.statsRequest) peer.socket.write(answer(xid))
      }),
      async (connect) => {
        const client = await connect()
        const other = refusal(client.echo(), 'OPENFLOW_PROTOCOL')
        const error = await refusal(client.flows(), 'OPENFLOW_PROTOCOL')
        assert.match(error.message, words)
        assert.match((await other).message, words)
        assert.not(client.connected)
      },
    ))
}

test('100 MB of messages that nobody asked for take no memory, and are no end', () =>
  withSwitch(
    answering((message, peer) => {
      if (message.type !== TYPE.barrierRequest) return
      const noise = encodeMessage({ type: 10, body: Buffer.alloc(65_000) }, message.xid + 5)
      let left = 100_000_000 / noise.length
      const more = () => {
        while (left-- > 0) if (!peer.socket.write(noise)) return
        peer.socket.off('drain', more)
        peer.greetOrConfirm(message)
      }
      peer.socket.on('drain', more)
      more()
    }),
    async (connect) => {
      const client = await connect()
      const before = process.memoryUsage().rss
      await client.barrier()
      const grown = process.memoryUsage().rss - before
      assert.ok(grown < 80_000_000, `grew by ${grown} bytes`)
    },
  ))

test('an answer without an end is cut off', () =>
  withSwitch(
    answering(({ xid }, peer) => {
      const more = () => {
        while (peer.socket.write(encodeMessage({ type: TYPE.statsReply, body: flows(0, true) }, xid)));
      }
      peer.socket.on('drain', more)
      more()
    }),
    async (connect) => {
      const client = await connect({ maxAnswerBytes: 1_000_000 })
      const error = await refusal(client.flows(), 'OPENFLOW_PROTOCOL')
      assert.match(error.message, /statistics of more than 1000000 bytes/)
    },
  ))

test('a switch that asks for echoes and never reads them is given up', () =>
  withSwitch(silent, async (connect, fake) => {
    const client = await connect()
    const { socket } = onlyPeer(fake)
    socket.pause()
    const asked = encodeMessage({ type: TYPE.echoRequest, body: Buffer.alloc(60_000) }, 1)
    const flood = () => {
      while (socket.writable && socket.write(asked));
    }
    socket.on('drain', flood)
    flood()
    const error = await refusal(client.echo(), 'OPENFLOW_LOST')
    assert.match(error.message, /bytes unread/)
  }))

test('when the connection ends, all who wait hear it, also in the middle of a message', () =>
  withSwitch(
    answering((_, peer) => {
      peer.socket.end(encodeMessage({ type: TYPE.error, body: Buffer.alloc(60) }, 1).subarray(0, 30))
    }),
    async (connect) => {
      const heard: EcdockError[] = []
      const client = await connect({ onLost: (error) => heard.push(error) })
      const calls = [client.barrier(), client.apply([SLOT_FLOW]), client.flows(), client.features()]
      for (const error of await Promise.all(calls.map((call) => refusal(call, 'OPENFLOW_LOST')))) {
        assert.match(error.message, /hung up in the middle of a message/)
        assert.match(error.hint ?? '', /may or may not have been done/)
      }
      assert.equal(heard.length, 1)
      assert.not(client.connected)
    },
  ))

test('the next call makes the connection again', () =>
  withSwitch(obliging, async (connect, fake) => {
    const client = await connect()
    onlyPeer(fake).socket.destroy()
    await waitUntil('it is noticed', () => !client.connected)
    await Promise.all([client.barrier(), client.barrier()])
    assert.is(fake.peers.length, 2)
    assert.ok(client.connected)
  }))

test('without a switch it says where none is', async () => {
  const fake = await FakeSwitch.start(obliging)
  const client = await OpenFlowClient.connect(fake.path)
  await fake.stop()
  await waitUntil('it is noticed', () => !client.connected)
  for (const call of [client.barrier(), OpenFlowClient.connect(fake.path)]) {
    const error = await refusal(call, 'OPENFLOW_UNREACHABLE')
    assert.is(error.errno, 'ENOENT')
    assert.match(error.message, fake.path)
    assert.match(error.hint ?? '', /Does ovs-vswitchd run/)
  }
  await client.close()
})

test('without a common version it says how to allow 1.0', async () => {
  const others: FakeSwitchBehaviour[] = [
    (message, peer) => peer.refuse(message, 0, 0),
    (_, peer) => peer.socket.write(Buffer.from('04000010000000010001000800000010', 'hex')),
  ]
  for (const behaviour of others) {
    await withSwitch(behaviour, async (connect) => {
      const error = await refusal(connect(), 'UNSUPPORTED')
      assert.match(error.hint ?? '', /protocols/)
    })
  }
})

test('what comes before HELLO is refused', () =>
  withSwitch(
    (_, peer) => peer.send(TYPE.echoRequest, 1),
    async (connect) => {
      assert.match((await refusal(connect(), 'OPENFLOW_PROTOCOL')).message, /type 2 before its HELLO/)
    },
  ))

test('who hangs up before HELLO, or never says it, does not keep anybody waiting', async () => {
  await withSwitch(
    (_, peer) => peer.socket.destroy(),
    async (connect) => {
      await refusal(connect(), 'OPENFLOW_LOST')
    },
  )
  await withSwitch(
    () => {},
    async (connect) => {
      const error = await refusal(connect({ connectTimeoutMs: 20 }), 'OPENFLOW_UNREACHABLE')
      assert.match(error.message, /no answer within 20 ms/)
    },
  )
})

test('a switch that does not answer is waited for no longer than is said', () =>
  withSwitch(silent, async (connect) => {
    const client = await connect({ timeoutMs: 20 })
    assert.match((await refusal(client.barrier(), 'TIMEOUT')).message, /openflow barrier within 20 ms/)
    assert.match((await refusal(client.flows({}, { timeoutMs: 30 }), 'TIMEOUT')).message, /within 30 ms/)
    for (const timeoutMs of [0, -1, Number.NaN, 2 ** 31]) await refusal(client.echo({ timeoutMs }), 'USAGE')
  }))

test('an answer that comes after its caller has given up is passed over', () =>
  withSwitch(
    answering((message, peer) => {
      if (message.type === TYPE.barrierRequest) peer.greetOrConfirm(message)
    }),
    async (connect, fake) => {
      const client = await connect()
      const abort = new AbortController()
      const call = refusal(client.flows({}, { signal: abort.signal }), 'CANCELLED')
      const asked = () => received(fake).find(({ type }) => type === TYPE.statsRequest)
      await waitUntil('it is asked', () => asked() !== undefined)
      abort.abort()
      await call
      onlyPeer(fake).send(TYPE.statsReply, asked()?.xid ?? 0, flows(1, false))
      await client.barrier()
      assert.is(getEventListeners(abort.signal, 'abort').length, 0)
    },
  ))

test('what is cancelled while it waits to be sent is not sent', () =>
  withSwitch(obliging, async (connect, fake) => {
    const client = await connect()
    onlyPeer(fake).socket.pause()
    const first = client.apply(Array(100_000).fill(SLOT_FLOW))
    const abort = new AbortController()
    const second = client.apply([{ ...SLOT_FLOW, priority: 77 }], { signal: abort.signal })
    abort.abort(new Error('enough'))
    await refusal(second, 'CANCELLED')
    onlyPeer(fake).socket.resume()
    await first
    await client.barrier()
    const mods = received(fake).filter(({ type }) => type === TYPE.flowMod)
    assert.is(mods.length, 100_000)
    assert.not(mods.some(({ body }) => body.readUInt16BE(54) === 77))
    await refusal(client.barrier({ signal: abort.signal }), 'CANCELLED')
  }))

test('closing ends all waits, and nothing can be asked afterwards', () =>
  withSwitch(silent, async (connect) => {
    let lost = 0
    const client = await connect({ onLost: () => lost++ })
    const waits = [client.barrier(), client.apply([SLOT_FLOW]), client.flows()].map((wait) =>
      refusal(wait, 'CANCELLED'),
    )
    await client.close()
    await Promise.all(waits)
    await client.close()
    await refusal(client.barrier(), 'CANCELLED')
    assert.is(lost, 0)
  }))

test('connecting can be cancelled', () =>
  withSwitch(
    () => {},
    async (connect) => {
      const abort = new AbortController()
      const connecting = refusal(connect({ signal: abort.signal }), 'CANCELLED')
      abort.abort()
      await connecting
      await refusal(connect({ signal: abort.signal }), 'CANCELLED')
    },
  ))

test('a path that is none is refused', async () => {
  await refusal(OpenFlowClient.connect('ovs0.mgmt'), 'USAGE')
  await refusal(OpenFlowClient.connect(`/${'x'.repeat(107)}`), 'USAGE')
})

function hex32(number: number): string {
  return number.toString(16).padStart(8, '0')
}

function stats(xid: number, body: Buffer): Buffer {
  return encodeMessage({ type: TYPE.statsReply, body }, xid)
}

test.run()
