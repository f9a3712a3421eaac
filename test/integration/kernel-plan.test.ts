import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadKernel } from '../../src/kernel/native.js'
import type { PlanFailed, PlanOutcome, Step } from '../../src/kernel/plan.js'
import { inside } from '../support/netns.js'
import { assertUnchanged, picture } from '../support/picture.js'
import { run } from '../support/process.js'
import { needs } from '../support/requirements.js'
import { inTwoNamespaces, SWITCH, TARGET } from '../support/switch-and-target.js'

const kernelTest = needs('root', 'iproute2', 'ethtool') ? test : test.skip
const kernel = loadKernel()

/** One of each kind, in an order in which each needs those before it. */
const STEPS: readonly Step[] = [
  {
    op: 'vacant',
    netns: TARGET,
    name: 'eth*',
    mac: '52:00:0a:09:00:01',
    addresses: ['10.9.0.1', '2001:db8::1'],
  },
  { op: 'netns', name: 'made', alias: 'made by a plan' },
  { op: 'sysctl', netns: SWITCH, key: 'ipv6/conf/default/disable_ipv6', value: '1' },
  { op: 'bridge', netns: SWITCH, name: 'br0', mac: '52:01:0a:09:00:fe', group: 9, alias: 'a bridge' },
  {
    op: 'veth',
    netns: SWITCH,
    name: 'port1',
    master: 'br0',
    group: 9,
    alias: 'plugged {ifname} of {netns}',
    peer: { netns: TARGET, name: 'eth*', mac: '52:00:0a:09:00:01', mtu: 1400 },
  },
  { op: 'address', netns: TARGET, name: 'eth*', address: '10.9.0.1', prefix: 24 },
  { op: 'address', netns: TARGET, name: 'eth*', address: '2001:db8::1', prefix: 64 },
  { op: 'tx-checksum-off', netns: TARGET, name: 'eth*' },
  { op: 'link', netns: TARGET, name: 'eth*', up: true },
  { op: 'route', netns: TARGET, name: 'eth*', destination: 'default', gateway: '10.9.0.254' },
  { op: 'route', netns: TARGET, name: 'eth*', destination: '10.77.0.0/16', gateway: '10.9.0.253' },
  { op: 'alive', netns: TARGET },
]

function up(name: string): Step {
  return { op: 'link', netns: TARGET, name, up: true }
}

kernelTest('a link that somebody else has made is taken into the target under its new name', () =>
  inTwoNamespaces(async () => {
    await inside(SWITCH, 'ip', [
      'link',
      'add',
      'made',
      'mtu',
      '1400',
      'type',
      'veth',
      'peer',
      'name',
      'other',
    ])
    await inside(TARGET, 'ip', ['link', 'add', 'eth0', 'type', 'bridge'])
    await inside(TARGET, 'ip', ['link', 'add', 'made', 'type', 'bridge'])
    const vacant: Step = { op: 'vacant', netns: TARGET, name: 'eth*', addresses: [] }
    const adopt = { op: 'adopt', netns: SWITCH, name: 'made', to: TARGET, as: 'eth*' } as const
    const gone = await execute([vacant, { ...adopt, name: 'absent' }])
    assert.equal([gone.ok, !gone.ok && gone.errno], [false, 'ENODEV'])
    const settings = { mac: '52:00:0a:09:00:01', group: 9, alias: 'adopted {ifname}' }
    const outcome = await execute([vacant, { ...adopt, ...settings }, up('eth*')])
    assert.is(outcome.ok && outcome.ifname, 'eth1')
    const [eth1] = await kernel.linksByName(TARGET, ['eth1'])
    assert.equal(
      [eth1?.mac, eth1?.mtu, eth1?.group, eth1?.alias, eth1?.up],
      ['52:00:0a:09:00:01', 1400, 9, 'adopted eth1', true],
    )
    assert.equal(
      (await kernel.links(SWITCH)).map(({ name }) => name),
      ['lo', 'other'],
    )
    // What failed afterwards is undone, but for the link: that is its maker's.
    await inside(SWITCH, 'ip', ['link', 'add', 'again', 'type', 'veth', 'peer', 'name', 'peer'])
    const failed = await execute([{ ...adopt, name: 'again', as: 'eth7' }, up('absent')])
    assert.is(failed.ok, false)
    assert.is((await kernel.linksByName(TARGET, ['eth7']))[0]?.name, 'eth7')
  }),
)

