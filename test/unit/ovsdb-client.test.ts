import { getEventListeners } from 'node:events'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { EcdockError } from '../../src/errors.js'
import { OvsdbClient, type OvsdbOptions } from '../../src/ovsdb/client.js'
import { comment, wait } from '../../src/ovsdb/operations.js'
import { REPLICATED, Replica } from '../../src/ovsdb/replica.js'
import { type FakePeer, type FakeRequest, FakeServer } from '../support/ovsdb-fake.js'

const BRIDGE = '550e8400-e29b-41d4-a716-446655440000'
const ROOT = '00000000-0000-4000-8000-000000000001'
const ZERO = '00000000-0000-0000-0000-000000000000'
const FIRST_PICTURE = {
  Open_vSwitch: { [ROOT]: { initial: { bridges: ['uuid', BRIDGE] } } },
  Bridge: { [BRIDGE]: { initial: { name: 'ovs0' } } },
}

type Behaviour = (message: FakeRequest, peer: FakePeer) => void

/** A server that lets clients in, and behaves as the test says in all the rest. */
function welcoming(behaviour: Behaviour): Behaviour {
  return (message, peer) => {
    if (message.method === 'monitor_cond_since') peer.reply(message, [false, ZERO, FIRST_PICTURE])
    else behaviour(message, peer)
  }
}

async function withServer(
  behaviour: Behaviour,
  action: (server: FakeServer, connect: (options?: OvsdbOptions) => Promise<OvsdbClient>) => Promise<void>,
): Promise<void> {
  const server = await FakeServer.start(behaviour)
  const clients: OvsdbClient[] = []
  try {
    await action(server, async (options) => {
      const client = await OvsdbClient.connect(server.endpoint, options)
      clients.push(client)
      return client
    })
  } finally {
    for (const client of clients) await client.close()
    await server.stop()
  }
}

async function failure(action: Promise<unknown>): Promise<EcdockError> {
  try {
    await action
  } catch (error) {
    assert.instance(error, EcdockError)
    return error as EcdockError
  }
  throw new Error('it should have failed')
}

/** The error of a transaction that the server answers by writing `text`. */
async function afterReceiving(text: string | Buffer, options?: OvsdbOptions): Promise<EcdockError> {
  let error: EcdockError | undefined
  await withServer(
    welcoming((message, peer) => {
      if (message.method === 'transact') peer.socket.write(text)
    }),
    async (_server, connect) => {
      const client = await connect(options)
      error = await failure(client.transact([comment('x')]))
    },
  )
  if (error === undefined) throw new Error('unreachable')
  return error
}

test('where no server listens, the error says so and what to do', async () => {
  const error = await failure(OvsdbClient.connect('unix:/nonexistent/db.sock'))
  assert.is(error.code, 'OVSDB_UNREACHABLE')
  assert.is(error.errno, 'ENOENT')
  assert.match(error.message, /\/nonexistent\/db\.sock/)
  assert.match(error.hint ?? '', /Start Open vSwitch/)
})

test('a server that never answers is given up in time, and connecting can be cancelled', async () => {
  await withServer(
    () => {},
    async (server) => {
      assert.is(
        (await failure(OvsdbClient.connect(server.endpoint, { connectTimeoutMs: 30 }))).code,
        'TIMEOUT',
      )
      const cancel = new AbortController()
      const connecting = failure(OvsdbClient.connect(server.endpoint, { signal: cancel.signal }))
      cancel.abort()
      assert.is((await connecting).code, 'CANCELLED')
      assert.is(
        (await failure(OvsdbClient.connect(server.endpoint, { signal: cancel.signal }))).code,
        'CANCELLED',
      )
    },
  )
})

test('a database that is not there is refused with the words of the server', async () => {
  await withServer(
    (message, peer) => peer.reply(message, null, { error: 'unknown database', details: 'no Open_vSwitch' }),
    async (server) => {
      const error = await failure(OvsdbClient.connect(server.endpoint))
      assert.is(error.code, 'OVSDB_REFUSED')
      assert.match(error.message, /no Open_vSwitch/)
    },
  )
})

test('only the columns that are used are asked for', async () => {
  await withServer(
    welcoming(() => {}),
    async (server, connect) => {
      await connect()
      const [database, , requests, since] = server.peers[0]?.received[0]?.params ?? []
      assert.is(database, 'Open_vSwitch')
      assert.is(since, ZERO)
      assert.equal(Object.keys(requests as object), ['Open_vSwitch', 'Bridge', 'Port', 'Interface', 'Mirror'])
      assert.not.match(JSON.stringify(requests), /statistics/)
    },
  )
})

test('an older server is asked by an older method', async () => {
  const unknown = ['unknown method', { error: 'unknown method' }]
  for (const error of unknown) {
    await withServer(
      (message, peer) => {
        if (message.method === 'monitor_cond') peer.reply(message, FIRST_PICTURE)
        else peer.reply(message, null, error)
      },
      async (server, connect) => {
        const client = await connect()
        assert.is(client.replica.byName('Bridge', 'ovs0')?.uuid, BRIDGE)
        server.peers[0]?.send({
          id: null,
          method: 'update2',
          params: ['ecdock-fast', { Bridge: { [BRIDGE]: { modify: { fail_mode: 'secure' } } } }],
        })
        await client.replica.until((replica) => replica.byName('Bridge', 'ovs0')?.fail_mode === 'secure')
      },
    )
  }
})

