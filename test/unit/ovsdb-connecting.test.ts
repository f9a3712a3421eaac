import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OvsdbClient, type OvsdbOptions } from '../../src/ovsdb/client.js'
import { pauseMs } from '../../src/ovsdb/kept-connection.js'
import { comment } from '../../src/ovsdb/operations.js'
import { type Behaviour, type FakePeer, FakeServer, welcoming } from '../support/ovsdb-fake.js'
import { refusal } from '../support/refusal.js'

const BRIDGE = '550e8400-e29b-41d4-a716-446655440000'
const DATABASE = '550e8400-e29b-41d4-a716-446655440001'
const ZERO = '00000000-0000-0000-0000-000000000000'
const TRANSACTION = '11111111-1111-4111-8111-111111111111'

/** A client of these servers, and a way to wait until it is connected for the nth time. */
async function withClient(
  behaviours: readonly Behaviour[],
  action: (client: OvsdbClient, servers: readonly FakeServer[], again: () => Promise<void>) => Promise<void>,
  options: OvsdbOptions = {},
): Promise<void> {
  const servers: FakeServer[] = []
  for (const behaviour of behaviours) servers.push(await FakeServer.start(behaviour))
  let wake = () => {}
  let client: OvsdbClient | undefined
  try {
    client = await OvsdbClient.connect(servers.map(({ endpoint }) => endpoint).join(), {
      ...options,
      onConnection: ({ connected }) => {
        if (connected) wake()
      },
    })
    await action(client, servers, () => new Promise((resolve) => (wake = resolve)))
  } finally {
    await client?.close()
    for (const server of servers) await server.stop()
  }
}

/** The state of the database as `_Server` tells it, and an empty database. */
function clustered(state: { model?: string; connected?: boolean; leader?: boolean }): Behaviour {
  return welcoming({}, (message, peer) => {
    if (message.method === 'set_db_change_aware') peer.reply(message, {})
    else if (message.method === 'monitor_cond') {
      const row = { name: 'Open_vSwitch', model: 'clustered', ...state }
      peer.reply(message, { Database: { [DATABASE]: { initial: row } } })
    } else peer.reply(message, [{}])
  })
}

const accepting = clustered({ model: 'standalone' })
const hangingUp: Behaviour = (_message, peer) => peer.socket.destroy()

test('the first attempts to reconnect follow quickly, the later ones slowly', () => {
  const backoff = { firstMs: 50, maxMs: 2000 }
  const longest = Array.from({ length: 9 }, (_, attempt) => pauseMs(attempt, backoff, 1))
  assert.equal(longest, [0, 50, 100, 200, 400, 800, 1600, 2000, 2000])
  assert.is(pauseMs(3, backoff, 0), 100, 'at least half of it')
  assert.is(pauseMs(5000, backoff, 1), 2000)
})

test('of several servers the next is tried when one does not let the client in', async () => {
  await withClient([hangingUp, accepting], async (client, servers) => {
    await client.transact([comment('x')])
    assert.equal(
      servers.map(({ peers }) => peers.length),
      [1, 1],
    )
  })
})

test('when a connection is lost the next server has its turn, and what waits is carried out there', async () => {
  await withClient([accepting, accepting], async (client, servers) => {
    servers[0]?.peers[0]?.socket.destroy()
    while (client.connected) await new Promise((resolve) => setImmediate(resolve))
    await client.transact([comment('x')])
    assert.is(servers[1]?.peers[0]?.received.at(-1)?.method, 'transact')
  })
})

test('a server that is not in touch with its cluster, or does not lead it, is passed over', async () => {
  const servers = [
    clustered({ connected: false, leader: true }),
    clustered({ connected: true, leader: false }),
    clustered({ connected: true, leader: true }),
  ]
  const reached = (peers: readonly FakePeer[]) =>
    peers.some(({ received }) => received.some(({ method }) => method === 'transact'))
  for (const leaderOnly of [false, true]) {
    await withClient(
      servers,
      async (client, fakes) => {
        await client.transact([comment('x')])
        assert.is(
          fakes.findIndex(({ peers }) => reached(peers)),
          leaderOnly ? 2 : 1,
        )
      },
      { leaderOnly },
    )
  }
})

test('a server that comes to lead no more is left', async () => {
  const leads = clustered({ connected: true, leader: true })
  await withClient(
    [leads, leads],
    async (_client, servers, again) => {
      const reconnected = again()
      const updates = { Database: { [DATABASE]: { modify: { leader: false } } } }
      servers[0]?.peers[0]?.send({ id: null, method: 'update2', params: ['_Server', updates] })
      await reconnected
      assert.is(servers[1]?.peers.length, 1)
    },
    { leaderOnly: true },
  )
})

