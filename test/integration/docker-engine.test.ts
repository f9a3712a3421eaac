import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { DockerClient } from '../../src/docker/client.js'
import { DockerEngine } from '../../src/docker/engine.js'
import { resolveTarget } from '../../src/target/resolve.js'
import { type PrivateDocker, startDocker } from '../support/docker.js'
import { assertNothingLeft, type Snapshot, snapshot } from '../support/leaks.js'
import { runToEnd } from '../support/process.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'

const ready = needs('root', 'docker', 'busybox')
const withDocker = suite('docker engine')
const test = ready ? withDocker : withDocker.skip

let docker: PrivateDocker
let engine: DockerEngine
let emptyHost: Snapshot

if (ready) {
  withDocker.before(async () => {
    emptyHost = await snapshot({ directories: ['/etc/docker'] })
    docker = await startDocker()
    engine = new DockerEngine(docker.docker)
  })
  withDocker.after(async () => {
    try {
      engine.close()
    } finally {
      await docker.stop()
    }
    await assertNothingLeft(emptyHost)
  })
}

test('Docker answers with its version', async () => {
  assert.match(await engine.version(), /^\d+\.\d+/)
})

test('a running container leads to the namespace of its process', async () => {
  const { id, name, pid } = await docker.run(['sleep', '1000'])
  const expected = { netns: `/proc/${pid}/ns/net`, label: `container:${name}`, containerId: id }
  assert.equal(await resolveTarget({ container: name }, () => engine), expected)
  assert.equal(await resolveTarget({ container: id }, () => engine), expected)
  assert.equal(await resolveTarget({ container: id.slice(0, 12) }, () => engine), expected)
})

test('a paused container is still there', async () => {
  const { id, pid } = await docker.run(['sleep', '1000'])
  await docker.api.getContainer(id).pause()
  assert.is((await engine.container(id)).state, 'paused')
  assert.is((await resolveTarget({ container: id }, () => engine)).netns, `/proc/${pid}/ns/net`)
  await docker.api.getContainer(id).unpause()
})

test('a container that has ended is not running, and its state is told', async () => {
  const { id, name } = await docker.run(['true'])
  await docker.api.getContainer(id).wait()
  const error = await refusal(
    resolveTarget({ container: name }, () => engine),
    'CONTAINER_NOT_RUNNING',
  )
  assert.match(error.message, 'exited')
})

test('a container that does not exist is not found', async () => {
  await refusal(engine.container('nobody'), 'CONTAINER_NOT_FOUND')
  await refusal(engine.start('nobody'), 'CONTAINER_NOT_FOUND')
  await refusal(
    resolveTarget({ container: 'nobody' }, () => engine),
    'CONTAINER_NOT_FOUND',
  )
})

test('an image that does not exist is not found, and the hint says how to get it', async () => {
  await refusal(engine.requireImage('nothing:1'), 'IMAGE_NOT_FOUND')
  const error = await refusal(engine.create(specOf('nothing:1', [])), 'IMAGE_NOT_FOUND')
  assert.match(error.hint ?? '', 'docker pull nothing:1')
})

test('what Docker refuses is told in its own words', async () => {
  const id = await engine.create(specOf(docker.image, ['no-such-program']))
  const error = await refusal(engine.start(id), 'DOCKER_FAILED')
  assert.match(error.message, 'no-such-program')
  await engine.remove(id)
})

test('to stop what is stopped and to remove what is gone is no error', async () => {
  const id = await engine.create(specOf(docker.image, ['true']))
  await engine.stop(id)
  await engine.remove(id)
  await engine.remove(id)
})

test('the last lines of a container are told, with a terminal and without', async () => {
  for (const tty of [true, false]) {
    const script = 'exec >&2; echo one; echo two; printf "\\033[31mred\\033[0m\\007"; exit 3'
    const id = await engine.create({ ...specOf(docker.image, ['sh', '-c', script]), tty })
    await engine.start(id)
    assert.is(await engine.wait(id, 10_000), 3)
    assert.is((await engine.lastLines(await engine.container(id), 2)).replaceAll('\r', ''), 'two\nred')
    await engine.remove(id)
  }
})