test('the oldest server is asked by the method of RFC 7047', async () => {
  await withServer(
    (message, peer) => {
      if (message.method === 'monitor')
        peer.reply(message, { Bridge: { [BRIDGE]: { new: { name: 'ovs0' } } } })
      else peer.reply(message, null, 'unknown method')
    },
    async (server, connect) => {
      const client = await connect()
      assert.is(client.replica.byName('Bridge', 'ovs0')?.uuid, BRIDGE)
      server.peers[0]?.send({
        id: null,
        method: 'update',
        params: ['ecdock-fast', { Bridge: { [BRIDGE]: { old: { name: 'ovs0' } } } }],
      })
      await client.replica.until((replica) => replica.count('Bridge') === 0)
    },
  )
})

test('an update that follows the first picture at once is not lost', async () => {
  await withServer(
    (message, peer) => {
      const modify = { Bridge: { [BRIDGE]: { modify: { fail_mode: 'secure' } } } }
      const update = { id: null, method: 'update3', params: ['ecdock-fast', ZERO, modify] }
      const reply = { id: message.id, result: [false, ZERO, FIRST_PICTURE], error: null }
      peer.socket.write(JSON.stringify(reply) + JSON.stringify(update))
    },
    async (_server, connect) => {
      const client = await connect()
      assert.is(client.replica.byName('Bridge', 'ovs0')?.fail_mode, 'secure')
    },
  )
})

test('echo is answered', async () => {
  let answered: (message: unknown) => void = () => {}
  const answer = new Promise((resolve) => (answered = resolve))
  await withServer(
    welcoming((message) => answered(message)),
    async (server, connect) => {
      await connect()
      server.peers[0]?.send({ id: 'echo', method: 'echo', params: ['are', 'you'] })
      assert.equal(await answer, { id: 'echo', result: ['are', 'you'], error: null })
    },
  )
})

test('answers may come in another order than the questions', async () => {
  const held: FakeRequest[] = []
  await withServer(
    welcoming((message, peer) => {
      held.push(message)
      if (held.length === 3)
        for (const each of held.reverse()) peer.reply(each, [{ count: each.params.length }])
    }),
    async (_server, connect) => {
      const client = await connect()
      const answers = await Promise.all([1, 2, 3].map(() => client.transact([comment('x')])))
      assert.equal(answers.flat(), [{ count: 2 }, { count: 2 }, { count: 2 }])
    },
  )
})

test('an answer that comes too late is ignored, and the server was told', async () => {
  let first: FakeRequest | undefined
  await withServer(
    welcoming((message, peer) => {
      if (message.method === 'cancel') {
        assert.equal(message.params, [first?.id])
        if (first !== undefined) peer.reply(first, null, 'canceled')
      } else if (first === undefined) first = message
      else peer.reply(message, [{}])
    }),
    async (_server, connect) => {
      const client = await connect()
      const late = await failure(client.transact([wait('Port', [], '!=', [], [], 9999)], { timeoutMs: 20 }))
      assert.is(late.code, 'TIMEOUT')
      assert.is((await client.transact([comment('x')])).length, 1)
      assert.ok(client.connected)
    },
  )
})

test('a stream that ends in the middle of a message is a lost connection', async () => {
  let error: EcdockError | undefined
  await withServer(
    welcoming((_message, peer) => peer.socket.end('{"id":1,"result":[{"unfini')),
    async (_server, connect) => {
      error = await failure((await connect()).transact([comment('x')]))
    },
  )
  assert.is(error?.code, 'OVSDB_LOST')
  assert.match(error?.message ?? '', /in the middle of a message/)
  assert.match(error?.hint ?? '', /may or may not/)
})

