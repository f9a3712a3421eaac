import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OvsdbClient } from '../../src/ovsdb/client.js'
import { comment } from '../../src/ovsdb/operations.js'
import { Replica } from '../../src/ovsdb/replica.js'
import { type FakePeer, FakeServer, welcoming } from '../support/ovsdb-fake.js'
import { refusal } from '../support/refusal.js'

const MIB = 1024 * 1024

/** Writes `chunk` again and again until `total` bytes are written or nobody takes them any more. */
function pour(peer: FakePeer, chunk: string | Buffer, total: number): void {
  const { socket } = peer
  const start = socket.bytesWritten
  const more = () => {
    while (!socket.destroyed && socket.bytesWritten - start < total && socket.write(chunk)) {}
  }
  socket.on('drain', more)
  more()
}

/** The error of a transaction that the server answers so, and the bytes that it could get rid of. */
async function afterPouring(
  head: string,
  chunk: string | Buffer,
  total: number,
): Promise<{ message: string; bytes: number }> {
  const server = await FakeServer.start(
    welcoming({}, (message, peer) => {
      if (message.method !== 'transact') return
      peer.socket.write(head)
      pour(peer, chunk, total)
    }),
  )
  const client = await OvsdbClient.connect(server.endpoint)
  try {
    const error = await refusal(client.transact([comment('x')]), 'OVSDB_PROTOCOL')
    return { message: error.message, bytes: server.peers[0]?.socket.bytesWritten ?? 0 }
  } finally {
    await client.close()
    await server.stop()
  }
}

test('of a message of 100 MiB without an end no more is held than the limit', async () => {
  const { message, bytes } = await afterPouring('{"id":1,"result":["', Buffer.alloc(MIB, 'x'), 100 * MIB)
  assert.match(message, /longer than 67108864 bytes/)
  assert.ok(bytes < 80 * MIB, `the client hung up after ${bytes} bytes`)
})

test('a message of small values, which take more memory than bytes, is cut off before it is parsed', async () => {
  const chunk = '[],'.repeat(100_000)
  const { message, bytes } = await afterPouring('{"id":1,"result":[', chunk, 60 * MIB)
  assert.match(message, /more than 8000000 values/)
  assert.ok(bytes < 40 * MIB, `the client hung up after ${bytes} bytes`)
})

test('more rows than any switch has are too many, whether they come at once or one by one', () => {
  const rows = (from: number, to: number) => {
    const uuids = Array.from({ length: to - from }, (_, index) => uuidOf(from + index))
    return { Port: Object.fromEntries(uuids.map((uuid) => [uuid, { insert: { name: uuid } }])) }
  }
  const expected = (error: Error) => /more than 100 rows/.test(error.message)
  const replica = new Replica({ Port: ['name'] }, 100)
  assert.throws(() => replica.replace('update2', rows(0, 101)), expected)
  replica.replace('update2', rows(0, 100))
  replica.apply('update2', rows(0, 100))
  assert.throws(() => replica.apply('update2', rows(100, 101)), expected)
})

function uuidOf(number: number): string {
  return `${number.toString(16).padStart(8, '0')}-0000-4000-8000-000000000000`
}

test('what a server says of locks and databases is checked', async () => {
  const answers: Record<string, unknown> = {
    lock: { locked: 'yes' },
    list_dbs: [1],
    get_schema: { tables: [] },
  }
  const server = await FakeServer.start(
    welcoming({}, (message, peer) => peer.reply(message, answers[message.method])),
  )
  const client = await OvsdbClient.connect(server.endpoint)
  try {
    for (const asked of [client.listDatabases(), client.getSchema(), client.lock('a')]) {
      assert.match((await refusal(asked, 'OVSDB_PROTOCOL')).message, /The OVSDB server (sent|answered)/)
    }
  } finally {
    await client.close()
    await server.stop()
  }
})

test.run()
