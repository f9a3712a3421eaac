import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cleanup } from '../../src/cleanup/cleanup.js'
import type { Sight } from '../../src/cleanup/finding.js'
import { cleanupText } from '../../src/cli/render/cleanup.js'
import { EcdockError } from '../../src/errors.js'
import type { Kernel, Link } from '../../src/kernel/kernel.js'
import type { DatabaseView } from '../../src/vswitch/ovs/database-view.js'
import { LINK_GROUP } from '../../src/vswitch/record.js'
import type { Port, Vswitch } from '../../src/vswitch/vswitch.js'

/** A vswitch of kind `ovs` whose ports are all ghosts; unplugging a slot fails with the error that is given for it. */
function ghosts(name: string, slots: readonly number[], errors: Record<number, EcdockError> = {}) {
  const unplugged: number[] = []
  const vswitch = {
    name,
    kind: 'ovs',
    ports: async () =>
      slots.map((slot) => ({ slot, hostIfname: `${name}-s${slot}`, state: 'ghost' }) as Port),
    unplug: async (slot: number) => {
      const error = errors[slot]
      if (error !== undefined) throw error
      unplugged.push(slot)
    },
    mirrors: async () => [],
  } as Partial<Vswitch> as Vswitch
  return { vswitch, unplugged }
}

/** The host's interfaces, each with the alias of a port. */
function kernelWith(aliases: Record<string, string>) {
  const deleted: number[] = []
  const links = Object.entries(aliases).map(
    ([name, alias], at) => ({ name, alias, ifindex: at + 1, kind: 'veth', group: LINK_GROUP }) as Link,
  )
  const kernel = {
    namespaces: async () => [],
    links: async () => links,
    deleteLinks: async (_netns: string, ifindexes: readonly number[]) => void deleted.push(...ifindexes),
  } as Partial<Kernel> as Kernel
  return { kernel, deleted }
}

/** Marks name it 0123abcd. */
function database({ bridges = [], ports = [] }: { bridges?: string[]; ports?: string[] }): DatabaseView {
  return {
    isNamedBy: ({ ovsdb }) => ovsdb === '0123abcd',
    hasBridge: (name) => bridges.includes(name),
    hasPort: (name) => ports.includes(name),
  }
}

const containers = { list: async () => [] } as never
const away = new EcdockError('OVSDB_UNREACHABLE', 'ovsdb connect', 'No OVSDB server can be reached.')
const lost = new EcdockError('OVSDB_LOST', 'ovsdb', 'The connection was lost.')
const empty = new EcdockError('SLOT_EMPTY', 'unplug', 'slot 2 of ovs0 is empty')

function world(kernel: Kernel, sight: Sight) {
  return { kernel, containers, runDir: '/nowhere', look: async () => sight }
}

test('what cannot be removed does not keep the rest from being removed', async () => {
  const { vswitch, unplugged } = ghosts('ovs0', [1, 2, 3], { 1: lost, 2: empty })
  const { kernel } = kernelWith({})
  const report = await cleanup(world(kernel, { vswitches: [vswitch], database: away }))
  assert.equal(unplugged, [3])
  assert.equal(
    report.removed.map(({ name }) => name),
    ['ovs0-s3'],
  )
  // The port that was gone already has been removed by somebody else.
  assert.equal(
    report.failed.map(({ name, error }) => [name, error.code]),
    [['ovs0-s1', 'OVSDB_LOST']],
  )
})

test('a vswitch whose ports cannot be read does not keep the others from being looked at', async () => {
  const { vswitch, unplugged } = ghosts('ovs1', [7])
  const broken = {
    ...ghosts('ovs0', []).vswitch,
    ports: () => Promise.reject(lost),
  } as Vswitch
  const { kernel } = kernelWith({})
  const report = await cleanup(world(kernel, { vswitches: [broken, vswitch], database: away }))
  assert.equal(unplugged, [7])
  assert.equal(report.skipped, ['The ports of ovs0 were not looked at: The connection was lost.'])
})

const PORT = 'ecdock-fast port vswitch=ovs0 slot=1 ifname=eth0 netns=1 mac=52:00:0a:00:00:01'

test('a port is left alone when OVSDB does not say whether its vswitch is gone', async () => {
  const { kernel, deleted } = kernelWith({ 'ovs0-s1': `${PORT} target=netns:a` })
  const report = await cleanup(world(kernel, { vswitches: [], database: away }))
  assert.equal(report.removed, [])
  assert.equal(report.skipped, [
    'What may be ports of Open vSwitch was left alone (ovs0-s1): No OVSDB server can be reached.',
  ])
  assert.equal(deleted, [])
})

test('a port is removed only when its own database says that its vswitch is gone', async () => {
  const { kernel, deleted } = kernelWith({
    'ovs0-s1': `${PORT} ovsdb=0123abcd target=netns:a`,
    'ovs0-s2': `${PORT} ovsdb=99999999 target=netns:a`,
    'ovs0-s3': `${PORT} target=netns:a`,
  })
  const report = await cleanup(world(kernel, { vswitches: [], database: database({}) }))
  assert.equal(deleted, [1])
  assert.match(report.skipped.join(), /left alone \(ovs0-s2, ovs0-s3\): they may belong to another database/)
  for (const has of [{ bridges: ['ovs0'] }, { ports: ['ovs0-s1'] }]) {
    const others = await cleanup(world(kernel, { vswitches: [], database: database(has) }))
    assert.equal(others.removed, [])
  }
})

const SLOT = 'ecdock-fast slot vswitch=ovs0 slot'

test('what stays of slots is removed only when its own database has no port of them', async () => {
  const { kernel, deleted } = kernelWith({
    'ovs0-p1': `${SLOT}=1 ovsdb=0123abcd`,
    'ovs0-p2': `${SLOT}=2 ovsdb=0123abcd`,
    'ovs0-p3': `${SLOT}=3 ovsdb=99999999`,
    'ovs0-p4': '',
    foreign: `${SLOT}=2 ovsdb=0123abcd`,
  })
  const known = database({ bridges: ['ovs0'], ports: ['ovs0-p1'] })
  const report = await cleanup(world(kernel, { vswitches: [], database: known }))
  assert.equal(
    report.removed.map(({ kind, name }) => `${kind} ${name}`),
    ['slot ovs0-s2'],
  )
  // Deleted twice, because here all namespaces have the same interfaces.
  assert.equal([...new Set(deleted)], [2])
  assert.match(report.skipped.join(), /left alone \(ecdock-ovs0\): they may belong to another database/)
})

test('what is put right is not said to be removed', () => {
  const report = {
    removed: [
      { kind: 'process', name: 'vde0', why: 'its switch had ended' },
      { kind: 'port', name: 'vde0-s1', why: 'its device is gone' },
    ] as const,
    failed: [],
    skipped: [],
  }
  const text = (dryRun: boolean) =>
    cleanupText({ ...report, removed: [...report.removed], dryRun }).split('\n')
  assert.equal(text(false), [
    'mended process vde0: its switch had ended',
    'removed port vde0-s1: its device is gone',
  ])
  assert.equal(text(true)[0], 'would mend process vde0: its switch had ended')
})

test.run()
