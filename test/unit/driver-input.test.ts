import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readNetworkOptions } from '../../src/driver/network-options.js'
import { networkRecord } from '../../src/driver/network-record.js'
import { readRequest } from '../../src/driver/protocol/fields.js'
import { requestAddressSchema, requestPoolSchema } from '../../src/driver/protocol/ipam.js'
import { createEndpointSchema, createNetworkSchema, joinSchema } from '../../src/driver/protocol/network.js'
import { FileStore } from '../../src/driver/record-store.js'
import { networkRecordSchema, type PoolRecord, poolRecordSchema } from '../../src/driver/records.js'
import { EcdockError } from '../../src/errors.js'
import { refuses } from '../support/refusal.js'

const ID = 'a'.repeat(64)
const read = (options: object) => readNetworkOptions({ 'com.docker.network.generic': options })

test("docker-vde-plugin's options are understood, with its defaults", () => {
  assert.equal(readNetworkOptions(undefined), {
    socketDir: undefined,
    createSockets: false,
    managementSocket: undefined,
    socketGroup: undefined,
    ports: 32,
    mtu: undefined,
  })
  const all = {
    socket_dir: '/home/will/mynetwork/',
    create_sockets: 'true',
    management_socket: '/home/will/my.mgmt',
    socket_group: 'will',
    num_switchports: '128',
    mtu: '9000',
    'com.example.label': 'of somebody else',
  }
  assert.equal(read(all), {
    socketDir: '/home/will/mynetwork',
    createSockets: true,
    managementSocket: '/home/will/my.mgmt',
    socketGroup: 'will',
    ports: 128,
    mtu: 9000,
  })
  assert.is(read({ 'com.docker.network.driver.mtu': 1400 }).mtu, 1400)
})

test('options that cannot be are refused, and the error says which may be', () => {
  const wrong: [object, RegExp][] = [
    [{ socket_dri: '/x' }, /no option "socket_dri"/],
    [{ constructor: '/x' }, /no option "constructor"/],
    [{ socket_dir: 'mynetwork' }, /socket_dir is "mynetwork", which is no absolute path/],
    [{ socket_dir: '/' }, /is the root directory/],
    [{ socket_dir: `/${'x'.repeat(90)}` }, /has 91 bytes, and the path of a socket has room for 90/],
    [{ socket_dir: '/x\n' }, /control characters/],
    [{ socket_dir: {} }, /is no text/],
    [{ management_socket: '/x' }, /without socket_dir/],
    [{ socket_dir: '/x', management_socket: '/x/mgmt' }, /lies in socket_dir/],
    [{ socket_dir: '/x', socket_group: 'will' }, /no use with an existing switch/],
    [{ socket_group: '../x' }, /no group's name/],
    [{ create_sockets: 'maybe' }, /create_sockets is "maybe"/],
    [{ num_switchports: '0' }, /num_switchports is "0"/],
    [{ num_switchports: '1e3' }, /num_switchports is "1e3"/],
    [{ mtu: '9199' }, /mtu is "9199"/],
    [{ mtu: '67' }, /mtu is "67"/],
  ]
  for (const [options, words] of wrong)
    assert.type(refuses('USAGE', words, () => read(options)).hint, 'string')
  refuses('USAGE', /does not hold options/, () => readNetworkOptions({ 'com.docker.network.generic': 'x' }))
})

test('any options come to a record that can be read back, or to an error with a code', () => {
  const names = [
    'socket_dir',
    'create_sockets',
    'management_socket',
    'socket_group',
    'num_switchports',
    'mtu',
  ]
  const options = fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string()), fc.anything())
  fc.assert(
    fc.property(options, (said) => {
      const Options = { 'com.docker.network.generic': said }
      try {
        const record = networkRecord({ NetworkID: ID, Options, IPv4Data: [], IPv6Data: undefined }, '/run/x')
        assert.equal(networkRecordSchema.parse(record), record)
      } catch (error) {
        if (!(error instanceof EcdockError)) throw error
      }
    }),
  )
})

