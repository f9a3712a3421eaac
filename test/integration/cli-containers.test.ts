/** Containers by the command line, as ecDock's users know it, with a real Docker and a real vswitch. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Port } from '../../src/vswitch/vswitch.js'
import { ECDOCK_FAST, ecdockFast, ecdockFastJson } from '../support/cli-program.js'
import { type PrivateDocker, startDocker } from '../support/docker.js'
import { needs } from '../support/requirements.js'

const ready = needs('root', 'iproute2', 'docker', 'busybox')
const withDocker = suite('containers by the command line')
const test = ready ? withDocker : withDocker.skip

let docker: PrivateDocker
let env: NodeJS.ProcessEnv

if (ready) {
  withDocker.before(async () => {
    docker = await startDocker()
    env = { ...process.env, DOCKER_HOST: docker.docker }
  })
  withDocker.after(async () => {
    await docker.stop()
  })
}

interface Started {
  container: string
  name: string
  port: Port
}

/** Makes br0 for as long as `body` takes; afterwards Docker has no container. */
async function withVswitch(body: () => Promise<void>): Promise<void> {
  await ecdockFastJson(['create-vswitch', '10.0.0.254/24'], { env })
  try {
    await body()
    assert.equal(await docker.containers(), [])
  } finally {
    for (const name of await docker.containers()) await docker.api.getContainer(name).remove({ force: true })
    await ecdockFastJson(['delete-vswitch', 'br0'], { env })
  }
}

interface Listing {
  vswitches: { ports: Port[] }[]
}

test('a container has an interface on each of several vswitches, in the same slot', async () => {
  await withVswitch(async () => {
    const others = [1, 2, 3]
    for (const at of others) await ecdockFastJson(['create-vswitch', `br${at}`, `10.0.${at}.254/24`], { env })
    try {
      const words = ['sleep', '1000']
      const eth = [0, ...others].map((at) => `--eth${at}=br${at}`)
      const first = await ecdockFastJson<Started>([...eth, 'start', docker.image, ...words], { env })
      assert.equal([first.port.slot, first.port.ifname], [1, 'eth0'])
      await ecdockFastJson(['--slot=2', ...eth, 'start', docker.image, ...words], { env })
      for (const address of ['10.0.0.2', '10.0.1.2', '10.0.1.254', '10.0.2.2', '10.0.3.2']) {
        assert.match(await docker.exec('br0-s1', ['ping', '-c', '1', '-W', '5', address]), ' 0% packet loss')
      }
      const routes = await docker.exec('br0-s1', ['ip', 'route'])
      assert.match(routes, 'default via 10.0.0.254 dev eth0')
      for (const at of others) assert.match(routes, `10.0.${at}.0/24 dev eth${at}`)

      await ecdockFastJson(['--vswitch=br0', 'restart', '--time=0', '1'], { env })
      assert.match(await docker.exec('br0-s2', ['ping', '-c', '1', '-W', '5', '10.0.1.1']), ' 0% packet loss')
      await docker.api.getContainer('br0-s2').kill()
      await ecdockFastJson(['cleanup'], { env })
      for (const slot of ['1', '2'])
        await ecdockFastJson(['--vswitch=br0', 'stop', '--time=0', slot], { env })
      const { vswitches } = await ecdockFastJson<Listing>(['ls'], { env })
      assert.equal(
        vswitches.map(({ ports }) => ports),
        [[], [], [], []],
      )
      const clash = await ecdockFast(['--vswitch=br1', '--eth0=br0', 'start', docker.image], { env })
      assert.is(clash.status, 2)
    } finally {
      for (const at of others) await ecdockFastJson(['delete-vswitch', `br${at}`], { env })
    }
  })
})

test('two containers are started in slots, reach each other, and are stopped', async () => {
  await withVswitch(async () => {
    const first = await ecdockFastJson<Started>(['--slot=1', 'start', docker.image, 'sleep', '1000'], { env })
    assert.is(first.port.ipv4, '10.0.0.1/24')
    const second = await ecdockFastJson<Started>(
      ['start', '--name', 'web', '-e', 'ROLE=server', docker.image, 'sh', '-c', 'sleep 1000'],
      { env },
    )
    assert.equal([second.name, second.port.slot], ['web', 2])
    assert.match(await docker.exec('web', ['sh', '-c', 'echo $ROLE']), 'server')
    assert.match(await docker.exec('web', ['ping', '-c', '1', '-W', '2', '10.0.0.1']), ' 0% packet loss')

    const taken = await ecdockFast(['--json', '--slot=1', 'start', docker.image], { env })
    assert.is(taken.status, 1)
    assert.is(JSON.parse(taken.stdout).error.code, 'SLOT_TAKEN')

    const again = await ecdockFastJson<Started>(['restart', '2'], { env })
    assert.equal([again.container, again.port.ipv4], [second.container, '10.0.0.2/24'])
    assert.match(await docker.exec('web', ['ping', '-c', '1', '-W', '2', '10.0.0.1']), ' 0% packet loss')

    const stopped = await ecdockFastJson(['stop', '1', '--time', '0'], { env })
    assert.equal(stopped, { vswitch: 'br0', slot: 1, removed: true })
    await ecdockFastJson(['stop', '--slot', '2', '--time', '0', '--no-rm'], { env })
    assert.equal(await docker.containers(), ['web'])
    assert.is((await ecdockFastJson<Listing>(['ls'], { env })).vswitches[0]?.ports.length, 0)
    await ecdockFastJson(['restart', '2'], { env })
    await ecdockFastJson(['stop', '2', '--time', '0'], { env })
    assert.equal(await docker.containers(), [])
  })
})

test('attach reaches the console, and ends when the container does', async () => {
  await withVswitch(async () => {
    await ecdockFastJson(['start', '--no-tty', docker.image, 'sh'], { env })
    const attached = spawn(process.execPath, [ECDOCK_FAST, 'attach', '1'], { env })
    const exited = once(attached, 'exit')
    let seen = ''
    let said = ''
    attached.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    attached.stdout.setEncoding('utf8').on('data', (text: string) => {
      seen += text
      // Docker takes the end of our input for the end of the console, so it comes after the answer.
      if (text.includes('br0-s1')) attached.stdin.end('exit 7\n')
    })
    attached.stdin.write('hostname\n')
    assert.equal(await exited, [7, null])
    assert.is(seen, 'br0-s1\n')
    assert.match(said, 'has ended with exit status 7')
    await ecdockFastJson(['stop', '1'], { env })
  })
  assert.equal(await docker.containers(), [])
})

test('an image that is not there, and a Docker that is not there, are told apart', async () => {
  await withVswitch(async () => {
    const image = await ecdockFast(['--json', 'start', 'no-such-image'], { env })
    assert.is(image.status, 1)
    assert.is(JSON.parse(image.stdout).error.code, 'IMAGE_NOT_FOUND')
    const nowhere = await ecdockFast([
      '--json',
      '--docker',
      'unix:///nonexistent.sock',
      'start',
      docker.image,
    ])
    assert.is(nowhere.status, 3)
    assert.is(JSON.parse(nowhere.stdout).error.code, 'DOCKER_UNREACHABLE')
  })
})

withDocker.run()
