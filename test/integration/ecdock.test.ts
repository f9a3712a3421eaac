/** ecDock's commands, word for word but for the program's name, with a real Docker on both kinds of vswitch. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ECDOCK_FAST, ecdockFast } from '../support/cli-program.js'
import { type PrivateDocker, startDocker } from '../support/docker.js'
import { type PrivateOvs, startOvs } from '../support/ovs.js'
import { run } from '../support/process.js'
import { needs } from '../support/requirements.js'

const ready = needs('root', 'iproute2', 'docker', 'busybox', 'openvswitch')
const withEcdock = suite("ecDock's commands")

let docker: PrivateDocker
let ovs: PrivateOvs
let env: NodeJS.ProcessEnv

if (ready) {
  withEcdock.before(async () => {
    docker = await startDocker()
    ovs = await startOvs()
    env = { ...process.env, DOCKER_HOST: docker.docker, ECDOCK_OVSDB: ovs.ovsdb }
  })
  withEcdock.after(async () => {
    await ovs.stop()
    await docker.stop()
  })
}

/** What `ec ARGS` prints; fails when it does. */
async function ec(...args: string[]): Promise<string> {
  const { status, output, stdout } = await ecdockFast(args, { env })
  assert.is(status, 0, output)
  return stdout
}

/** What the container in a slot of the default vswitch answers. */
function inSlot(slot: number, ...command: string[]): Promise<string> {
  return docker.exec(`${vswitch}-s${slot}`, command)
}

async function isRunning(name: string): Promise<boolean> {
  return (await docker.api.getContainer(name).inspect()).State.Running
}

let vswitch: string

for (const kind of ['bridge', 'ovs'] as const) {
  const word = kind === 'ovs' ? ['--usermode'] : []
  const test = (name: string, body: () => Promise<void>): void => {
    const run = ready ? withEcdock : withEcdock.skip
    run(`${kind}: ${name}`, body)
  }

  test('create-vswitch 10.0.0.254/24', async () => {
    vswitch = kind === 'ovs' ? 'ovs0' : 'br0'
    assert.match(await ec(...word, 'create-vswitch', '10.0.0.254/24'), `${vswitch} is there`)
    assert.match(
      await run('ip', ['address', 'show', vswitch]),
      / 10\.0\.0\.254\/24 .* 2001:db8::a00:fe\/64 /s,
    )
    assert.match(await run('ip', ['link', 'show', vswitch]), ' 52:00:0a:00:00:fe ')
    if (kind === 'bridge') return
    assert.is(await ovs.vsctl('get', 'Bridge', 'ovs0', 'other_config:hwaddr'), '"52:00:0a:00:00:fe"')
  })

  test('--slot=1 start IMAGE PARAMETERS', async () => {
    await ec('--slot=1', 'start', docker.image, 'sh')
    await ec('--slot=2', 'start', docker.image, 'sleep', '1000')
    if (kind === 'ovs') {
      assert.is(await ovs.vsctl('get', 'Interface', 'ovs0-s2', 'ofport'), '2')
      const flows = await run('ovs-ofctl', ['dump-flows', 'ovs0'], { env: ovs.env })
      assert.match(flows, 'dl_dst=52:00:0a:00:00:01 actions=output:1')
    }
    const eth0 = await inSlot(1, 'ip', 'address', 'show', 'eth0')
    assert.match(eth0, 'link/ether 52:00:0a:00:00:01')
    assert.match(eth0, 'inet 10.0.0.1/24')
    assert.match(eth0, 'inet6 2001:db8::a00:1/64')
    assert.match(await inSlot(1, 'ip', 'route'), 'default via 10.0.0.254')
    for (const address of ['10.0.0.2', '10.0.0.254', '2001:db8::10.0.0.2', '2001:db8::10.0.0.254']) {
      assert.match(await inSlot(1, 'ping', '-c', '1', '-W', '5', address), ' 0% packet loss', address)
    }
  })

  test('attach 1', async () => {
    const attached = spawn(process.execPath, [ECDOCK_FAST, 'attach', '1'], { env })
    const exited = once(attached, 'exit')
    let seen = ''
    attached.stdout.setEncoding('utf8').on('data', (text: string) => {
      seen += text
      if (seen.includes(`${vswitch}-s1\r\n`)) attached.kill('SIGHUP')
    })
    attached.stdin.write('hostname\n')
    await exited
    assert.match(seen, `${vswitch}-s1`)
    assert.ok(await isRunning(`${vswitch}-s1`))
  })

  test('restart 1, and --slot=1 restart IMAGE PARAMETERS', async () => {
    const before = (await docker.api.getContainer(`${vswitch}-s1`).inspect()).Id
    await ec('restart', '--time=0', '1')
    assert.is((await docker.api.getContainer(`${vswitch}-s1`).inspect()).Id, before)
    assert.match(await inSlot(2, 'ping', '-c', '1', '-W', '5', '10.0.0.1'), ' 0% packet loss')
    await ec('--time=0', '--slot=1', 'restart', docker.image, 'sleep', '2000')
    const after = await docker.api.getContainer(`${vswitch}-s1`).inspect()
    assert.is.not(after.Id, before)
    assert.equal(after.Config.Cmd, ['sleep', '2000'])
    assert.match(await inSlot(2, 'ping', '-c', '1', '-W', '5', '10.0.0.1'), ' 0% packet loss')
  })

  test('restart of a container that has died', async () => {
    await docker.api.getContainer(`${vswitch}-s1`).kill()
    await ec('restart', '1')
    assert.match(await inSlot(2, 'ping', '-c', '1', '-W', '5', '10.0.0.1'), ' 0% packet loss')
    await docker.api.getContainer(`${vswitch}-s1`).kill()
    await ec('restart', '1', docker.image, 'sleep', '1000')
    assert.match(await inSlot(2, 'ping', '-c', '1', '-W', '5', '10.0.0.1'), ' 0% packet loss')
  })

  test('--no-rm stop 1, and stop 1', async () => {
    await ec('--no-rm', '--time=0', 'stop', '1')
    assert.not.ok(await isRunning(`${vswitch}-s1`))
    await ec('stop', '1')
    assert.equal(await docker.containers(), [`${vswitch}-s2`])
    assert.not.match(await ec('ls'), /^ +1 /m)
  })

  test('cleanup after a container has died', async () => {
    await docker.api.getContainer(`${vswitch}-s2`).remove({ force: true })
    await ec('cleanup')
    assert.match(await ec('ls'), 'nothing is plugged in')
    await ec('-q', '--slot=2', 'start', docker.image, 'sleep', '1000')
    await ec('--quiet', 'stop', '2', '--time=0')
  })

  test('--vswitch=NAME create-vswitch, and --slot=127', async () => {
    const other = `${vswitch}b`
    await ec(`--vswitch=${other}`, ...word, 'create-vswitch', '10.0.1.254/24')
    await ec(`--vswitch=${other}`, '--slot=127', 'start', docker.image, 'sleep', '1000')
    const eth0 = await docker.exec(`${other}-s127`, ['ip', 'address', 'show', 'eth0'])
    assert.match(eth0, 'inet 10.0.1.127/24')
    assert.match(eth0, 'link/ether 52:00:0a:00:01:7f')
    await ec(`--vswitch=${other}`, '--slot=127', '--time=0', 'stop')
    assert.equal(await docker.containers(), [])
    await ec('delete-vswitch', other)
    await ec('delete-vswitch', vswitch)
  })
}