test('requests are what Docker sends, null and all', () => {
  const request = readRequest(createNetworkSchema, 'NetworkDriver.CreateNetwork', {
    NetworkID: ID,
    Options: null,
    IPv4Data: [{ AddressSpace: 'LocalDefault', Pool: '10.0.0.0/24', Gateway: '', AuxAddresses: null }],
    IPv6Data: null,
  })
  assert.equal(request.IPv4Data, [{ Pool: '10.0.0.0/24', Gateway: undefined }])
  assert.equal([request.Options, request.IPv6Data], [undefined, undefined])
  const pool = { AddressSpace: '', Pool: '', SubPool: '', Options: {}, V6: false }
  assert.is(readRequest(requestPoolSchema, 'x', pool).Pool, undefined)
})

test('requests that are none are refused, and the error says where', () => {
  const wrong: [unknown, RegExp][] = [
    [undefined, /the request/],
    [null, /the request/],
    [[], /the request/],
    [{}, /NetworkID/],
    [{ NetworkID: '../../etc/passwd', EndpointID: ID }, /NetworkID: is not an id/],
    [{ NetworkID: ID, EndpointID: 7 }, /EndpointID/],
    [{ NetworkID: ID, EndpointID: ID, Interface: { Address: 'x'.repeat(5000) } }, /Interface\.Address/],
    [{ NetworkID: ID, EndpointID: ID, Options: [1] }, /Options/],
  ]
  for (const [body, words] of wrong) {
    refuses('USAGE', words, () => readRequest(createEndpointSchema, 'NetworkDriver.CreateEndpoint', body))
  }
  const join = { NetworkID: ID, EndpointID: ID, SandboxKey: 'relative' }
  refuses('USAGE', /SandboxKey: is not an absolute path/, () => readRequest(joinSchema, 'x', join))
  refuses('USAGE', /PoolID/, () => readRequest(requestAddressSchema, 'x', { PoolID: '/', Address: '' }))
})

const POOL: PoolRecord = { version: 1, id: 'abc', subnet: '10.0.0.0/24', taken: ['10.0.0.1-10.0.0.9'] }

test('documents are kept in files, and come back', async () => {
  await inDirectory(async (directory) => {
    const store = new FileStore<PoolRecord>(join(directory, 'pools'), poolRecordSchema)
    assert.equal(await store.load(), { documents: [], damaged: [] })
    const saves = [1, 2, 3].map((last) => store.save('abc', { ...POOL, taken: [`10.0.0.${last}`] }))
    await Promise.all(saves)
    const { documents } = await new FileStore<PoolRecord>(join(directory, 'pools'), poolRecordSchema).load()
    assert.equal(documents, [{ ...POOL, taken: ['10.0.0.3'] }])
    assert.equal(await readdir(join(directory, 'pools')), ['abc.json'])
    await store.remove('abc')
    await store.remove('abc')
    assert.equal(await readdir(join(directory, 'pools')), [])
  })
})

test('files that hold no document are named, and stay; unfinished ones go', async () => {
  await inDirectory(async (directory) => {
    const store = new FileStore<PoolRecord>(directory, poolRecordSchema)
    await store.save('abc', POOL)
    const text = await readFile(join(directory, 'abc.json'), 'utf8')
    const files = {
      'cut.json': text.slice(0, 20),
      'empty.json': '',
      'other.json': text,
      'newer.json': JSON.stringify({ ...POOL, id: 'newer', version: 2 }),
      README: 'not ours',
      '.abc.0123456789ab': text.slice(0, 5),
    }
    for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content)
    const { documents, damaged } = await store.load()
    assert.equal(documents, [POOL])
    const names = ['cut.json', 'empty.json', 'newer.json', 'other.json']
    assert.equal(
      damaged.map(({ path }) => path).sort(),
      names.map((name) => join(directory, name)),
    )
    assert.equal((await readdir(directory)).sort(), ['README', 'abc.json', ...names].sort())
  })
})

test('a directory that cannot be written to is named', async () => {
  await inDirectory(async (directory) => {
    const store = new FileStore<PoolRecord>(join(directory, 'missing'), poolRecordSchema)
    try {
      await store.save('abc', POOL)
    } catch (error) {
      assert.ok(error instanceof EcdockError && error.code === 'STATE_UNWRITABLE', String(error))
      return
    }
    assert.unreachable('it was said to be written')
  })
})

async function inDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'ecdock-driver-'))
  try {
    await body(directory)
  } finally {
    await rm(directory, { recursive: true })
  }
}

test.run()
