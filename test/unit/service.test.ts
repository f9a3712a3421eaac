import { once } from 'node:events'
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EcdockError } from '../../src/errors.js'
import { Daemon, type DaemonOptions } from '../../src/service/daemon.js'
import { openServiceLog, parseLogFormat } from '../../src/service/log.js'
import { FakeFabric, silentLog } from '../support/driver-fake.js'
import { PluginClient } from '../support/plugin-client.js'
import { refusal, refuses } from '../support/refusal.js'

const NETWORK = 'a'.repeat(64)
const ENDPOINT = 'b'.repeat(64)
const TYPE = 'application/vnd.docker.plugins.v1.2+json'

const test = suite('the service, on a fabric that is none')

let directory: string
let fabric: FakeFabric

test.before.each(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ecdock-service-'))
  fabric = new FakeFabric()
})

test.after.each(async () => {
  await rm(directory, { recursive: true })
})

test('it activates, tells what it can, and nobody but root may speak to it', async () => {
  await withDaemon(async ({ vde, ipam }) => {
    for (const [client, ...kinds] of [
      [vde, 'NetworkDriver', 'IpamDriver'],
      [ipam, 'IpamDriver'],
    ] as const) {
      const answer = await client.post('/Plugin.Activate')
      assert.equal([answer.status, answer.contentType, answer.body], [200, TYPE, { Implements: kinds }])
    }
    const scopes = { Scope: 'local', ConnectivityScope: 'local' }
    assert.equal(await vde.call('NetworkDriver.GetCapabilities'), scopes)
    const capabilities = { RequiresMACAddress: false, RequiresRequestReplay: false }
    assert.equal(await ipam.call('IpamDriver.GetCapabilities'), capabilities)
    const spaces = { LocalDefaultAddressSpace: 'vde-local', GlobalDefaultAddressSpace: 'vde-global' }
    assert.equal(await ipam.call('IpamDriver.GetDefaultAddressSpaces'), spaces)
    for (const name of ['vde.sock', 'vde-ipam.sock']) {
      assert.is((await stat(join(directory, 'plugins', name))).mode & 0o777, 0o600)
    }
  })
  assert.equal(await readdir(join(directory, 'plugins')), [], 'the sockets are taken away')
})

test('what is refused is told in whole sentences', async () => {
  fabric.open = async () => {
    throw new EcdockError('VDE_UNREACHABLE', 'test', 'No switch answers.', { hint: 'Start one.' })
  }
  await withDaemon(async ({ vde }) => {
    const { status, body } = await vde.post('/NetworkDriver.CreateNetwork', JSON.stringify(network()))
    assert.equal(
      [status, body],
      [500, { Err: 'No switch answers. Start one.', Error: 'No switch answers. Start one.' }],
    )
  })
})

test('a network, an endpoint and an address come and go, and a restart in between is not noticed', async () => {
  let pool = ''
  await withDaemon(async ({ vde, ipam }) => {
    const given = await ipam.call('IpamDriver.RequestPool', {
      Pool: '10.0.0.0/24',
      SubPool: '',
      Options: null,
      V6: false,
    })
    pool = String(given.PoolID)
    assert.equal(await ipam.call('IpamDriver.RequestAddress', { PoolID: pool, Address: '', Options: null }), {
      Address: '10.0.0.1/24',
      Data: {},
    })
    assert.equal(await vde.call('NetworkDriver.CreateNetwork', network()), {})
    const made = await vde.call('NetworkDriver.CreateEndpoint', endpoint())
    assert.equal(made, { Interface: { MacAddress: '52:00:0a:00:00:01' } })
  })
  await withDaemon(async ({ vde, ipam }) => {
    const joined = await vde.call('NetworkDriver.Join', { ...ids(), SandboxKey: '/x', Options: {} })
    assert.equal(joined.InterfaceName, { SrcName: `vde${'b'.repeat(12)}`, DstPrefix: 'eth' })
    const next = await ipam.call('IpamDriver.RequestAddress', { PoolID: pool, Address: '', Options: null })
    assert.is(next.Address, '10.0.0.2/24')
    for (const method of [
      'ProgramExternalConnectivity',
      'RevokeExternalConnectivity',
      'DiscoverNew',
      'DiscoverDelete',
    ]) {
      assert.equal(await vde.call(`NetworkDriver.${method}`, ids()), {})
    }
    assert.equal(await vde.call('NetworkDriver.Leave', ids()), {})
    assert.equal(await vde.call('NetworkDriver.DeleteEndpoint', ids()), {})
    assert.equal(await vde.call('NetworkDriver.DeleteNetwork', ids()), {})
    assert.equal(await ipam.call('IpamDriver.ReleaseAddress', { PoolID: pool, Address: '10.0.0.1' }), {})
    assert.equal(await ipam.call('IpamDriver.ReleasePool', { PoolID: pool }), {})
  })
  assert.is(fabric.taps.size + fabric.switches.size, 0)
  for (const kind of ['networks', 'endpoints', 'pools']) {
    assert.equal(await readdir(join(directory, 'state', kind)), [])
  }
})

