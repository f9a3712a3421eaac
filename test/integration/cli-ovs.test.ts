/** The command line with Open vSwitch: an ovs-vswitchd of the test's own. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Port } from '../../src/vswitch/vswitch.js'
import { ecdockFast, ecdockFastJson } from '../support/cli-program.js'
import { OVS_FLAGS } from '../support/datapath.js'
import { assertNothingLeft, snapshot } from '../support/leaks.js'
import { namedNamespace } from '../support/netns.js'
import { type PrivateOvs, startOvs } from '../support/ovs.js'
import { needs } from '../support/requirements.js'
import { megabyteEachWay } from '../support/traffic.js'

const ready = needs('root', 'iproute2', 'openvswitch', 'socat')
const withOvs = suite('the command line with Open vSwitch')
const test = ready ? withOvs : withOvs.skip

let ovs: PrivateOvs

if (ready) {
  withOvs.before(async () => {
    ovs = await startOvs()
  })
  withOvs.after(async () => {
    await ovs.stop()
  })
}

test('an Open vSwitch bridge is made, used and deleted', async () => {
  const before = await snapshot({ ovs })
  const env = { ...process.env, ECDOCK_OVSDB: ovs.ovsdb }
  const [blue, green] = [await namedNamespace('blue'), await namedNamespace('green')]
  try {
    const made = await ecdockFastJson(['create-vswitch', '10.0.0.254/24', ...OVS_FLAGS], { env })
    assert.equal(made, { name: 'ovs0', kind: 'ovs', subnet: '10.0.0.254/24', ipv6Prefix: '2001:db8' })
    const { results } = await ecdockFastJson<{ results: { port: Port }[] }>(
      ['plug', 'netns:blue', 'netns:green'],
      {
        env,
      },
    )
    assert.equal(
      results.map(({ port }) => [port.slot, port.ofport]),
      [
        [1, 1],
        [2, 2],
      ],
    )
    await megabyteEachWay(blue.path, green.path, '10.0.0.2')
    const explained = await ecdockFast(
      ['plug', 'netns:blue', '--ifname', 'eth1', '--slot', '3', '--explain'],
      { env },
    )
    assert.match(explained.stdout, 'ovs-vsctl')
    const table = await ecdockFast(['ls'], { env })
    assert.match(table.stdout, /^ovs0 {2}ovs {2}10\.0\.0\.254\/24 {2}2 ports$/m)
    await ecdockFastJson(['unplug', '--all'], { env })
    await ecdockFastJson(['delete-vswitch', 'ovs0'], { env })
  } finally {
    await blue.remove()
    await green.remove()
  }
  await assertNothingLeft(before)
})

test('--neigh-suppress is kept with the vswitch, shown, and refused for another kind', async () => {
  const before = await snapshot({ ovs })
  const env = { ...process.env, ECDOCK_OVSDB: ovs.ovsdb }
  const create = ['create-vswitch', '10.0.0.254/24', '--neigh-suppress']
  const made = { kind: 'ovs', subnet: '10.0.0.254/24', ipv6Prefix: '2001:db8', neighSuppress: true }
  assert.equal(await ecdockFastJson([...create, ...OVS_FLAGS], { env }), { name: 'ovs0', ...made })
  const { vswitches } = await ecdockFastJson<{ vswitches: object[] }>(['ls'], { env })
  assert.equal(vswitches, [{ name: 'ovs0', ...made, ports: [] }])
  await ecdockFastJson(['delete-vswitch', 'ovs0'], { env })
  const refused = await ecdockFast([...create, '--kind', 'bridge'], { env })
  assert.match(refused.stderr, /a vswitch of kind bridge cannot have neighbour suppression/)
  assert.is(refused.status, 1)
  await assertNothingLeft(before)
})

test('slots are made ready beforehand, and forgotten when that is asked for', async () => {
  const before = await snapshot({ ovs })
  const env = { ...process.env, ECDOCK_OVSDB: ovs.ovsdb }
  const blue = await namedNamespace('blue')
  const ports = () => ovs.vsctl('list-ports', 'ovs0')
  try {
    await ecdockFastJson(['create-vswitch', '10.0.0.254/24', ...OVS_FLAGS, '--slots', '3'], { env })
    assert.is(await ports(), 'ovs0-p1\novs0-p2\novs0-p3')
    const mark = await ovs.vsctl('get', 'Open_vSwitch', '.', 'next_cfg')
    const { results } = await ecdockFastJson<{ results: { port: Port }[] }>(['plug', 'netns:blue'], { env })
    assert.equal(
      results.map(({ port }) => [port.slot, port.ofport]),
      [[1, 1]],
    )
    assert.is(await ovs.vsctl('get', 'Open_vSwitch', '.', 'next_cfg'), mark)
    await ecdockFastJson(['cleanup'], { env })
    assert.is(await ports(), 'ovs0-p1\novs0-p2\novs0-p3')
    const dry = await ecdockFast(['cleanup', '--empty-slots', '--dry-run'], { env })
    assert.match(dry.stdout, /^would remove slot ovs0-s2: the slot is empty$/m)
    await ecdockFastJson(['cleanup', '--empty-slots'], { env })
    assert.is(await ports(), 'ovs0-p1')
    await ecdockFastJson(['delete-vswitch', 'ovs0'], { env })
  } finally {
    await blue.remove()
  }
  await assertNothingLeft(before)
})

test('the demo uses a running Open vSwitch when it is told to', async () => {
  const before = await snapshot({ ovs })
  const { kind, pings } = await ecdockFastJson<{ kind: string; pings: object }>([
    ...['--ovsdb', ovs.ovsdb],
    ...['demo', ...OVS_FLAGS, '--count', '4'],
  ])
  assert.is(kind, 'ovs')
  assert.equal(pings, { sent: 8, received: 8 })
  await assertNothingLeft(before)
})

test('without Open vSwitch it says so, with exit status 3', async () => {
  const nowhere = ['--ovsdb', 'unix:/nonexistent/db.sock', '--json']
  const { status, stdout } = await ecdockFast([
    ...nowhere,
    'create-vswitch',
    '10.0.0.254/24',
    '--kind',
    'ovs',
  ])
  assert.is(status, 3)
  const { error } = JSON.parse(stdout)
  assert.is(error.code, 'OVSDB_UNREACHABLE')
  assert.match(error.hint, 'ecdock-fast doctor')
})

withOvs.run()
