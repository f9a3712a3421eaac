import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { EcdockError } from '../../src/errors.js'
import { OvsdbClient, type OvsdbOptions } from '../../src/ovsdb/client.js'
import { comment, insert, mutate, update, wait } from '../../src/ovsdb/operations.js'
import { named } from '../../src/ovsdb/value.js'
import { type PrivateOvs, startOvs } from '../support/ovs.js'

let ovs: PrivateOvs

test.before(async () => {
  ovs = await startOvs({ vswitchd: false })
})

test.after(async () => {
  await ovs.stop()
})

/** A client that is closed when `action` is through, and the events of its connection. */
async function withClient(
  options: OvsdbOptions,
  action: (client: OvsdbClient, event: () => Promise<EcdockError | undefined>) => Promise<void>,
): Promise<void> {
  const events: (EcdockError | undefined)[] = []
  let wake = () => {}
  const onConnection: OvsdbOptions['onConnection'] = (event) => {
    events.push(event.connected ? undefined : event.error)
    wake()
  }
  const client = await OvsdbClient.connect(ovs.ovsdb, { ...options, onConnection })
  try {
    await action(client, async () => {
      if (events.length === 0) await new Promise<void>((resolve) => (wake = resolve))
      return events.shift()
    })
  } finally {
    await client.close()
  }
}

const forever = () => wait('Open_vSwitch', [], '==', ['next_cfg'], [{ next_cfg: -1 }], 60_000)

function addBridge(name: string) {
  return [
    insert('Interface', { name }, 'iface'),
    insert('Port', { name, interfaces: [named('iface')] }, 'port'),
    insert('Bridge', { name, ports: [named('port')] }, 'bridge'),
    mutate('Open_vSwitch', [], { bridges: { insert: [named('bridge')] } }),
  ]
}

async function codeOf(action: Promise<unknown>): Promise<string> {
  try {
    await action
    return 'none'
  } catch (error) {
    return (error as EcdockError).code
  }
}

test('when the server is killed, what is in flight fails, and the client comes back by itself', async () => {
  await withClient({}, async (client, event) => {
    await client.transact(addBridge('stays'))
    const inFlight = [codeOf(client.transact([forever()])), codeOf(client.transact([forever()]))]
    await client.transact([comment('the server has got the two before')])
    await ovs.killServer()
    assert.equal(await Promise.all(inFlight), ['OVSDB_LOST', 'OVSDB_LOST'])
    assert.is((await event())?.code, 'OVSDB_LOST')
    assert.not(client.connected)
    assert.ok(client.replica.byName('Bridge', 'stays'), 'the last that was known is still there')

    // Asked while the server is away, carried out when it is back.
    const patient = client.transact([
      update('Bridge', [['name', '==', 'stays']], { external_ids: { a: 'b' } }),
    ])
    await ovs.startServer()
    await patient
    assert.is(await event(), undefined)
    assert.ok(client.connected)
    assert.is(client.replica.byName('Bridge', 'stays')?.external_ids.get('a'), 'b')
  })
})

test('what happened while the connection was away is in the replica afterwards', async () => {
  await withClient({}, async (client, event) => {
    await client.transact(addBridge('goes'))
    await ovs.killServer()
    await event()
    await ovs.startServer()
    await ovs.vsctl('--no-wait', 'del-br', 'goes', '--', 'add-br', 'comes')
    const bridge = await client.replica.until((replica) => {
      return replica.byName('Bridge', 'goes') === undefined && replica.byName('Bridge', 'comes')
    })
    assert.is(client.replica.get('Bridge', bridge.uuid), bridge)
    assert.is(client.replica.root?.bridges.has(bridge.uuid), true)
  })
})

test('without a server a transaction gives up in time', async () => {
  await withClient({}, async (client, event) => {
    await ovs.killServer()
    await event()
    assert.is(await codeOf(client.transact([], { timeoutMs: 50 })), 'OVSDB_UNREACHABLE')
    const cancel = new AbortController()
    const waiting = codeOf(client.transact([], { signal: cancel.signal }))
    cancel.abort()
    assert.is(await waiting, 'CANCELLED')
    await ovs.startServer()
  })
})

test('a server that stops answering without hanging up is noticed', async () => {
  await withClient({ probeIntervalMs: 30 }, async (client, event) => {
    const pid = ovs.serverPid
    assert.ok(pid)
    process.kill(pid, 'SIGSTOP')
    try {
      assert.is(await codeOf(client.transact([forever()])), 'OVSDB_LOST')
      assert.match((await event())?.message ?? '', /stopped answering/)
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    assert.is(await event(), undefined)
    await client.transact([])
  })
})

test('closing ends all waits, also while the server is away', async () => {
  await withClient({}, async (client) => {
    const inFlight = [codeOf(client.transact([forever()])), codeOf(client.replica.until(() => false))]
    await client.transact([comment('the server has got the one before')])
    await client.close()
    assert.equal(await Promise.all(inFlight), ['CANCELLED', 'CANCELLED'])
    assert.is(await codeOf(client.transact([])), 'CANCELLED')
    await client.close()
  })
  await withClient({}, async (client, event) => {
    await ovs.killServer()
    await event()
    const waiting = codeOf(client.transact([]))
    await client.close()
    assert.is(await waiting, 'CANCELLED')
    await ovs.startServer()
  })
})

test.run()