test('a refusal is said so that both sides of Docker understand it, with what to do', async () => {
  await withDaemon(async ({ vde }) => {
    const { status, contentType, body } = await vde.post('/NetworkDriver.Join', {
      ...ids(),
      SandboxKey: '/x',
    })
    assert.equal([status, contentType, body.Err === body.Error], [500, TYPE, true])
    assert.match(String(body.Err), /there is no network aaaaaaaaaaaa of the driver vde.*docker network rm/)
    const swarm = await vde.post('/NetworkDriver.AllocateNetwork', { NetworkID: NETWORK })
    assert.match(String(swarm.body.Err), 'of one machine only')
  })
})

test('what is no request is refused, and the service goes on', async () => {
  await withDaemon(async ({ vde, ipam }) => {
    const statusOf = async (body: object | string | undefined) => {
      const answer = await vde.post('/NetworkDriver.CreateNetwork', body)
      assert.type(answer.body.Err, 'string')
      assert.is(answer.contentType, TYPE)
      return answer.status
    }
    assert.is(await statusOf(undefined), 500, 'an empty body')
    for (const text of [
      '{',
      'null',
      '[]',
      '7',
      '"x"',
      '{"__proto__":{}}',
      '{"NetworkID":"../x"}',
      '\u0000',
    ]) {
      assert.ok((await statusOf(text)) >= 400, text)
    }
    assert.ok((await statusOf('['.repeat(500_000))) >= 400)
    assert.is(await statusOf(`"${'x'.repeat(2 * 1024 * 1024)}"`).catch(() => 413), 413)
    for (const [method, path] of [
      ['POST', '/NetworkDriver.Nothing'],
      ['POST', '/NetworkDriver.Join'],
      ['GET', '/Plugin.Activate'],
      ['POST', '/'],
    ] as const) {
      const answer = await ipam.request(method, path, '', {})
      assert.equal([answer.status, answer.contentType, typeof answer.body.Err], [404, TYPE, 'string'])
    }
    const body = JSON.stringify({ PoolID: 'x', Address: '' })
    const typed = await ipam.request('POST', '/IpamDriver.ReleaseAddress', body, {
      'content-type': 'text/html',
    })
    assert.match(String(typed.body.Error), 'is not an IP address')
    const methods = ['NetworkDriver.CreateEndpoint', 'NetworkDriver.Join', 'NetworkDriver.Leave']
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...methods), fc.json(), async (method, text) => {
        const answer = await vde.post(`/${method}`, text)
        assert.ok(answer.status >= 400 && typeof answer.body.Err === 'string', `${method} ${text}`)
      }),
      { numRuns: 50 },
    )
    assert.is((await vde.post('/Plugin.Activate')).status, 200)
  })
})

test('a connection may be idle for longer than other servers keep it', async () => {
  await withDaemon(async ({ vde }) => {
    const { headers } = await vde.post('/Plugin.Activate')
    assert.is(headers['keep-alive'], undefined, 'no end of its patience is announced')
    const sockets = () => Object.values(vde.agent.freeSockets).flatMap((free) => free ?? [])
    const [socket] = sockets()
    let closed = false
    socket?.once('close', () => {
      closed = true
    })
    // Node's own limit is 5 s.
    await new Promise((resolve) => setTimeout(resolve, 6500))
    assert.is(closed, false)
    assert.is((await vde.post('/Plugin.Activate')).status, 200)
    assert.is(sockets()[0], socket)
  })
})

test('a method that takes too long is answered, and what it did is undone', async () => {
  let release = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  fabric.plug = async (_network, endpoint) => {
    await held
    fabric.taps.set(endpoint.tap, endpoint)
  }
  await withDaemon(
    async ({ vde }) => {
      await vde.call('NetworkDriver.CreateNetwork', network())
      const late = await vde.post('/NetworkDriver.CreateEndpoint', endpoint())
      assert.equal([late.status, /takes longer than 2000 ms/.test(String(late.body.Err))], [500, true])
      release()
    },
    // Long enough for a network on a busy machine.
    { timeLimitMs: 2000 },
  )
  assert.is(fabric.taps.size, 0)
})

test('requests wait until the networks that there were are there again', async () => {
  await withDaemon(({ vde }) => vde.call('NetworkDriver.CreateNetwork', network()))
  const { resume } = fabric
  let early: Promise<Record<string, unknown>> | undefined
  fabric.resume = async (record) => {
    const vde = new PluginClient(join(directory, 'plugins', 'vde.sock'))
    early = vde.call('NetworkDriver.CreateEndpoint', endpoint()).finally(() => vde.close())
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.is(fabric.taps.size, 0)
    await resume.call(fabric, record)
  }
  await withDaemon(async () => {
    await early
    assert.is(fabric.taps.size, 1)
  })
})