test('standalone servers, and those that know nothing of clusters, lead by themselves', async () => {
  const refusing = (error: string) =>
    welcoming({}, (message, peer) => {
      if (message.method === 'transact') peer.reply(message, [{}])
      else peer.reply(message, null, error)
    })
  for (const server of [
    clustered({ model: 'standalone' }),
    refusing('unknown method'),
    refusing('unknown database'),
  ]) {
    await withClient([server], async (client) => void (await client.transact([comment('x')])), {
      leaderOnly: true,
    })
  }
})

test('a server without the database is told from one that is away', async () => {
  const empty = welcoming({}, (message, peer) => peer.reply(message, {}))
  await withClient([accepting], async (_client, [server]) => {
    const other = await FakeServer.start(empty)
    const connecting = OvsdbClient.connect(other.endpoint, { leaderOnly: true })
    assert.match((await refusal(connecting, 'OVSDB_UNREACHABLE')).message, /no database Open_vSwitch/)
    await other.stop()
    assert.ok(server)
  })
})

test('from a server that remembers the last transaction only the difference comes', async () => {
  const asked: unknown[] = []
  const answers = [
    [false, TRANSACTION, { Bridge: { [BRIDGE]: { initial: { name: 'ovs0' } } } }],
    [true, TRANSACTION, { Bridge: { [BRIDGE]: { modify: { fail_mode: 'secure' } } } }],
    [false, ZERO, { Bridge: { [BRIDGE]: { initial: { name: 'ovs1' } } } }],
    [false, ZERO, {}],
  ]
  const behaviour: Behaviour = (message, peer) => {
    asked.push(message.params[3])
    peer.reply(message, answers[asked.length - 1])
  }
  await withClient([behaviour], async ({ replica }, [server], again) => {
    const anew = async () => {
      const reconnected = again()
      server?.peers.at(-1)?.socket.destroy()
      await reconnected
    }
    await anew()
    assert.equal(asked, [ZERO, TRANSACTION])
    assert.is(replica.byName('Bridge', 'ovs0')?.fail_mode, 'secure')

    const later = TRANSACTION.replaceAll('1', '2')
    const updates = { Bridge: { [BRIDGE]: { modify: { fail_mode: 'standalone' } } } }
    server?.peers.at(-1)?.send({ id: null, method: 'update3', params: ['ecdock-fast', later, updates] })
    await replica.until(() => replica.byName('Bridge', 'ovs0')?.fail_mode === 'standalone')
    await anew()
    assert.is(asked.at(-1), later)
    assert.is(replica.byName('Bridge', 'ovs0'), undefined, 'it had forgotten it, and told all')
    assert.ok(replica.byName('Bridge', 'ovs1'))
    await anew()
    assert.is(asked.at(-1), ZERO)
    assert.is(replica.count('Bridge'), 0)
  })
})

test('what still comes of a monitor that was cancelled is left alone', async () => {
  const behaviour = welcoming({}, (message, peer) => {
    if (message.method === 'monitor_cancel') {
      peer.send({ id: null, method: 'update3', params: [message.params[0], ZERO, { Mirror: {} }] })
    }
    peer.reply(message, message.method === 'transact' ? [{}] : {})
  })
  await withClient([behaviour], async (client) => {
    const monitor = await client.monitor({ Mirror: ['name'] })
    await monitor.cancel()
    await client.transact([comment('x')])
    assert.ok(client.connected)
  })
})

test('a monitor that the server takes no more ends, and the client goes on', async () => {
  let taken = true
  const behaviour: Behaviour = (message, peer) => {
    if (message.method === 'transact') peer.reply(message, [{}])
    else if (taken || message.params[1] === 'ecdock-fast') peer.reply(message, [false, ZERO, {}])
    else peer.reply(message, null, 'syntax error')
  }
  await withClient([behaviour], async (client, [server]) => {
    const monitor = await client.monitor({ Mirror: ['name'] })
    const waiting = refusal(
      monitor.replica.until(() => false),
      'OVSDB_REFUSED',
    )
    taken = false
    server?.peers[0]?.socket.destroy()
    assert.match((await waiting).message, /syntax error/)
    await client.transact([comment('x')])
  })
})

test('conditions need a server that knows them', async () => {
  const old: Behaviour = (message, peer) => {
    if (message.method === 'monitor') peer.reply(message, {})
    else peer.reply(message, null, 'unknown method')
  }
  await withClient([old], async (client) => {
    await client.monitor({ Mirror: ['name'] })
    await refusal(client.monitor({ Mirror: ['name'] }, { Mirror: [['name', '==', 'm0']] }), 'UNSUPPORTED')
    assert.ok(client.connected)
  })
})

test.run()
