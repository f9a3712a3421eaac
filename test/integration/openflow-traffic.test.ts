import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OpenFlowClient } from '../../src/openflow/client.js'
import { managementSocket } from '../../src/openflow/management-socket.js'
import { removeSlotFlows, setSlotFlows } from '../../src/openflow/slot-flows.js'
import { USERMODE } from '../support/datapath.js'
import { inside } from '../support/netns.js'
import { type Laid, onVswitch } from '../support/on-vswitch.js'
import { type PrivateOvs, startOvs } from '../support/ovs.js'
import { needs } from '../support/requirements.js'
import { answers, forgetNeighbours, megabyteEachWay, pings } from '../support/traffic.js'

const ovsTest = needs('root', 'openvswitch', 'iproute2', 'ethtool', 'ping', 'socat') ? test : test.skip

let ovs: PrivateOvs

test.before(async () => {
  ovs = await startOvs()
})

test.after(() => ovs.stop())

/** Three targets in slots 1, 2 and 3. */
async function withThree(action: (client: OpenFlowClient, laid: Laid) => Promise<void>): Promise<void> {
  const create = { name: 'ovs0', kind: 'ovs', usermode: USERMODE } as const
  await onVswitch({ ovsdb: ovs.ovsdb, ovs, targets: 3, create }, async (laid) => {
    for (const [at, netns] of laid.targets.entries()) await laid.vswitch.plug({ netns }, { slot: at + 1 })
    const client = await OpenFlowClient.connect(managementSocket('ovs0', { ovsdb: ovs.ovsdb }))
    try {
      await action(client, laid)
    } finally {
      await client.close()
    }
  })
}

const mac = (slot: number) => `52:00:0a:00:00:0${slot}`

ovsTest('without any other flow but for broadcasts, slot flows alone carry the traffic', () =>
  withThree(async (client, { targets }) => {
    const [first = '', second = ''] = targets
    const broadcasts = {
      command: 'add',
      match: { dlDst: 'ff:ff:ff:ff:ff:ff' },
      actions: [{ output: 'FLOOD' }],
    } as const
    assert.equal(await client.apply([{ command: 'delete', match: {} }, broadcasts]), [undefined, undefined])
    assert.not.ok(await pings(first, '10.0.0.2'), 'nothing learns, and nothing forwards')
    const flows = [1, 2].map((slot) => ({ mac: mac(slot), slot }))
    assert.equal(await setSlotFlows(client, flows), [undefined, undefined])
    await forgetNeighbours(first, 'eth0')
    await megabyteEachWay(first, second, '10.0.0.2')
    await removeSlotFlows(client, [mac(2)])
    assert.not.ok(await pings(first, '10.0.0.2'))
  }),
)

ovsTest('a slot flow decides, whatever the switch has learned', () =>
  withThree(async (client, { targets }) => {
    const [first = '', second = ''] = targets
    await megabyteEachWay(first, second, '10.0.0.2')
    assert.equal(await setSlotFlows(client, [{ mac: mac(2), slot: 3 }]), [undefined])
    assert.not.ok(await pings(first, '10.0.0.2'), 'it goes to slot 3')
    assert.equal(await setSlotFlows(client, [{ mac: mac(2), slot: 2 }]), [undefined])
    await forgetNeighbours(first, 'eth0')
    await megabyteEachWay(first, second, '10.0.0.2')
  }),
)

ovsTest('a slot flow passes the VLAN of a port over, so a slot that has one must have no flow', () =>
  withThree(async (client, { targets }) => {
    const [first = '', second = ''] = targets
    const permanent = ['dev', 'eth0', 'nud', 'permanent']
    await inside(first, 'ip', ['neigh', 'replace', '10.0.0.2', 'lladdr', mac(2), ...permanent])
    await inside(second, 'ip', ['neigh', 'replace', '10.0.0.1', 'lladdr', mac(1), ...permanent])
    await removeSlotFlows(client, 'all')
    await ovs.vsctl('set', 'Port', 'ovs0-s2', 'tag=7')
    assert.not.ok(await pings(first, '10.0.0.2'), 'NORMAL keeps them apart')
    const flows = [1, 2].map((slot) => ({ mac: mac(slot), slot }))
    assert.equal(await setSlotFlows(client, flows), [undefined, undefined])
    await answers(first, '10.0.0.2')
  }),
)

ovsTest('a port that is not flooded gets no broadcast, and so cannot be found', () =>
  withThree(async (client, { targets }) => {
    const [first = '', , third = ''] = targets
    assert.equal(await client.modifyPorts([{ port: 3, config: { noFlood: true } }]), [undefined])
    assert.not.ok(await pings(first, '10.0.0.3'))
    assert.equal(await client.modifyPorts([{ port: 3, config: { noFlood: false } }]), [undefined])
    await forgetNeighbours(first, 'eth0')
    await megabyteEachWay(first, third, '10.0.0.3')
  }),
)

test.run()
