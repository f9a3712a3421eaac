/** What `--explain` prints for slots of Open vSwitch, whatever is kept of them: a shell that runs it does what the plug does. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Host } from '../../src/host.js'
import type { PlugOptions, Vswitch } from '../../src/vswitch/vswitch.js'
import { ecdockFastJson } from '../support/cli-program.js'
import { USERMODE } from '../support/datapath.js'
import { type Laid, onVswitch } from '../support/on-vswitch.js'
import { type PrivateOvs, startOvs } from '../support/ovs.js'
import { run } from '../support/process.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { answers, megabyteEachWay } from '../support/traffic.js'

const ovsTest = needs('root', 'openvswitch', 'iproute2', 'ethtool', 'ping', 'socat') ? test : test.skip
const FIRST = { netns: '/run/netns/target1' }
const SECOND = { netns: '/run/netns/target2' }

let ovs: PrivateOvs

test.before(async () => {
  ovs = await startOvs()
})

test.after(() => ovs.stop())

async function used(vswitch: Vswitch, options: PlugOptions = {}): Promise<void> {
  await vswitch.plug(FIRST, { ...options, slot: 1 })
  await vswitch.unplug(1)
}

async function lost(vswitch: Vswitch): Promise<void> {
  await vswitch.reserve([1])
  await run('ip', ['link', 'delete', 'ovs0-p1'])
}

const reserved = (vswitch: Vswitch) => vswitch.reserve([1])

interface Case {
  /** What has become of slot 1 before. */
  before?: (vswitch: Vswitch) => Promise<void>
  options?: PlugOptions
}

const cases: Record<string, Case> = {
  'a slot that is used for the first time': {},
  'the first time, with a VLAN': { options: { vlan: 10 } },
  'a slot that is used again': { before: used },
  'a slot that is used again, with a VLAN': { before: used, options: { vlan: 10, trunks: [20, 21] } },
  'a slot that is used again, and had a VLAN': { before: (vswitch) => used(vswitch, { vlan: 10 }) },
  'a slot that was reserved': { before: reserved },
  'a slot that was reserved, with a VLAN': { before: reserved, options: { vlan: 10 } },
  'a slot that was reserved, and had a VLAN': {
    before: async (vswitch) => {
      await vswitch.reserve([1])
      await used(vswitch, { vlan: 10, trunks: [20] })
    },
  },
  'a slot that was reserved, for large frames': { before: reserved, options: { mtu: 9000 } },
  'a slot whose standing port has lost its interfaces': { before: lost },
  'an internal port in a slot that was reserved': { before: reserved, options: { internal: true } },
}

for (const [name, { before = async () => {}, options = {} }] of Object.entries(cases)) {
  ovsTest(name, () =>
    onOvs(async ({ host, vswitch }) => {
      const wanted = { ...options, slot: 1, ifname: 'eth0' }
      await vswitch.plug(SECOND, { slot: 2, ...(options.vlan !== undefined && { vlan: options.vlan }) })
      await before(vswitch)
      const { ms, ...port } = await vswitch.plug(FIRST, wanted)
      const plugged = await picture(host)
      await vswitch.unplug(1)
      await vswitch.release()
      // Nor is there a namespace of standing ports, unless what comes before makes one.
      await host.kernel.deleteNamespaces(['ecdock-ovs0']).catch(() => {})
      await before(vswitch)

      const unplugged = await picture(host)
      const commands = await vswitch.explain(FIRST, wanted)
      assert.equal(await picture(host), unplugged)
      await run('sh', ['-ec', commands.join('\n')], { env: ovs.env })
      assert.equal(await picture(host), plugged)
      const { stats, ...shown } = (await vswitch.port(1)) ?? port
      assert.equal(shown, port)
      await megabyteEachWay(FIRST.netns, SECOND.netns, '10.0.0.2')

      // What the shell has made is taken for ours.
      const refused = await refusal(vswitch.explain(FIRST, wanted), 'SLOT_TAKEN')
      assert.match(refused.message, 'target1')
      await vswitch.unplug(1)
      await again({ slot: 1 })
    }),
  )
}

ovsTest('several targets are explained in a slot each, and nothing is changed', () =>
  onOvs(async ({ host, vswitch }) => {
    await reserved(vswitch)
    const unplugged = await picture(host)
    const document = await ecdockFastJson([
      'plug',
      'netns:target1',
      'netns:target2',
      '--explain',
      '--ovsdb',
      ovs.ovsdb,
    ])
    const { commands } = document as { commands: string[] }
    for (const slot of [1, 2]) assert.match(commands.join('\n'), `10.0.0.${slot}/24`)
    assert.equal(await picture(host), unplugged)
    await run('sh', ['-ec', commands.join('\n')], { env: ovs.env })
    await answers(FIRST.netns, '10.0.0.2')
    assert.equal(
      (await vswitch.ports()).map(({ slot, state }) => [slot, state]),
      [
        [1, 'up'],
        [2, 'up'],
      ],
    )
  }),
)

test.run()

function onOvs(body: (laid: Laid) => Promise<void>): Promise<void> {
  const create = { name: 'ovs0', kind: 'ovs', usermode: USERMODE } as const
  return onVswitch({ ovsdb: ovs.ovsdb, ovs, create }, body)
}

/** Plugs in from a program that knows nothing of what has been before. */
async function again(options: PlugOptions): Promise<void> {
  const host = await Host.open({ ovsdb: ovs.ovsdb })
  try {
    await (await host.vswitch('ovs0')).plug(FIRST, options)
    await answers(FIRST.netns, '10.0.0.254')
  } finally {
    await host.close()
  }
}

/** The rows and flows of the bridge, and the interfaces, on the host, in the vswitch's namespace and in the targets. */
async function picture(host: Host): Promise<string[]> {
  const list = (table: string, columns: string) =>
    ovs.vsctl('--format=csv', `--columns=name,${columns}`, 'list', table)
  const rows = [
    await list('Port', 'tag,trunks,vlan_mode,external_ids'),
    await list('Interface', 'type,ofport,ofport_request,ingress_policing_rate,external_ids'),
  ]
  const flows = await run('ovs-ofctl', ['dump-flows', 'ovs0'], { env: ovs.env })
  const lines = [...rows, flows.replaceAll(/ (duration|n_packets|n_bytes|idle_age)=[^,]*,/g, '')].flatMap(
    (text) => text.trim().split('\n'),
  )
  for (const { name, path } of [{ name: 'host', path: '' }, ...(await host.kernel.namespaces())]) {
    const links = await host.kernel.links(path)
    for (const link of links) {
      const master = links.find(({ ifindex }) => ifindex === link.master)?.name ?? '-'
      // Ends that nobody has given a MAC have one by chance.
      const mac = link.mac.startsWith('52:00:0a:') ? link.mac : '-'
      const { kind, alias, group, mtu, up, carrier } = link
      lines.push([name, link.name, kind, alias, group, mtu, up, carrier, master, mac].join(' '))
    }
  }
  return lines.sort()
}
