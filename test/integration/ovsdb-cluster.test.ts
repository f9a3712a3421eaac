import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { EcdockError } from '../../src/errors.js'
import { OvsdbClient, type OvsdbOptions } from '../../src/ovsdb/client.js'
import { update } from '../../src/ovsdb/operations.js'
import { leaderOf, type OvsdbServer, startCluster } from '../support/ovsdb-servers.js'

let directory: string
let servers: OvsdbServer[]

test.before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ecdock-raft-'))
  servers = await startCluster(directory, 3)
})

test.after(async () => {
  for (const server of servers) await server.kill()
  await rm(directory, { recursive: true })
})

const all = () => servers.map(({ endpoint }) => endpoint).join(',')

/** The leader comes last, so that the others are tried before. */
async function leaderLast(): Promise<{ leader: OvsdbServer; remotes: string }> {
  const leader = await leaderOf(servers)
  const followers = servers.filter((server) => server !== leader)
  return { leader, remotes: [...followers, leader].map(({ endpoint }) => endpoint).join(',') }
}

async function withClient(
  remotes: string,
  options: OvsdbOptions,
  action: (client: OvsdbClient, lost: () => Promise<EcdockError>) => Promise<void>,
): Promise<void> {
  const losses: EcdockError[] = []
  let wake = () => {}
  const client = await OvsdbClient.connect(remotes, {
    connectTimeoutMs: 20_000,
    ...options,
    onConnection: (event) => {
      if (!event.connected) losses.push(event.error)
      wake()
    },
  })
  try {
    await action(client, async () => {
      for (;;) {
        const loss = losses.shift()
        if (loss !== undefined) return loss
        await new Promise<void>((resolve) => (wake = resolve))
      }
    })
  } finally {
    await client.close()
  }
}

const note = (key: string, value: string) => update('Open_vSwitch', [], { external_ids: { [key]: value } })

test('any server of a cluster will do, unless the leader is asked for', async () => {
  await withClient(all(), {}, async (client) => {
    await client.transact([note('through', 'any')])
    assert.is(client.replica.root?.external_ids.get('through'), 'any')
  })
})

test('a follower is left for the leader where that is asked for', async () => {
  const { leader, remotes } = await leaderLast()
  await withClient(remotes, { leaderOnly: true }, async (client) => {
    await client.transact([note('through', 'the leader')])
    assert.match(await leader.appctl('cluster/status', 'Open_vSwitch'), /^Role: leader$/m)
  })
  const [follower] = servers.filter((server) => server !== leader)
  try {
    await OvsdbClient.connect(follower?.endpoint ?? '', { leaderOnly: true })
    assert.unreachable('it is a follower')
  } catch (error) {
    assert.instance(error, EcdockError)
    assert.is((error as EcdockError).code, 'OVSDB_UNREACHABLE')
    assert.match((error as EcdockError).message, /not the leader/)
  }
})

test('when the leader hands over, the client follows', async () => {
  const { leader, remotes } = await leaderLast()
  await withClient(remotes, { leaderOnly: true }, async (client, lost) => {
    await leader.appctl('cluster/failure-test', 'transfer-leadership')
    assert.match((await lost()).message, /not the leader/)
    await client.transact([note('after', 'the election')])
    assert.is(client.replica.root?.external_ids.get('after'), 'the election')
  })
})

test('when the leader is killed, what waits is carried out by the next', async () => {
  const { leader, remotes } = await leaderLast()
  await withClient(remotes, { leaderOnly: true }, async (client, lost) => {
    await leader.kill()
    await lost()
    await client.transact([note('after', 'the death')])
    assert.is(client.replica.root?.external_ids.get('after'), 'the death')
    await leader.start()
  })
})

test('a server that has lost its cluster is left, and the client waits until one has it again', async () => {
  const { leader } = await leaderLast()
  const followers = servers.filter((server) => server !== leader)
  const remotes = [leader, ...followers].map(({ endpoint }) => endpoint).join(',')
  await withClient(remotes, {}, async (client, lost) => {
    for (const server of followers) await server.kill()
    assert.match((await lost()).message, /not in touch with its cluster/)
    const waiting = client.transact([note('after', 'together again')])
    for (const server of followers) await server.start()
    await waiting
    assert.is(client.replica.root?.external_ids.get('after'), 'together again')
  })
})

test.run()