test('Docker that is not there is unreachable, with a hint', async () => {
  const nowhere = new DockerEngine(join(tmpdir(), 'no-docker.sock'))
  const error = await refusal(nowhere.version(), 'DOCKER_UNREACHABLE')
  assert.is(error.errno, 'ENOENT')
  assert.match(error.hint ?? '', 'Install Docker')
  nowhere.close()
})

test('a DOCKER_HOST that cannot be used is told when Docker is needed, not before', async () => {
  const before = process.env.DOCKER_HOST
  process.env.DOCKER_HOST = 'ssh://me@elsewhere'
  const elsewhere = new DockerEngine()
  await refusal(elsewhere.version(), 'UNSUPPORTED')
  elsewhere.close()
  if (before === undefined) delete process.env.DOCKER_HOST
  else process.env.DOCKER_HOST = before
})

test('the socket that was asked for is used, whatever DOCKER_HOST says', async () => {
  const before = process.env.DOCKER_HOST
  process.env.DOCKER_HOST = 'tcp://127.0.0.1:1'
  const chosen = new DockerEngine(docker.docker)
  assert.match(await chosen.version(), /^\d+\.\d+/)
  chosen.close()
  if (before === undefined) delete process.env.DOCKER_HOST
  else process.env.DOCKER_HOST = before
})

test('Docker that accepts and says nothing fails with TIMEOUT', async () => {
  const { socket, server } = await silentServer()
  const client = new DockerClient(socket)
  const version = client.call('docker version', (api) => api.version(), { ms: 50 })
  await refusal(version, 'TIMEOUT')
  const inspect = client.call(
    'docker inspect',
    (api, abortSignal) => api.getContainer('x').inspect({ abortSignal }),
    {
      ms: 50,
    },
  )
  await refusal(inspect, 'TIMEOUT')
  client.close()
  await closed(server)
})

test('closing ends what is under way, and what comes later', async () => {
  const { socket, server } = await silentServer()
  const waiting = new DockerEngine(socket)
  const answer = refusal(waiting.version(), 'CANCELLED')
  await new Promise((resolve) => server.once('connection', resolve))
  waiting.close()
  await answer
  await refusal(waiting.version(), 'CANCELLED')
  await closed(server)
})

test('a program that has closed Docker ends by itself', async () => {
  const { id } = await docker.run(['sleep', '1000'])
  const program = `
    import { DockerEngine } from ${JSON.stringify(new URL('../../src/docker/engine.js', import.meta.url).href)}
    const engine = new DockerEngine(${JSON.stringify(docker.docker)})
    await engine.version()
    await engine.attach('${id}', 'ctrl-p,ctrl-q')
    engine.close()`
  const ended = await runToEnd(process.execPath, ['--input-type=module', '--eval', program], {
    timeoutMs: 20_000,
  })
  assert.is(ended.output, '')
  assert.is(ended.status, 0)
})

function specOf(image: string, args: string[]) {
  const name = `test-${process.hrtime.bigint()}`
  const plain = { env: [], volumes: [], labels: {}, privileged: false, tty: false }
  return { name, hostname: 'test', image, args, ...plain }
}

/** A socket on which connections are accepted and never answered. */
async function silentServer(): Promise<{ socket: string; server: Server }> {
  const directory = await mkdtemp(join(tmpdir(), 'silent-'))
  const socket = join(directory, 'docker.sock')
  const server = createServer((connection) => connection.on('error', () => {}).resume())
  server.once('close', () => rmSync(directory, { recursive: true }))
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  return { socket, server }
}

async function closed(server: Server): Promise<void> {
  await new Promise((resolve) => server.close(resolve))
}

withDocker.run()