test('a second daemon is refused, and takes nothing away from the first', async () => {
  await withDaemon(async ({ vde }) => {
    const { message, hint } = await refusal(Daemon.start(options()), 'DAEMON_RUNNING')
    assert.match(message, 'another process listens on')
    assert.match(hint ?? '', 'docker-vde-plugin')
    assert.is((await vde.post('/Plugin.Activate')).status, 200)
  })
})

test('a socket whose process is gone is no obstacle; a file is', async () => {
  const path = join(directory, 'plugins', 'vde.sock')
  await withDaemon(async () => {})
  await leaveStaleSocket(path)
  await withDaemon(async ({ vde }) => {
    assert.is((await vde.post('/Plugin.Activate')).status, 200)
  })
  await writeFile(path, 'precious')
  assert.match((await refusal(Daemon.start(options()), 'USAGE')).message, 'is not a socket')
  assert.is((await stat(path)).size, 8)
})

test('records that cannot be used are named, and the others are', async () => {
  await withDaemon(({ vde }) => vde.call('NetworkDriver.CreateNetwork', network()))
  await writeFile(join(directory, 'state', 'networks', `${'c'.repeat(64)}.json`), '{"version":1')
  const named: object[] = []
  const log = { ...silentLog, error: (fields: object) => named.push(fields) }
  await withDaemon(
    async ({ vde }) => {
      assert.equal([named.length, /ccc\.json/.test(JSON.stringify(named))], [1, true])
      await vde.call('NetworkDriver.CreateEndpoint', endpoint())
    },
    { log },
  )
})

test('a state directory that cannot be is refused', async () => {
  await writeFile(join(directory, 'state'), '')
  const { message } = await refusal(Daemon.start(options()), 'INTERNAL').catch((error) => error)
  assert.type(message, 'string')
  await rm(join(directory, 'state'))
  assert.equal(await readdir(join(directory, 'plugins')), [])
})

test('the log is JSON, or text for people', async () => {
  assert.equal(['json', 'text', 'logger:stderr', 'logger:stderr?json=true'].map(parseLogFormat), [
    'json',
    'text',
    'text',
    'json',
  ])
  refuses('USAGE', /no format of the log/, () => parseLogFormat('logger:syslog?appname=x'))
  const lines = (format: 'json' | 'text') => {
    const stream = new PassThrough()
    const log = openServiceLog('info', format, stream)
    log.info({ method: 'NetworkDriver.Join', ms: 1.5, err: new Error('two words') }, 'refused')
    log.debug('not this')
    return String(stream.read())
  }
  assert.is(JSON.parse(lines('json')).msg, 'refused')
  assert.match(
    lines('text'),
    /^\d{4}-.*Z info {2}refused method=NetworkDriver.Join ms=1.5 err="two words"\n$/,
  )
})

function options(more: Partial<DaemonOptions> = {}): DaemonOptions {
  return {
    pluginDir: join(directory, 'plugins'),
    socketRoot: join(directory, 'sockets'),
    stateDir: join(directory, 'state'),
    log: silentLog,
    fabric: async () => fabric,
    ...more,
  }
}

async function withDaemon(
  body: (clients: { vde: PluginClient; ipam: PluginClient }) => Promise<unknown>,
  more: Partial<DaemonOptions> = {},
): Promise<void> {
  const daemon = await Daemon.start(options(more))
  const vde = new PluginClient(join(directory, 'plugins', 'vde.sock'))
  const ipam = new PluginClient(join(directory, 'plugins', 'vde-ipam.sock'))
  try {
    await body({ vde, ipam })
  } finally {
    await daemon.close()
    vde.close()
    ipam.close()
  }
}

/** As a process leaves it that is killed: a name that nobody listens to. */
async function leaveStaleSocket(path: string): Promise<void> {
  const hidden = `${path}.moved`
  const server = net.createServer()
  server.listen(hidden)
  await once(server, 'listening')
  const { rename } = await import('node:fs/promises')
  await rename(hidden, path)
  server.close()
  await once(server, 'close')
  await chmod(path, 0o600)
}

function ids() {
  return { NetworkID: NETWORK, EndpointID: ENDPOINT }
}

function network() {
  const subnet = { AddressSpace: 'x', Pool: '10.0.0.0/24', Gateway: '10.0.0.254/24', AuxAddresses: {} }
  return { NetworkID: NETWORK, Options: null, IPv4Data: [subnet], IPv6Data: null }
}

function endpoint() {
  return { ...ids(), Interface: { Address: '10.0.0.1/24', AddressIPv6: '', MacAddress: '' }, Options: {} }
}

test.run()