kernelTest('a plan makes what its steps say, and tells which name was free', () =>
  inTwoNamespaces(async (_, target) => {
    await inside(TARGET, 'ip', ['link', 'add', 'eth0', 'type', 'bridge'])
    const outcome = await execute(STEPS)
    assert.is(outcome.ok, true)
    assert.is(outcome.ok && outcome.ifname, 'eth1')
    assert.is(outcome.ok && outcome.netnsId, await kernel.namespaceId(target.path))

    const [port] = await kernel.linksByName(SWITCH, ['port1'])
    const [eth1] = await kernel.linksByName(TARGET, ['eth1'])
    assert.is(port?.alias, `plugged eth1 of ${await kernel.namespaceId(target.path)}`)
    assert.is(port?.group, 9)
    assert.ok(port?.up && port.carrier)
    assert.equal([eth1?.mac, eth1?.mtu, eth1?.up], ['52:00:0a:09:00:01', 1400, true])
    const routes = await inside(TARGET, 'ip', ['route'])
    assert.match(routes, 'default via 10.9.0.254 dev eth1 proto static')
    assert.match(routes, '10.77.0.0/16 via 10.9.0.253 dev eth1')
    assert.match(await inside(TARGET, 'ethtool', ['-k', 'eth1']), 'tx-checksumming: off')
    // Not tentative: an address of ours is usable at once.
    assert.not.match(await inside(TARGET, 'ip', ['-6', 'address', 'show', 'eth1']), 'tentative 2001')
    assert.is((await inside(SWITCH, 'cat', ['/proc/sys/net/ipv6/conf/default/disable_ipv6'])).trim(), '1')
    await kernel.deleteNamespaces(['made'])
  }),
)

// A link that is not there can never be set, wherever the step stands.
const HOPELESS: Step = { op: 'link', netns: TARGET, name: 'nothing', up: true }

for (const [at, { op }] of STEPS.entries()) {
  kernelTest(`what fails after step ${at} (${op}) leaves everything as it was`, () =>
    inTwoNamespaces(async () => {
      const before = await world()
      const outcome = failed(await execute([...STEPS.slice(0, at + 1), HOPELESS]))
      assert.is(outcome.step, at + 1)
      assert.equal([outcome.op, outcome.errno, outcome.undoFailed], ['link set', 'ENODEV', undefined])
      assertUnchanged(await world(), before)
    }),
  )
}

/** For each kind of step what is in its way, and what it says then. */
const OBSTACLES: { step: number; obstacle: string[]; op: string; errno: string; says: RegExp }[] = [
  {
    step: 0,
    obstacle: ['-n', 'target', 'address', 'add', '10.9.0.1/32', 'dev', 'lo'],
    op: 'vacancy check',
    errno: 'EEXIST',
    says: /already has the address 10\.9\.0\.1, on lo/,
  },
  {
    step: 3,
    obstacle: ['-n', 'switch', 'link', 'add', 'br0', 'type', 'bridge'],
    op: 'bridge add',
    errno: 'EEXIST',
    says: /File exists/,
  },
  {
    step: 4,
    obstacle: ['-n', 'switch', 'link', 'add', 'port1', 'type', 'bridge'],
    op: 'veth add',
    errno: 'EEXIST',
    says: /File exists/,
  },
  {
    step: 9,
    obstacle: ['-n', 'target', 'route', 'add', 'default', 'dev', 'lo'],
    op: 'route add',
    errno: 'EEXIST',
    says: /File exists/,
  },
]

for (const { step, obstacle, op, errno, says } of OBSTACLES) {
  kernelTest(`${op} that meets an obstacle says so, and what came before is undone`, () =>
    inTwoNamespaces(async () => {
      await inside(TARGET, 'ip', ['link', 'set', 'lo', 'up'])
      await run('ip', obstacle)
      const before = await world()
      const outcome = failed(await execute(STEPS))
      assert.equal([outcome.step, outcome.op, outcome.errno], [step, op, errno])
      assert.match(outcome.message, says)
      assertUnchanged(await world(), before)
    }),
  )
}

/** Each is a step that cannot be done, in place of the one of that number. */
const WRONG: { step: number; wrong: Step; errno: string }[] = [
  {
    step: 0,
    wrong: { op: 'vacant', netns: '/run/netns/nothing', name: 'a', addresses: [] },
    errno: 'ENOENT',
  },
  { step: 1, wrong: { op: 'netns', name: 'target' }, errno: 'EEXIST' },
  { step: 2, wrong: { op: 'sysctl', netns: SWITCH, key: 'ipv6/conf/nothing', value: '1' }, errno: 'ENOENT' },
  {
    step: 2,
    wrong: { op: 'sysctl', netns: SWITCH, key: '../kernel/hostname', value: '1' },
    errno: 'EINVAL',
  },
  {
    step: 2,
    wrong: { op: 'sysctl', netns: SWITCH, key: 'ipv6/conf/default/mtu', value: 'much' },
    errno: 'EINVAL',
  },
  {
    step: 4,
    wrong: {
      op: 'veth',
      netns: SWITCH,
      name: 'port1',
      master: 'nothing',
      peer: { netns: TARGET, name: 'eth0' },
    },
    errno: 'ENODEV',
  },
  {
    step: 4,
    wrong: { op: 'veth', netns: SWITCH, name: 'port1', peer: { netns: '/proc/self/ns/mnt', name: 'eth0' } },
    errno: 'ENOTTY',
  },
  {
    step: 5,
    wrong: { op: 'address', netns: TARGET, name: 'nothing', address: '10.9.0.1', prefix: 24 },
    errno: 'ENODEV',
  },
  { step: 7, wrong: { op: 'tx-checksum-off', netns: TARGET, name: 'nothing' }, errno: 'ENODEV' },
  { step: 8, wrong: { op: 'link', netns: TARGET, name: 'eth*', mtu: 70_000 }, errno: 'EINVAL' },
  { step: 8, wrong: { op: 'link', netns: TARGET, name: 'eth*', master: 'nothing' }, errno: 'ENODEV' },
]