test('a stream that breaks the protocol ends the connection and says how', async () => {
  const update3 = (updates: unknown, monitor: unknown = 'ecdock-fast') =>
    JSON.stringify({ id: null, method: 'update3', params: [monitor, ZERO, updates] })
  const cases: [string | Buffer, RegExp][] = [
    ['SSH-2.0-OpenSSH_9.2\r\n', /not a JSON object/],
    ['{"id":}', /malformed JSON/],
    [Buffer.from([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x7d]), /not UTF-8/],
    ['['.repeat(1000), /nesting/],
    ['[]', /not an object/],
    ['{"id":1}', /neither a request nor a reply/],
    ['{"id":77,"result":[],"error":null}', /nobody asked/],
    ['{"id":"1","result":[],"error":null}', /nobody asked/],
    ['{"id":null,"result":null,"error":"your JSON is broken"}', /your JSON is broken/],
    ['{"id":5,"method":"steal","params":[]}', /a request "steal"/],
    [update3({}, 'another'), /monitor's update/],
    [update3([]), /table updates/],
    [update3({ Bridge: 5 }), /table updates/],
    [update3({ Bridge: { 'no uuid': { delete: null } } }), /no uuid/],
    [update3({ Port: { [BRIDGE]: { modify: { name: 'x' } } } }), /row update/],
    [update3({ Bridge: { [BRIDGE]: { modify: { ports: 'x' } } } }), /type uuid/],
    [update3({ Bridge: { [BRIDGE]: { modify: { name: 5 } } } }), /type string/],
  ]
  for (const [text, expected] of cases) {
    const error = await afterReceiving(text)
    assert.is(error.code, 'OVSDB_PROTOCOL', String(text))
    assert.match(error.message, expected)
  }
})

test('tables and columns that were not asked for are left alone', async () => {
  await withServer(
    welcoming(() => {}),
    async (server, connect) => {
      const client = await connect()
      const updates = {
        Flow_Table: { [ROOT]: { insert: {} } },
        Bridge: { [BRIDGE]: { modify: { datapath_type: 'netdev', uuid: 'x', surprise: ['set', []] } } },
      }
      const hostile = `{"__proto__":{"x":1},${JSON.stringify(updates).slice(1)}`
      server.peers[0]?.socket.write(
        `{"id":null,"method":"update3","params":["ecdock-fast","${ZERO}",${hostile}]}`,
      )
      const bridge = await client.replica.until((replica) => {
        const found = replica.byName('Bridge', 'ovs0')
        return found?.datapath_type === 'netdev' && found
      })
      assert.is(bridge.uuid, BRIDGE)
      assert.not('surprise' in bridge)
    },
  )
})

test('a message without an end is cut off at the limit', async () => {
  const error = await afterReceiving(`{"id":1,"result":["${'x'.repeat(300_000)}`, {
    maxMessageBytes: 100_000,
  })
  assert.is(error.code, 'OVSDB_PROTOCOL')
  assert.match(error.message, /longer than 100000 bytes/)
})

test('a server that asks without reading the answers is given up', async () => {
  await withServer(
    welcoming((message, peer) => {
      if (message.method !== 'transact') return
      peer.socket.pause()
      const question = JSON.stringify({ id: 'x', method: 'echo', params: ['x'.repeat(50_000)] })
      const flood = () => {
        while (!peer.socket.destroyed && peer.socket.write(question)) {}
      }
      peer.socket.on('drain', flood)
      flood()
    }),
    async (_server, connect) => {
      const client = await connect({ maxMessageBytes: 200_000 })
      const error = await failure(client.transact([comment('x')]))
      assert.is(error.code, 'OVSDB_LOST')
      assert.match(error.message, /unread/)
    },
  )
})

test('when the database is taken away, the connection is made anew', async () => {
  await withServer(
    welcoming(() => {}),
    async (server, connect) => {
      const events: boolean[] = []
      let back = () => {}
      const isBack = new Promise<void>((resolve) => (back = resolve))
      await connect({
        onConnection: ({ connected }) => {
          events.push(connected)
          if (connected) back()
        },
      })
      server.peers[0]?.send({ id: null, method: 'monitor_canceled', params: ['ecdock-fast'] })
      await isBack
      assert.equal(events, [false, true])
      assert.is(server.peers.length, 2)
    },
  )
})

test('a database that nobody has initialised is told from one that does not answer', async () => {
  await withServer(
    (message, peer) => peer.reply(message, [false, ZERO, {}]),
    async (_server, connect) => {
      const error = await failure((await connect()).transactAndWait([]))
      assert.is(error.code, 'OVSDB_REFUSED')
      assert.match(error.hint ?? '', /ovs-vsctl init/)
    },
  )
})

test('waits leave nothing on the signal that they share', async () => {
  const cancel = new AbortController()
  const replica = new Replica(REPLICATED)
  const waits = Array.from({ length: 100 }, () =>
    failure(replica.until(() => false, { signal: cancel.signal, timeoutMs: 1 })),
  )
  assert.is(getEventListeners(cancel.signal, 'abort').length, 1)
  for (const error of await Promise.all(waits)) assert.is(error.code, 'TIMEOUT')
  assert.is(getEventListeners(cancel.signal, 'abort').length, 0)
})

test('a wait ends with the error of the one who looks', async () => {
  const replica = new Replica(REPLICATED)
  const waiting = replica.until(() => {
    throw new EcdockError('OVS_PORT_FAILED', 'plug', 'it will never come')
  })
  assert.is((await failure(waiting)).code, 'OVS_PORT_FAILED')
})

test('of two rows that swap a name in one update, the one that stays is found', () => {
  const [older, newer] = [BRIDGE, ROOT]
  for (const [first, second] of [
    [{ [older]: { delete: null } }, { [newer]: { insert: { name: 'ovs0' } } }],
    [{ [newer]: { insert: { name: 'ovs0' } } }, { [older]: { delete: null } }],
  ]) {
    const replica = new Replica(REPLICATED)
    replica.replace('update2', { Bridge: { [older]: { initial: { name: 'ovs0' } } } })
    replica.apply('update2', { Bridge: { ...first, ...second } })
    assert.is(replica.byName('Bridge', 'ovs0')?.uuid, newer)
    assert.is(replica.count('Bridge'), 1)
  }
})

test.run()