const onOvs = ready ? withEcdock : withEcdock.skip

onOvs('ovs: --internal start, and --dual-nic start', async () => {
  await ec('--usermode', 'create-vswitch', 'ovs0', '10.0.0.254/24')
  await ec('--slot=1', '--internal', 'start', docker.image, 'sleep', '1000')
  await ec('--slot=2', '--dual-nic', 'start', docker.image, 'sleep', '1000')
  assert.is(await ovs.vsctl('get', 'Interface', 'ovs0-s1', 'type'), 'internal')
  const answers = async () => {
    const ping = ['ping', '-c', '1', '-W', '5']
    assert.match(await docker.exec('ovs0-s2', [...ping, '10.0.0.1']), ' 0% packet loss')
    assert.match(await docker.exec('ovs0-s1', [...ping, '10.0.0.2']), ' 0% packet loss')
    const br0 = await docker.exec('ovs0-s2', ['ip', 'address', 'show', 'br0'])
    assert.match(br0, 'inet 10.0.0.2/24')
    assert.match(br0, 'link/ether 52:00:0a:00:00:02')
    assert.match(await docker.exec('ovs0-s2', ['ip', 'link', 'show', 'eth1']), '52:80:0a:00:00:02')
  }
  await answers()
  for (const slot of ['1', '2']) await ec('restart', '--time=0', slot)
  await answers()
  await docker.api.getContainer('ovs0-s1').kill()
  await ec('restart', '--time=0', '1', docker.image, 'sleep', '1000')
  assert.is(await ovs.vsctl('get', 'Interface', 'ovs0-s1', 'type'), 'internal')
  // Its neighbours' questions are not flooded to the other one: they know of it again when it has asked for theirs.
  await ec('restart', '--time=0', '2')
  await answers()
  for (const slot of ['1', '2']) await ec('stop', '--time=0', slot)
  assert.match(await ec('ls'), 'nothing is plugged in')
  assert.is(await ovs.vsctl('--columns=name', 'find', 'Interface', 'type=internal', 'name!=ovs0'), '')
  await ec('delete-vswitch', 'ovs0')
})

onOvs('ovs: create-vswitch NAME CIDR DEVICE', async () => {
  await run('ip', ['link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'up1'])
  try {
    await ec('--usermode', 'create-vswitch', 'ovs1', '10.0.2.254/24', 'up0')
    assert.match(await ovs.vsctl('list-ports', 'ovs1'), 'up0')
    assert.is(await ovs.vsctl('get', 'Interface', 'up0', 'ofport'), '65261')
    await ec('delete-vswitch', 'ovs1')
  } finally {
    await run('ip', ['link', 'delete', 'up0'])
  }
})

withEcdock.run()