for (const { step, wrong, errno } of WRONG) {
  kernelTest(`a step ${JSON.stringify(wrong)} fails with ${errno}, and leaves nothing`, () =>
    inTwoNamespaces(async () => {
      const before = await world()
      const outcome = failed(await execute(STEPS.with(step, wrong)))
      assert.equal([outcome.step, outcome.errno], [step, errno])
      assertUnchanged(await world(), before)
    }),
  )
}

kernelTest("the kernel's own words are in the error", () =>
  inTwoNamespaces(async () => {
    const route: Step = {
      op: 'route',
      netns: TARGET,
      name: 'eth*',
      destination: 'default',
      gateway: '192.0.2.1',
    }
    const outcome = failed(await execute(STEPS.with(9, route)))
    assert.equal([outcome.step, outcome.errno], [9, 'ENETUNREACH'])
    assert.is(outcome.kernelMessage, 'Nexthop has invalid gateway')
    assert.match(outcome.message, /route add: .*Nexthop has invalid gateway/)

    const tooLarge = failed(
      await execute(STEPS.with(8, { op: 'link', netns: TARGET, name: 'eth*', mtu: 70_000 })),
    )
    assert.is(tooLarge.kernelMessage, 'mtu greater than device maximum')
  }),
)

kernelTest('a route that is there already is kept when the plan says so', () =>
  inTwoNamespaces(async () => {
    await inside(TARGET, 'ip', ['link', 'set', 'lo', 'up'])
    await inside(TARGET, 'ip', ['route', 'add', 'default', 'dev', 'lo'])
    const keeping = { ...STEPS[9], keepExisting: true } as Step
    assert.is((await execute(STEPS.with(9, keeping))).ok, true)
    const routes = await inside(TARGET, 'ip', ['route', 'show', 'default'])
    assert.is(routes.trim(), 'default dev lo scope link')
    await kernel.deleteNamespaces(['made'])
  }),
)

kernelTest('a sysctl that is wished for is left where it cannot be set, and another one ends the plan', () =>
  inTwoNamespaces(async () => {
    const absent = { op: 'sysctl', netns: TARGET, key: 'ipv6/conf/absent/disable_ipv6', value: '1' } as const
    const outcomes = await kernel.execute([
      { steps: [{ ...absent, optional: true }] },
      { steps: [absent] },
      { steps: [{ ...absent, key: '../fs/file-max', optional: true }] },
    ])
    assert.equal(
      outcomes.map((outcome) => outcome.ok || outcome.errno),
      [true, 'ENOENT', 'EINVAL'],
    )
  }),
)

kernelTest('of several plans one that fails is undone alone, and the others stay', () =>
  inTwoNamespaces(async () => {
    const plan = (number: number) => ({
      steps: [
        {
          op: 'veth',
          netns: SWITCH,
          name: `port${number}`,
          peer: { netns: TARGET, name: `eth${number}` },
        },
        { op: 'address', netns: TARGET, name: `eth${number}`, address: `10.9.${number}.1`, prefix: 24 },
        ...(number === 2 ? [HOPELESS] : []),
      ] satisfies Step[],
    })
    const outcomes = await kernel.execute([1, 2, 3].map(plan))
    assert.equal(
      outcomes.map(({ ok }) => ok),
      [true, false, true],
    )
    for (const [netns, stem] of [
      [SWITCH, 'port'],
      [TARGET, 'eth'],
    ] as const) {
      const names = (await kernel.links(netns)).map(({ name }) => name)
      assert.equal(names.filter((name) => name.startsWith(stem)).sort(), [`${stem}1`, `${stem}3`])
    }
  }),
)

test.run()

/** Gives a test the namespaces `switch` and `target`, and looks for what is left behind. */

async function world(): Promise<string> {
  const names = (await kernel.namespaces()).map(({ name }) => name).sort()
  const pictures = await Promise.all([picture('/proc/self/ns/net'), picture(SWITCH), picture(TARGET)])
  return [...names, ...pictures].join('\n')
}

async function execute(steps: readonly Step[]): Promise<PlanOutcome> {
  const [outcome] = await kernel.execute([{ steps: [...steps] }])
  if (outcome === undefined) throw new Error('no outcome')
  return outcome
}

function failed(outcome: PlanOutcome): PlanFailed {
  if (outcome.ok) throw new Error('the plan did not fail')
  return outcome
}
