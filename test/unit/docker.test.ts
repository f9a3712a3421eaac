import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeMark, encodeMark } from '../../src/containers/labels.js'
import { formatDockerAddress, parseDockerAddress } from '../../src/docker/address.js'
import { dockerFailure } from '../../src/docker/failure.js'
import { checkContainerName, checkImageName } from '../../src/docker/names.js'
import { EcdockError } from '../../src/errors.js'

test('Docker is found at its usual socket, in DOCKER_HOST, or where the caller says', () => {
  assert.equal(parseDockerAddress(undefined, ''), { socketPath: '/var/run/docker.sock' })
  assert.equal(parseDockerAddress(undefined, 'unix:///run/d.sock'), { socketPath: '/run/d.sock' })
  assert.equal(parseDockerAddress('/run/mine.sock', 'unix:///run/d.sock'), { socketPath: '/run/mine.sock' })
  assert.equal(parseDockerAddress('tcp://127.0.0.1:2375'), { host: '127.0.0.1', port: 2375 })
  assert.equal(parseDockerAddress('tcp://localhost'), { host: 'localhost', port: 2375 })
  assert.equal(parseDockerAddress('http://[::1]:99'), { host: '[::1]', port: 99 })
})

test('an address is shown as Docker writes it', () => {
  for (const address of ['unix:///run/d.sock', 'tcp://127.0.0.1:4243', 'tcp://[::1]:99']) {
    assert.is(formatDockerAddress(parseDockerAddress(address)), address)
  }
})

for (const address of [
  'docker',
  'unix://',
  'unix://relative.sock',
  `/${'x'.repeat(107)}`,
  'tcp://',
  'a\0b',
]) {
  test(`${JSON.stringify(address.slice(0, 30))} is no address`, () => {
    assert.is(
      codeOf(() => parseDockerAddress(address)),
      'USAGE',
    )
  })
}

for (const address of [
  'tcp://192.0.2.1:2375',
  'tcp://docker.example:2375',
  'https://127.0.0.1',
  'ssh://me@host',
]) {
  test(`${address} is another machine, whose process ids mean nothing here`, () => {
    assert.is(
      codeOf(() => parseDockerAddress(address)),
      'UNSUPPORTED',
    )
  })
}

test('the labels of a container tell its slot', () => {
  const labels = encodeMark({ vswitch: 'ovs0', slot: 7, name: 'web' })
  assert.equal(labels, {
    'ecdock-fast.vswitch': 'ovs0',
    'ecdock-fast.slot': '7',
    'ecdock-fast.name': 'web',
  })
  assert.equal(decodeMark('web', { ...labels, other: 'x' }), { vswitch: 'ovs0', slot: 7, name: 'web' })
  const large = { vswitch: 'ovs0', slot: 7, name: 'web', mtu: 9000 }
  assert.equal(decodeMark('web', encodeMark(large)), large)
})

for (const labels of [
  undefined,
  null,
  {},
  { 'ecdock-fast.vswitch': 'ovs0' },
  { 'ecdock-fast.slot': '7' },
  { 'ecdock-fast.vswitch': 'ovs0', 'ecdock-fast.slot': '7' },
  // Labels that `docker commit` has copied from the container `original`.
  { 'ecdock-fast.vswitch': 'ovs0', 'ecdock-fast.slot': '7', 'ecdock-fast.name': 'original' },
  { 'ecdock-fast.vswitch': '', 'ecdock-fast.slot': '7', 'ecdock-fast.name': 'web' },
  { 'ecdock-fast.vswitch': 'ovs0', 'ecdock-fast.slot': '07', 'ecdock-fast.name': 'web' },
  { 'ecdock-fast.vswitch': 'ovs0', 'ecdock-fast.slot': '-1', 'ecdock-fast.name': 'web' },
  { 'ecdock-fast.vswitch': 'ovs0', 'ecdock-fast.slot': '1e3', 'ecdock-fast.name': 'web' },
  { 'ecdock-fast.vswitch': 'ovs0', 'ecdock-fast.slot': '999999999', 'ecdock-fast.name': 'web' },
]) {
  test(`labels that are not ours mark nothing: ${JSON.stringify(labels)}`, () => {
    assert.is(decodeMark('web', labels), undefined)
  })
}

test('a name is not passed on to the API unchecked', () => {
  for (const name of ['debian', 'debian:12', 'registry.example:5000/team/image@sha256:ab', 'a--b']) {
    checkImageName(name)
  }
  for (const name of [
    '',
    '../containers/x',
    'a/../b',
    'a//b',
    'a b',
    'a?x=1',
    'a#b',
    '-rf',
    'x'.repeat(600),
  ]) {
    assert.is(
      codeOf(() => checkImageName(name)),
      'NAME_INVALID',
      name,
    )
  }
  for (const name of ['', '..', 'a/b', 'a?b', 'é']) {
    assert.is(
      codeOf(() => checkContainerName(name)),
      'NAME_INVALID',
      name,
    )
  }
})

test('Docker that does not answer is told apart from Docker that refuses', () => {
  const unreachable = failure(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }))
  assert.is(unreachable.code, 'DOCKER_UNREACHABLE')
  assert.is(unreachable.errno, 'ECONNREFUSED')
  assert.match(unreachable.message, 'unix:///d.sock')
  const refused = failure(answer(500, 'driver failed programming external connectivity'))
  assert.is(refused.code, 'DOCKER_FAILED')
  assert.match(refused.message, 'driver failed programming external connectivity')
})

test('what is not found is named, and how to get it', () => {
  const image = { code: 'IMAGE_NOT_FOUND', name: 'debian:12' } as const
  const missing = dockerFailure('docker create', 'd', answer(404, 'No such image: debian:12'), image)
  assert.is(missing.code, 'IMAGE_NOT_FOUND')
  assert.match(missing.hint ?? '', 'docker pull debian:12')
  const container = { code: 'CONTAINER_NOT_FOUND', name: 'web' } as const
  const gone = dockerFailure('docker inspect', 'd', answer(404, 'No such container: web'), container)
  assert.is(gone.code, 'CONTAINER_NOT_FOUND')
  assert.match(gone.message, 'web')
})

function answer(statusCode: number, message: string): Error {
  return Object.assign(new Error(`(HTTP code ${statusCode})`), { statusCode, json: { message } })
}

function failure(error: Error): EcdockError {
  return dockerFailure('docker ps', 'unix:///d.sock', error)
}

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof EcdockError) return error.code
    throw error
  }
  return 'nothing was thrown'
}

test.run()
