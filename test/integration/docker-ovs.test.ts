/** Docker containers on Open vSwitch's userspace datapath, where a ping proves nothing about TCP. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Host } from '../../src/host.js'
import type { Vswitch } from '../../src/vswitch/vswitch.js'
import { type PrivateDocker, startDocker } from '../support/docker.js'
import { type PrivateOvs, startOvs } from '../support/ovs.js'
import { waitUntil } from '../support/process.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { megabyteEachWay } from '../support/traffic.js'

const ready = needs('root', 'docker', 'busybox', 'openvswitch', 'socat')
const withDocker = suite('docker on Open vSwitch')
const test = ready ? withDocker : withDocker.skip

const FOREVER = ['sleep', '1000']

let docker: PrivateDocker
let ovs: PrivateOvs
let host: Host
let sw: Vswitch

if (ready) {
  withDocker.before(async () => {
    docker = await startDocker()
    ovs = await startOvs()
    host = await Host.open({ docker: docker.docker, ovsdb: ovs.ovsdb })
    sw = await host.createVswitch({ name: 'ovs0', kind: 'ovs', usermode: true, subnet: '10.0.0.254/24' })
  })
  withDocker.after(async () => {
    try {
      await host.close()
    } finally {
      await ovs.stop()
      await docker.stop()
    }
  })
}

test('started containers exchange a megabyte of TCP each way', async () => {
  const one = await host.containers.start(sw, { slot: 1, image: docker.image, args: FOREVER })
  const two = await host.containers.start(sw, { image: docker.image, args: FOREVER })
  assert.equal([one.port.ofport, two.port.ofport], [1, 2])
  await megabyteEachWay(await namespaceOf('ovs0-s1'), await namespaceOf('ovs0-s2'), '10.0.0.2')
})

test('so they do when one of them has been restarted', async () => {
  const { port } = await host.containers.restart(sw, 1, { timeoutSeconds: 0 })
  assert.is(port.ofport, 1)
  await megabyteEachWay(await namespaceOf('ovs0-s2'), await namespaceOf('ovs0-s1'), '10.0.0.1')
})

test('and when one was killed, and its slot was taken by another', async () => {
  await docker.api.getContainer('ovs0-s1').kill()
  await host.containers.restart(sw, 1, { image: docker.image, args: FOREVER })
  await megabyteEachWay(await namespaceOf('ovs0-s2'), await namespaceOf('ovs0-s1'), '10.0.0.1')
})

test('one that was killed is restarted as it was', async () => {
  const before = await host.containers.find(sw, 1)
  await docker.api.getContainer('ovs0-s1').kill()
  const { container, port } = await host.containers.restart(sw, 1)
  assert.equal([container, port.ofport, port.mtu], [before?.container, 1, 1500])
  await megabyteEachWay(await namespaceOf('ovs0-s2'), await namespaceOf('ovs0-s1'), '10.0.0.1')
})

test('one that Docker has removed leaves its slot empty', async () => {
  const { port } = await host.containers.start(sw, { slot: 20, image: docker.image, args: FOREVER })
  await docker.api.getContainer(`ovs0-s${port.slot}`).remove({ force: true })
  await waitUntil('its device is gone', async () => (await sw.port(20)) === undefined)
  await refusal(host.containers.restart(sw, 20), 'SLOT_EMPTY')
  await refusal(sw.unplug(20), 'SLOT_EMPTY')
})

test('a slot that a port of somebody else has is passed over', async () => {
  for (let ofport = 3; ofport <= 9; ofport++) {
    const settings = ['type=internal', `ofport_request=${ofport}`]
    await ovs.vsctl('add-port', 'ovs0', `f${ofport}`, '--', 'set', 'Interface', `f${ofport}`, ...settings)
  }
  const { port } = await host.containers.start(sw, { image: docker.image, args: FOREVER })
  assert.equal([port.slot, port.ofport], [10, 10])
  await host.containers.stop(sw, 10, { timeoutSeconds: 0 })
})

test('stop leaves the slots empty', async () => {
  for (const slot of [1, 2]) await host.containers.stop(sw, slot, { timeoutSeconds: 0 })
  assert.equal(await sw.ports(), [])
  assert.equal(await docker.containers(), [])
  await host.deleteVswitch('ovs0')
})

async function namespaceOf(container: string): Promise<string> {
  return `/proc/${(await docker.api.getContainer(container).inspect()).State.Pid}/ns/net`
}

withDocker.run()
