import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { EcdockError } from '../../src/errors.js'
import { OvsdbClient } from '../../src/ovsdb/client.js'
import { GroupCommit, type GroupCommitOptions } from '../../src/ovsdb/group-commit.js'
import { comment, insert, mutate, type Operation } from '../../src/ovsdb/operations.js'
import { refusalOf } from '../../src/ovsdb/result.js'
import { named } from '../../src/ovsdb/value.js'
import { type FakePeer, type FakeRequest, FakeServer } from '../support/ovsdb-fake.js'

const ROOT = '00000000-0000-4000-8000-000000000001'
const ZERO = '00000000-0000-0000-0000-000000000000'

type Refusal = { at: number; error: string } | { commit: string } | { request: string }

/** A database that notes what each transaction inserts and comments, with an ovs-vswitchd behind it. */
class FakeDatabase {
  /** The comments, or names of inserted ports, of each transaction that was tried. */
  readonly tried: string[][] = []
  readonly cancelled: unknown[] = []
  readonly names: string[] = []
  /** False holds ovs-vswitchd back. */
  takesIn = true
  /** False leaves transactions unanswered. */
  answers = true
  refuse: (words: string[], operations: Operation[]) => Refusal | undefined = () => undefined
  #configuration = 0

  behave(message: FakeRequest, peer: FakePeer): void {
    if (message.method === 'monitor_cond_since') {
      const root = { next_cfg: this.#configuration, cur_cfg: this.#configuration }
      peer.reply(message, [false, ZERO, { Open_vSwitch: { [ROOT]: { initial: root } } }])
    } else if (message.method === 'transact') this.#transact(message, peer)
    else if (message.method === 'cancel') this.cancelled.push(message.params[0])
  }

  takeIn(peer: FakePeer | undefined): void {
    const modify = { next_cfg: this.#configuration, cur_cfg: this.#configuration }
    const updates = { Open_vSwitch: { [ROOT]: { modify } } }
    peer?.send({ id: null, method: 'update3', params: ['ecdock-fast', ZERO, updates] })
  }

  #transact(message: FakeRequest, peer: FakePeer): void {
    const operations = message.params.slice(1) as Operation[]
    const words = operations.flatMap(wordOf)
    this.tried.push(words)
    for (const { 'uuid-name': name } of operations) if (typeof name === 'string') this.names.push(name)
    if (!this.answers) return
    const refusal = this.refuse(words, operations)
    if (refusal === undefined) {
      this.#configuration++
      peer.reply(
        message,
        operations.map((operation) => this.#resultOf(operation)),
      )
      if (this.takesIn) this.takeIn(peer)
    } else if ('request' in refusal) {
      peer.reply(message, null, refusal.request)
    } else if ('at' in refusal) {
      const { at, error } = refusal
      peer.reply(
        message,
        operations.map((_, index) => (index < at ? {} : index === at ? { error } : null)),
      )
    } else {
      peer.reply(message, [...operations.map(() => ({})), { error: refusal.commit }])
    }
  }

  #resultOf(operation: Operation): unknown {
    if (operation.op === 'insert') return { uuid: ['uuid', ROOT] }
    if (operation.op !== 'select') return {}
    return { rows: [{ _uuid: ['uuid', ROOT], next_cfg: this.#configuration }] }
  }
}

function wordOf(operation: Operation): string[] {
  if (typeof operation.comment === 'string') return [operation.comment]
  if (operation.op === 'insert') return [(operation.row as { name: string }).name]
  return []
}

interface World {
  database: FakeDatabase
  server: FakeServer
  client: OvsdbClient
  group: GroupCommit
  /** Commits a comment. */
  say: (word: string, options?: { signal?: AbortSignal; timeoutMs?: number }) => Promise<unknown>
}

async function inWorld(action: (world: World) => Promise<void>, options?: GroupCommitOptions): Promise<void> {
  const database = new FakeDatabase()
  const server = await FakeServer.start((message, peer) => database.behave(message, peer))
  const client = await OvsdbClient.connect(server.endpoint)
  const group = new GroupCommit(client, options)
  try {
    await action({
      database,
      server,
      client,
      group,
      say: (word, limits) => group.commit(() => [comment(word)], limits),
    })
  } finally {
    await client.close()
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

/** Lets everything happen that the messages on their way set off. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

const refusing =
  (...bad: string[]) =>
  (words: string[]): Refusal | undefined => {
    const at = words.findIndex((word) => bad.includes(word))
    return at < 0 ? undefined : { at, error: 'constraint violation' }
  }

const refusingCommit =
  (...bad: string[]) =>
  (words: string[]): Refusal | undefined =>
    words.some((word) => bad.includes(word)) ? { commit: 'constraint violation' } : undefined

test('what is committed in one go is one transaction, and each hears the results of its own operations', async () => {
  await inWorld(async ({ database, group }) => {
    const results = await Promise.all([
      group.commit(() => [comment('a'), comment('b')]),
      group.commit((label) => [insert('Port', { name: 'c' }, `${label}x`)]),
      group.commit((label) => [insert('Port', { name: 'd' }, `${label}x`), comment('e')]),
    ])
    assert.equal(database.tried, [['a', 'b', 'c', 'd', 'e']])
    assert.equal(results, [[{}, {}], [{ uuid: ROOT }], [{ uuid: ROOT }, {}]])
    assert.is(new Set(database.names).size, 2, 'each has a label of its own')
  })
})

test('one goes out while another is taken in, and what arrives meanwhile goes into the next', async () => {
  await inWorld(async ({ database, server, say }) => {
    database.takesIn = false
    const words = [say('first')]
    await until(() => database.tried.length === 1)
    words.push(say('a'), say('b'))
    await until(() => database.tried.length === 2)
    words.push(say('c'))
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    words.push(say('d'))
    database.takesIn = true
    database.takeIn(server.peers[0])
    await Promise.all(words)
    assert.equal(database.tried, [['first'], ['a', 'b'], ['c', 'd']])
  })
})

test('no transaction has more than so many parts', async () => {
  await inWorld(
    async ({ database, say }) => {
      await Promise.all(['a', 'b', 'c', 'd', 'e'].map((word) => say(word)))
      assert.equal(database.tried, [['a', 'b'], ['c', 'd'], ['e']])
    },
    { maxParts: 2 },
  )
})

test('a part is built when its transaction is, and sees what the one before has done', async () => {
  await inWorld(async ({ database, client, group, say }) => {
    const first = say('first')
    await until(() => database.tried.length === 1)
    let seen: number | undefined
    await group.commit(() => {
      seen = client.replica.root?.cur_cfg
      return [comment('second')]
    })
    await first
    assert.is(seen, 1)
  })
})

test('what the building of a part throws is heard by its caller alone', async () => {
  await inWorld(async ({ database, group, say }) => {
    const broken = group.commit(() => {
      throw new EcdockError('SLOT_TAKEN', 'plug', 'there is one')
    })
    const [good, bad] = await Promise.all([say('good'), failure(broken)])
    assert.equal(good, [{}])
    assert.is(bad.code, 'SLOT_TAKEN')
    assert.equal(database.tried, [['good']])
  })
})

test('nothing to do is done without a transaction', async () => {
  await inWorld(async ({ database, group }) => {
    assert.equal(await group.commit(() => []), [])
    assert.equal(database.tried, [])
  })
})

test('when an operation is refused, its part alone hears it', async () => {
  await inWorld(async ({ database, group, say }) => {
    database.refuse = refusing('bad')
    const outcomes = await Promise.all([
      say('a'),
      failure(group.commit(() => [comment('fine'), comment('bad')])),
      say('b'),
    ])
    assert.equal([outcomes[0], outcomes[2]], [[{}], [{}]])
    assert.equal(refusalOf(outcomes[1]), { error: 'constraint violation', operation: 1 })
    assert.equal(database.tried, [
      ['a', 'fine', 'bad', 'b'],
      ['a', 'b'],
      ['fine', 'bad'],
    ])
  })
})

test('when the commit is refused, the part at fault is found by halves', async () => {
  await inWorld(async ({ database, say }) => {
    const words = Array.from({ length: 64 }, (_, index) => `w${index}`)
    database.refuse = refusingCommit('w37')
    const outcomes = await Promise.allSettled(words.map((word) => say(word)))
    for (const [index, { status }] of outcomes.entries()) {
      assert.is(status, index === 37 ? 'rejected' : 'fulfilled', `w${index}`)
    }
    assert.ok(database.tried.length <= 13, 'all, and two halves at each of six levels')
  })
})

test('several at fault hear it each, and everybody else is done once', async () => {
  for (const refuse of [refusing('w3', 'w4', 'w11'), refusingCommit('w3', 'w4', 'w11')]) {
    await inWorld(async ({ database, say }) => {
      const done: string[] = []
      database.refuse = (words) => {
        const refusal = refuse(words)
        if (refusal === undefined) done.push(...words)
        return refusal
      }
      const words = Array.from({ length: 16 }, (_, index) => `w${index}`)
      const outcomes = await Promise.allSettled(words.map((word) => say(word)))
      const refused = words.filter((_, index) => outcomes[index]?.status === 'rejected')
      assert.equal(refused, ['w3', 'w4', 'w11'])
      assert.equal(done.sort(), words.filter((word) => !refused.includes(word)).sort())
    })
  }
})

test('when one mutation of several is refused, the one at fault is found by halves', async () => {
  await inWorld(async ({ database, group }) => {
    database.refuse = (_, operations) => {
      const at = operations.findIndex((operation) => JSON.stringify(operation).includes('"bad"'))
      return at < 0 ? undefined : { at, error: 'constraint violation' }
    }
    const values = ['a', 'b', 'bad', 'c', 'd']
    const outcomes = await Promise.allSettled(
      values.map((value) =>
        group.commit(() => [
          comment(`for ${value}`),
          mutate('Bridge', [], { ports: { insert: [named(value)] } }),
        ]),
      ),
    )
    assert.equal(
      outcomes.map(({ status }) => status),
      values.map((value) => (value === 'bad' ? 'rejected' : 'fulfilled')),
    )
    const [, , bad] = outcomes
    assert.equal(refusalOf(bad?.status === 'rejected' && bad.reason), {
      error: 'constraint violation',
      operation: 1,
    })
    const [first] = outcomes
    assert.equal(first?.status === 'fulfilled' && first.value, [{}, {}])
  })
})

test('what was refused only because of another that is refused is done', async () => {
  await inWorld(async ({ database, say }) => {
    // The commit would refuse `bad`; but its work lets an operation of `good` fail before.
    database.refuse = (words) => {
      if (!words.includes('bad')) return undefined
      return words.includes('good') ? { at: words.indexOf('good'), error: 'timed out' } : { commit: 'no' }
    }
    const [bad, good] = await Promise.all([failure(say('bad')), say('good')])
    assert.is(refusalOf(bad)?.error, 'no')
    assert.equal(good, [{}])
  })
})

test('of two that exclude each other the first is done', async () => {
  await inWorld(async ({ database, say }) => {
    let taken = false
    database.refuse = (words) => {
      if (words.length + Number(taken) > 1) return { commit: 'constraint violation' }
      taken = true
      return undefined
    }
    const [first, second] = await Promise.allSettled([say('first'), say('second')])
    assert.equal([first?.status, second?.status], ['fulfilled', 'rejected'])
  })
})

test('what is nobody’s fault is told to all, and tried once', async () => {
  for (const refusal of [{ request: 'unknown database' }, { commit: 'I/O error' }, { at: 3, error: 'x' }]) {
    await inWorld(async ({ database, say }) => {
      database.refuse = () => refusal
      const errors = await Promise.all(['a', 'b', 'c'].map((word) => failure(say(word))))
      for (const error of errors) assert.is(error.code, 'OVSDB_REFUSED')
      assert.is(database.tried.length, 1)
    })
  }
})

test('what was in flight when the connection was lost is told so and not repeated; what waited goes out', async () => {
  await inWorld(async ({ database, server, say }) => {
    database.answers = false
    const inFlight = [failure(say('a')), failure(say('b'))]
    await until(() => database.tried.length === 1)
    const waiting = say('later')
    database.answers = true
    server.peers[0]?.socket.destroy()
    for (const error of await Promise.all(inFlight)) {
      assert.is(error.code, 'OVSDB_LOST')
      assert.match(error.hint ?? '', /may or may not have been done/)
    }
    assert.equal(await waiting, [{}])
    assert.equal(database.tried, [['a', 'b'], ['later']])
  })
})

test('all that waits for a connection goes out together', async () => {
  await inWorld(async ({ database, server, client, say }) => {
    server.peers[0]?.socket.destroy()
    await until(() => !client.connected)
    const first = say('a')
    await new Promise((resolve) => setImmediate(resolve))
    await Promise.all([first, say('b'), say('c')])
    assert.equal(database.tried, [['a', 'b', 'c']])
  })
})

test('without a server a part gives up when its own time is over', async () => {
  await inWorld(async ({ database, server, client, say }) => {
    await server.stop()
    await until(() => !client.connected)
    assert.is((await failure(say('a', { timeoutMs: 20 }))).code, 'OVSDB_UNREACHABLE')
    assert.equal(database.tried, [])
  })
})

test('the error of a time limit says how far the change had come', async () => {
  await inWorld(async ({ database, say }) => {
    database.takesIn = false
    const committed = failure(say('committed', { timeoutMs: 200 }))
    await until(() => database.tried.length === 1)
    const next = failure(say('next', { timeoutMs: 200 }))
    await until(() => database.tried.length === 2)
    const waiting = await failure(say('waiting', { timeoutMs: 20 }))
    assert.is(waiting.code, 'TIMEOUT')
    assert.match(waiting.message, /was not sent/)
    for (const { message } of await Promise.all([committed, next])) {
      assert.match(message, /ovs-vswitchd has not taken it in/)
    }

    database.answers = false
    assert.match((await failure(say('unheard', { timeoutMs: 20 }))).message, /did not answer/)
    assert.equal(database.tried, [['committed'], ['next'], ['unheard']])
  })
})

test('a part that waits can be cancelled and is not sent', async () => {
  await inWorld(async ({ database, server, group, say }) => {
    database.takesIn = false
    const first = say('first')
    await until(() => database.tried.length === 1)
    const second = say('second')
    await until(() => database.tried.length === 2)
    const cancel = new AbortController()
    const [regretted, kept] = [failure(say('regretted', { signal: cancel.signal })), say('kept')]
    assert.is(group.waiting, 2)
    cancel.abort()
    assert.is(group.waiting, 1)
    assert.is((await regretted).code, 'CANCELLED')
    database.takesIn = true
    database.takeIn(server.peers[0])
    await Promise.all([first, second, kept])
    assert.equal(database.tried, [['first'], ['second'], ['kept']])
    assert.is((await failure(say('late', { signal: cancel.signal }))).code, 'CANCELLED')
  })
})

test('who is cancelled in flight hears it at once, and the others go on', async () => {
  await inWorld(async ({ database, server, say }) => {
    database.takesIn = false
    const cancel = new AbortController()
    const [regretted, kept] = [failure(say('regretted', { signal: cancel.signal })), say('kept')]
    await until(() => database.tried.length === 1)
    cancel.abort()
    assert.is((await regretted).code, 'CANCELLED')
    database.takeIn(server.peers[0])
    assert.equal(await kept, [{}])
    assert.equal(database.cancelled, [])
  })
})

test('when all in flight are cancelled, the server is told and the next go at once', async () => {
  await inWorld(async ({ database, say }) => {
    database.answers = false
    const cancel = new AbortController()
    const regretted = ['a', 'b'].map((word) => failure(say(word, { signal: cancel.signal })))
    await until(() => database.tried.length === 1)
    database.answers = true
    const next = say('next')
    cancel.abort()
    for (const error of await Promise.all(regretted)) assert.is(error.code, 'CANCELLED')
    assert.equal(await next, [{}])
    assert.is(database.cancelled.length, 1)
  })
})

test('closing the client ends what is in flight and what waits', async () => {
  await inWorld(async ({ database, client, say }) => {
    database.answers = false
    const inFlight = failure(say('in flight'))
    await until(() => database.tried.length === 1)
    const waiting = failure(say('waiting'))
    await client.close()
    assert.is((await inFlight).code, 'CANCELLED')
    assert.is((await waiting).code, 'CANCELLED')
    assert.is((await failure(say('late'))).code, 'CANCELLED')
  })
})

test.run()
