/** A Docker that does not say all that it does, or says more than anybody can take. */
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SlotContainers } from '../../src/containers/slot-containers.js'
import { DockerEngine } from '../../src/docker/engine.js'
import { EcdockError } from '../../src/errors.js'
import type { Vswitch } from '../../src/vswitch/vswitch.js'
import { refusal } from '../support/refusal.js'

const ID = 'c'.repeat(64)

/** As much of a vswitch as a start needs that does not come to plugging. */
const VSWITCH = {
  name: 'sim',
  subnet: '10.0.0.254/24',
  port: async () => undefined,
} as unknown as Vswitch

const noOther = async (name: string): Promise<never> => {
  throw new EcdockError('VSWITCH_NOT_FOUND', 'find', `there is no vswitch ${name}`)
}

for (const creates of [true, false]) {
  const what = creates
    ? 'has created a container all the same: it is removed'
    : 'may yet create one: that is told'
  test(`Docker that does not answer ${what}`, () =>
    withDocker(async (engine, docker) => {
      docker.create = (spec) => creates && docker.containers.push(spec)
      docker.containers.push({ Id: 'f'.repeat(64), Labels: { 'ecdock-fast.start': 'of somebody else' } })
      const start = new SlotContainers(engine, noOther).start(VSWITCH, { slot: 1, image: 'debian' })
      const error = await refusal(start, 'TIMEOUT')
      assert.equal(docker.removed, creates ? [ID] : [])
      assert.is(error.message.includes('may still create container sim-s1'), !creates)
      assert.is(error.hint, creates ? undefined : 'If it does: docker rm -f sim-s1')
    }))
}

test('of a log without an end, the beginning is read', () =>
  withDocker(async (engine) => {
    const ended = {
      id: ID,
      name: 'x',
      image: 'x',
      state: 'exited',
      pid: 0,
      exitCode: 1,
      tty: true,
      labels: {},
    }
    assert.is(await engine.lastLines(ended, 10), 'x'.repeat(2000))
    assert.is(await engine.lastLines({ ...ended, state: 'created' }, 10), '')
  }))

interface FakeContainer {
  Id: string
  Labels: Record<string, string>
}

interface FakeDocker {
  containers: FakeContainer[]
  removed: string[]
  create: (spec: FakeContainer) => unknown
}

/** Docker's API, as far as these tests come: `create` is never answered, and logs have no end. */
async function withDocker(body: (engine: DockerEngine, docker: FakeDocker) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'ecdock-test-'))
  const socket = join(directory, 'docker.sock')
  const docker: FakeDocker = { containers: [], removed: [], create: () => {} }
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '', 'http://docker')
    const [, kind, id, action] = url.pathname.split('/')
    let sent = ''
    for await (const chunk of request) sent += String(chunk)
    if (kind === 'containers' && id === 'create') docker.create({ Id: ID, Labels: JSON.parse(sent).Labels })
    else if (id === 'json') list(docker, url, response)
    else if (action === 'logs') chatter(response)
    else if (request.method === 'DELETE' && id !== undefined) {
      docker.removed.push(id)
      response.writeHead(204).end()
    }
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  const engine = new DockerEngine(socket, 1000)
  try {
    await body(engine, docker)
  } finally {
    engine.close()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    rmSync(directory, { recursive: true })
  }
}

function list(docker: FakeDocker, url: URL, response: ServerResponse): void {
  const { label } = JSON.parse(url.searchParams.get('filters') ?? '{}') as { label: string[] }
  const found = docker.containers.filter(({ Labels }) =>
    label.every((one) =>
      Object.entries(Labels).some(([key, value]) => one === key || one === `${key}=${value}`),
    ),
  )
  const rows = found.map((container) => ({
    ...container,
    Names: ['/sim-s1'],
    Image: 'debian',
    State: 'created',
    Status: 'Created',
  }))
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(rows))
}

function chatter(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/vnd.docker.raw-stream' })
  const write = () => {
    while (!response.destroyed && response.write('x'.repeat(16_384)));
  }
  response.on('drain', write)
  write()
}

test.run()
