import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { EcdockError } from '../../src/errors.js'
import { OvsdbClient } from '../../src/ovsdb/client.js'
import type { TlsOptions } from '../../src/ovsdb/dial.js'
import { insert } from '../../src/ovsdb/operations.js'
import { Authority, createDatabase, OvsdbServer } from '../support/ovsdb-servers.js'

/** The network namespace is the test's own, and so is every port. */
const ENDPOINT = 'ssl:127.0.0.1:6640'

let directory: string
let server: OvsdbServer
let trusted: TlsOptions
let stranger: TlsOptions

async function tlsOptions(authority: Authority, name: string, ca = authority): Promise<TlsOptions> {
  const { key, cert } = await authority.issue(name)
  return { ca: await readFile(ca.certificate), key: await readFile(key), cert: await readFile(cert) }
}

test.before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ecdock-tls-'))
  const ours = await Authority.create(directory, 'ours')
  const other = await Authority.create(directory, 'other')
  trusted = await tlsOptions(ours, 'client')
  stranger = await tlsOptions(other, 'stranger', ours)
  const { key, cert } = await ours.issue('ovs.example')
  server = new OvsdbServer(directory, 'tls', [
    '--remote=pssl:6640:127.0.0.1',
    `--private-key=${key}`,
    `--certificate=${cert}`,
    `--ca-cert=${ours.certificate}`,
  ])
  await createDatabase(server)
  await server.start()
})

test.after(async () => {
  await server.kill()
  await rm(directory, { recursive: true })
})

async function failure(action: Promise<unknown>): Promise<EcdockError> {
  try {
    await action
  } catch (error) {
    assert.instance(error, EcdockError)
    return error as EcdockError
  }
  throw new Error('it should have failed')
}

test('a server that speaks TLS is spoken to by TLS, also after it was restarted', async () => {
  const client = await OvsdbClient.connect(ENDPOINT, { tls: trusted })
  try {
    await client.transact([insert('Open_vSwitch', { external_ids: { by: 'TLS' } })])
    assert.is(client.replica.root?.external_ids.get('by'), 'TLS')
    await server.kill()
    await server.start()
    await client.transact([])
    assert.is(client.replica.root?.external_ids.get('by'), 'TLS')
  } finally {
    await client.close()
  }
})

test('the certificate has to be for the name that is asked for, when one is', async () => {
  const named = (serverName: string) => OvsdbClient.connect(ENDPOINT, { tls: { ...trusted, serverName } })
  await (await named('ovs.example')).close()
  const error = await failure(named('elsewhere.example'))
  assert.is(error.code, 'OVSDB_UNREACHABLE')
  assert.match(error.message, /elsewhere\.example/)
})

test('a server that somebody else has signed is not trusted', async () => {
  const error = await failure(OvsdbClient.connect(ENDPOINT, { tls: { ...trusted, ca: stranger.cert ?? '' } }))
  assert.is(error.code, 'OVSDB_UNREACHABLE')
  assert.match(error.hint ?? '', /certificate/)
})

test('a client that somebody else has signed, or nobody, is not let in', async () => {
  for (const tls of [stranger, { ca: trusted.ca }]) {
    const error = await failure(OvsdbClient.connect(ENDPOINT, { tls }))
    assert.ok(['OVSDB_UNREACHABLE', 'OVSDB_LOST'].includes(error.code), error.message)
  }
})

test('without certificates, or with a broken one, nothing is tried', async () => {
  assert.is((await failure(OvsdbClient.connect(ENDPOINT))).code, 'USAGE')
  const broken = { ...trusted, cert: 'nonsense' }
  assert.is((await failure(OvsdbClient.connect(ENDPOINT, { tls: broken }))).code, 'USAGE')
})

test('a server that does not speak TLS is refused', async () => {
  const plain = new OvsdbServer(directory, 'plain', ['--remote=ptcp:6641:127.0.0.1'])
  await createDatabase(plain)
  await plain.start()
  try {
    const connecting = OvsdbClient.connect('ssl:127.0.0.1:6641', { tls: trusted, connectTimeoutMs: 1000 })
    assert.is((await failure(connecting)).code, 'OVSDB_UNREACHABLE')
  } finally {
    await plain.kill()
  }
})

test.run()
