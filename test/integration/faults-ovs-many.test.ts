/** Faults of Open vSwitch while many are being plugged in, and what somebody else does to its rows meanwhile. */
import { existsSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { asEcdockError, EcdockError, type ErrorCode } from '../../src/errors.js'
import { Host } from '../../src/host.js'
import type { PlugOutcome, PlugRequest, Vswitch } from '../../src/vswitch/vswitch.js'
import { ecdockFast } from '../support/cli-program.js'
import { removeLeftDatapath, USERMODE } from '../support/datapath.js'
import { type Job, LIBRARY_PROGRAM } from '../support/library-program.js'
import { hasRow, slotsWithFlows } from '../support/on-ovs.js'
import { type PrivateOvs, startOvs } from '../support/ovs.js'
import { patience } from '../support/patience.js'
import { codeOrSlot, portsOf } from '../support/plugged.js'
import { run, runToEnd, waitUntil } from '../support/process.js'
import { needs } from '../support/requirements.js'
import { leavingNothing } from '../support/world.js'

const ovsTest = needs('root', 'openvswitch', 'iproute2') ? test : test.skip

/** Below 1280 bytes there is no IPv6, whose multicast keeps a userspace datapath of many ports busy for seconds. */
const MTU = 1200
const AWAY: readonly ErrorCode[] = ['OVSDB_LOST', 'OVSDB_UNREACHABLE', 'TIMEOUT']

/** How many are plugged in at a time: each by a call of its own, or all by one. */
const WAYS = {
  'single plugs': (vswitch: Vswitch, requests: readonly PlugRequest[]) =>
    Promise.all(
      requests.map(
        ({ target, ...options }): Promise<PlugOutcome> =>
          vswitch.plug(target, options).then(
            (port) => ({ ok: true, port }),
            (error: unknown) => ({ ok: false, error: asEcdockError(error, 'plug') }),
          ),
      ),
    ),
  'one plugAll': (vswitch: Vswitch, requests: readonly PlugRequest[]) => vswitch.plugAll(requests),
}

for (const [way, plugMany] of Object.entries(WAYS)) {
  const most = way === 'one plugAll' ? 200 : 60
  ovsTest(`ovsdb-server is killed and started again during ${most} plugs (${way})`, () =>
    onOvs(most, {}, async (laid) => {
      const { ovs, vswitch, requests } = laid
      const [first, others] = [requests.slice(0, 10), requests.slice(10)]
      portsOf(await vswitch.plugAll(first))
      // What is written cannot come to its end before the server is killed.
      process.kill(ovs.vswitchdPid ?? 0, 'SIGSTOP')
      const plugging = plugMany(vswitch, others)
      await hasRow(ovs, 'ovs0-s11')
      await ovs.killServer()
      await ovs.startServer()
      process.kill(ovs.vswitchdPid ?? 0, 'SIGCONT')
      const outcomes = await plugging
      assert.ok(outcomes.some((outcome) => !outcome.ok && outcome.error.code === 'OVSDB_LOST'))
      await eachIsWholeOrGone(laid, others, outcomes, AWAY)
      await allCanBePlugged(laid)
    }),
  )

  ovsTest(`ovs-vswitchd is killed and started again during ${most / 2} plugs (${way})`, () =>
    onOvs(most / 2, {}, async (laid) => {
      const { ovs, vswitch, requests } = laid
      const [first, others] = [requests.slice(0, 10), requests.slice(10)]
      portsOf(await vswitch.plugAll(first))
      process.kill(ovs.vswitchdPid ?? 0, 'SIGSTOP')
      const plugging = plugMany(vswitch, others)
      await hasRow(ovs, 'ovs0-s11')
      await ovs.killVswitchd()
      await ovs.startVswitchd()
      await eachIsWholeOrGone(laid, others, await plugging, ['OVS_PORT_FAILED', 'TIMEOUT'])
      await allCanBePlugged(laid)
      // The next plug sets all flows again, also those that could not be set while ovs-vswitchd was away.
      await vswitch.unplug(1)
      await vswitch.plug({ netns: 't1' }, { slot: 1, mtu: MTU })
      assert.equal(await slotsWithFlows(ovs), slotsOf(requests))
    }),
  )

  ovsTest(`the bridge is deleted during 50 plugs (${way})`, () =>
    // Some have standing ports, some have none.
    onOvs(50, { slots: 10 }, async (laid) => {
      const { ovs, host, vswitch, requests } = laid
      const [first, others] = [requests.slice(0, 15), requests.slice(15)]
      portsOf(await vswitch.plugAll(first))
      process.kill(ovs.vswitchdPid ?? 0, 'SIGSTOP')
      const plugging = plugMany(vswitch, others)
      await hasRow(ovs, 'ovs0-s16')
      await ovs.vsctl('--no-wait', 'del-br', 'ovs0')
      process.kill(ovs.vswitchdPid ?? 0, 'SIGCONT')
      const outcomes = await plugging
      assert.equal([...new Set(outcomes.map(codeOrSlot))], ['VSWITCH_NOT_FOUND'])
      for (const { target } of others) assert.equal(await plugged(host, target), [])
      const { failed } = await host.cleanup()
      assert.equal(failed, [])
      for (const { target } of first) assert.equal(await plugged(host, target), [])
      await laid.create()
      await allCanBePlugged(laid)
    }),
  )
}

ovsTest('the row of an empty standing port is deleted by hand: the slot can be used again', () =>
  onOvs(3, { slots: 2 }, async (laid) => {
    const { ovs, host, vswitch } = laid
    await ovs.vsctl('del-port', 'ovs0-p2')
    assert.equal(await vswitch.reservedSlots(), [1])
    for (let round = 0; round < 3; round++) {
      await allCanBePlugged(laid)
      assert.ok((await vswitch.unplugAll([1, 2, 3])).every(({ ok }) => ok))
    }
    assert.equal((await host.cleanup()).failed, [])
  }),
)

ovsTest('the row of a standing port is deleted by hand under what is plugged in: that can be taken out', () =>
  onOvs(3, { slots: 3 }, async (laid) => {
    const { ovs, host, vswitch, requests } = laid
    portsOf(await vswitch.plugAll(requests))
    await ovs.vsctl('del-port', 'ovs0-p2')
    assert.is((await vswitch.port(2))?.state, 'stray')
    await vswitch.unplug(2)
    assert.equal(await plugged(host, { netns: 't2' }), [])
    await allCanBePlugged(laid)
  }),
)

for (const name of ['ovs0-s2', 'ovs0-p2']) {
  ovsTest(`a foreign port ${name}, when the slot is reserved or used again: only that slot fails`, () =>
    onOvs(3, {}, async (laid) => {
      const { ovs, host, vswitch, requests } = laid
      await foreignPort(ovs, name, 77)
      await refused(vswitch.reserve([2]))
      const before = await foreignPortPicture(ovs, name)
      const others = requests.filter(({ slot }) => slot !== 2)
      for (let round = 0; round < 2; round++) {
        const outcomes = await vswitch.plugAll(requests)
        const made = outcomes.flatMap((outcome) => (outcome.ok ? outcome.port.slot : []))
        // Its first plug needs no port of the other name.
        assert.equal(made, name === 'ovs0-p2' && round === 0 ? [1, 2, 3] : slotsOf(others))
        await eachReachesTheNext(host, made)
        if (!made.includes(2)) assert.equal(await plugged(host, { netns: 't2' }), [])
        assert.ok((await vswitch.unplugAll(made)).every(({ ok }) => ok))
      }
      assert.equal(await foreignPortPicture(ovs, name), before)
      await ovs.vsctl('del-port', name)
      await allCanBePlugged(laid)
    }),
  )
}

ovsTest(
  'a foreign port that wants the number of a slot that is used again: whoever loses it, the others do not',
  () =>
    onOvs(3, {}, async (laid) => {
      const { ovs, host, vswitch, requests } = laid
      portsOf(await vswitch.plugAll(requests))
      assert.ok((await vswitch.unplugAll([1, 2, 3])).every(({ ok }) => ok))
      await foreignPort(ovs, 'foreign0', 2)
      const [before] = await foreignPortPicture(ovs, 'foreign0')
      const outcomes = await vswitch.plugAll(requests)
      const made = outcomes.flatMap((outcome) => (outcome.ok ? outcome.port.slot : []))
      const holds = await ovs.vsctl('get', 'Interface', 'foreign0', 'ofport')
      // Open vSwitch may give it the number when the slot's port is exchanged; then that is said, and nothing else is lost. Then it makes its device anew.
      assert.equal(made, holds === '2' ? [1, 3] : [1, 2, 3])
      if (!made.includes(2)) assert.equal(await plugged(host, { netns: 't2' }), [])
      await eachReachesTheNext(host, made)
      assert.is((await foreignPortPicture(ovs, 'foreign0'))[0], before)
      await ovs.vsctl('del-port', 'foreign0')
      await allCanBePlugged(laid)
    }),
)

ovsTest(
  'SIGTERM during 500 plugs of `batch`: what it has told of is whole, and of the others nothing is left',
  () =>
    onOvs(500, {}, async (laid) => {
      const { ovs, vswitch, requests, host } = laid
      const lines = requests.map(({ slot, target, mtu }) =>
        JSON.stringify({ op: 'plug', vswitch: 'ovs0', slot, target, mtu }),
      )
      // `batch` does 64 at a time: the second lot is under way then.
      const ended = await ecdockFast(['--json', '--ovsdb', ovs.ovsdb, 'batch'], {
        input: `${lines.join('\n')}\n`,
        onStart: (pid) => void terminateAt(pid, () => vswitch.ports().then(({ length }) => length > 64 + 5)),
      })
      assert.is(ended.status, 143, ended.output.slice(-500))
      const results = ended.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as BatchResult)
      const told = results.flatMap(({ result }) => result?.slot ?? [])
      assert.ok(told.length >= 64 && told.length < 500, `${told.length} were plugged in`)
      assert.equal(
        (await vswitch.ports()).map(({ slot, state }) => [slot, state]),
        told.map((slot) => [slot, 'up']),
      )
      assert.equal(await slotsWithRows(ovs), told)
      assert.equal(await slotsWithLinks(host), told)
      assert.equal((await host.cleanup()).removed, [])
      await eachReachesTheNext(host, told.slice(0, 40))
    }),
)

ovsTest(
  'SIGTERM during 500 plugs of a program that does not heed it: `cleanup` leaves only whole ports',
  () =>
    onOvs(500, {}, async (laid) => {
      const { ovs, vswitch, requests, host } = laid
      const job: Job = { open: { ovsdb: ovs.ovsdb }, vswitch: 'ovs0', requests }
      const ended = await runToEnd(process.execPath, [LIBRARY_PROGRAM, JSON.stringify(job)], {
        onStart: (pid) =>
          void terminateAt(pid, () => slotsWithLinks(host).then(({ length }) => length >= 100)),
      })
      assert.is(ended.signal, 'SIGTERM', ended.output.slice(-500))
      assert.equal((await host.cleanup()).failed, [])
      const whole = (await vswitch.ports()).map(({ slot }) => slot)
      assert.ok((await vswitch.ports()).every(({ state }) => state === 'up'))
      assert.equal(await slotsWithRows(ovs), whole)
      assert.equal(await slotsWithLinks(host), whole)
      for (const { slot, target } of requests.slice(0, 150))
        assert.is((await plugged(host, target)).length, whole.includes(slot) ? 1 : 0)
      // Whatever it has left, each slot can be had.
      const [some] = [requests.slice(0, 20).filter(({ slot }) => !whole.includes(slot))]
      portsOf(await vswitch.plugAll(some))
      await eachReachesTheNext(host, slotsOf(requests.slice(0, 20)))
    }),
)

test.run()

interface BatchResult {
  result?: { slot: number }
}

/** Sends SIGTERM to a process as soon as so much has happened. */
async function terminateAt(pid: number, enough: () => Promise<boolean>): Promise<void> {
  await waitUntil('there is enough to be cut short', enough, 20_000)
  // It may have ended by a fault of its own, which its exit status tells.
  if (existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGTERM')
}

async function foreignPort(ovs: PrivateOvs, name: string, ofport: number): Promise<void> {
  const row = ['set', 'Interface', name, 'type=internal', `ofport_request=${ofport}`]
  await ovs.vsctl('add-port', 'ovs0', name, '--', ...row)
}

async function foreignPortPicture(ovs: PrivateOvs, name: string): Promise<string[]> {
  const port = await ovs.vsctl('--columns=_uuid,external_ids,interfaces', 'list', 'Port', name)
  return [port, (await run('ip', ['-o', 'link', 'show', name])).replace(/.* link\//, '')]
}

async function refused(promise: Promise<unknown>): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (e: unknown) => e,
  )
  assert.instance(error, EcdockError)
}

interface Laid {
  ovs: PrivateOvs
  host: Host
  vswitch: Vswitch
  /** One for each slot from 1, each with a target of its own. */
  requests: (PlugRequest & { slot: number; target: { netns: string } })[]
  /** Creates the vswitch once more. */
  create: () => Promise<void>
}

/**
 * An Open vSwitch of the test's own with a vswitch `ovs0`, namespaces t1, t2, … and a bridge and ports of somebody
 * else, which must be as they were in the end.
 */
async function onOvs(
  targets: number,
  options: { slots?: number; ovsTimeoutMs?: number },
  body: (laid: Laid) => Promise<void>,
): Promise<void> {
  await leavingNothing(async () => {
    const ovs = await startOvs()
    const host = await Host.open({ ovsdb: ovs.ovsdb, ovsTimeoutMs: patience(options.ovsTimeoutMs ?? 30_000) })
    const slots = Array.from({ length: targets }, (_, at) => at + 1)
    const names = slots.map((slot) => `t${slot}`)
    await host.kernel.createNamespaces(names)
    const create = () =>
      host.createVswitch({
        name: 'ovs0',
        kind: 'ovs',
        usermode: USERMODE,
        subnet: '10.0.255.254/16',
        slots: options.slots ?? 0,
      })
    try {
      await foreignThings(ovs)
      const before = await foreignPicture(ovs)
      const laid: Laid = {
        ovs,
        host,
        vswitch: await create(),
        requests: slots.map((slot) => ({ slot, target: { netns: `t${slot}` }, mtu: MTU })),
        create: async () => {
          laid.vswitch = await create()
        },
      }
      await body(laid)
      assert.equal(await foreignPicture(ovs), before)
      await host.deleteVswitch('ovs0')
    } finally {
      await host.kernel.deleteNamespaces(names)
      await host.close()
      // A process that stands still could not be ended otherwise.
      for (const pid of [ovs.serverPid, ovs.vswitchdPid]) if (pid !== undefined) process.kill(pid, 'SIGCONT')
      await run('ip', ['link', 'delete', 'foreign-v'])
      await ovs.stop()
      // An ovs-vswitchd that was killed leaves its own interfaces, when the test has failed.
      for (const bridge of ['ovs0', 'foreign-br']) await removeLeftDatapath(bridge)
    }
  })
}

async function foreignThings(ovs: PrivateOvs): Promise<void> {
  const type = USERMODE ? 'netdev' : 'system'
  await run('ip', ['link', 'add', 'foreign-v', 'type', 'veth', 'peer', 'name', 'foreign-w'])
  await ovs.vsctl(
    ...['add-br', 'foreign-br', '--', 'set', 'Bridge', 'foreign-br', `datapath_type=${type}`],
    ...[
      '--',
      'add-port',
      'foreign-br',
      'foreign-v',
      '--',
      'set',
      'Port',
      'foreign-v',
      'external_ids:of=others',
    ],
  )
}

/** What somebody else has, in the database and on the host. */
async function foreignPicture(ovs: PrivateOvs): Promise<string[]> {
  const columns = '--columns=_uuid,name,external_ids,interfaces'
  return [
    await ovs.vsctl('list-ports', 'foreign-br'),
    await ovs.vsctl(columns, 'list', 'Port', 'foreign-v'),
    (await run('ip', ['-o', 'link', 'show', 'foreign-v'])).split(' mtu')[0] ?? '',
    await run('ip', ['-o', 'link', 'show', 'foreign-w']),
  ]
}

function slotsOf(requests: readonly { slot: number }[]): number[] {
  return requests.map(({ slot }) => slot)
}

/** Names of what a target has besides its loopback. */
async function plugged(host: Host, { netns }: { netns: string }): Promise<string[]> {
  const links = await host.kernel.links(`/run/netns/${netns}`)
  return links.map(({ name }) => name).filter((name) => name !== 'lo')
}

/**
 * Each caller has heard of its own slot, or one of these errors. What succeeded carries traffic from slot to slot; of what
 * failed there is neither an interface nor a row.
 */
async function eachIsWholeOrGone(
  { ovs, host, vswitch, requests }: Laid,
  asked: Laid['requests'],
  outcomes: readonly PlugOutcome[],
  errors: readonly ErrorCode[],
): Promise<void> {
  assert.is(outcomes.length, asked.length)
  const failed: number[] = []
  for (const [at, { slot, target }] of asked.entries()) {
    const outcome = outcomes[at]
    assert.ok(outcome, `slot ${slot} has heard nothing`)
    if (outcome.ok) {
      assert.is(outcome.port.slot, slot)
      continue
    }
    assert.ok(errors.includes(outcome.error.code), `${outcome.error.code}: ${outcome.error.message}`)
    assert.equal(await plugged(host, target), [])
    failed.push(slot)
  }
  const whole = slotsOf(requests).filter((slot) => !failed.includes(slot))
  assert.equal(
    (await vswitch.ports()).map(({ slot, state, ofport }) => [slot, state, ofport]),
    whole.map((slot) => [slot, 'up', slot]),
  )
  assert.equal(await slotsWithRows(ovs), whole)
  assert.equal(await slotsWithLinks(host), whole)
  await eachReachesTheNext(host, whole)
}

/** Whatever has been before: what is not plugged in can be, and then each reaches the next. */
async function allCanBePlugged({ host, vswitch, requests }: Laid): Promise<void> {
  const there = (await vswitch.ports()).map(({ slot }) => slot)
  portsOf(await vswitch.plugAll(requests.filter(({ slot }) => !there.includes(slot))))
  assert.equal(
    (await vswitch.ports()).map(({ slot, state, ofport }) => [slot, state, ofport]),
    slotsOf(requests).map((slot) => [slot, 'up', slot]),
  )
  await eachReachesTheNext(host, slotsOf(requests))
}

/**
 * From slot to slot: the host would answer on the ports' own interfaces, which proves nothing of the switch. Who is asked
 * for is known to the neighbours already, because a broadcast goes to every port, which keeps a userspace datapath of so
 * many ports busy for seconds.
 */
async function eachReachesTheNext(host: Host, slots: readonly number[]): Promise<void> {
  const ring = slots.map((slot, at) => ({ slot, next: slots[(at + 1) % slots.length] ?? slot }))
  for (const [at, { slot, next }] of ring.entries()) {
    const before = ring.at(at - 1)?.slot ?? slot
    const input = [before, next].map((other) => {
      const mac = `52:00:0a:00:00:${other.toString(16).padStart(2, '0')}`
      return `neighbour replace 10.0.0.${other} lladdr ${mac} dev eth0 nud permanent\n`
    })
    await run('ip', ['-n', `t${slot}`, '-batch', '-'], { input: input.join('') })
  }
  const deadline = Date.now() + patience(10_000)
  let left = ring
  while (left.length > 0 && Date.now() < deadline) {
    const probes = left.map(({ slot, next }) => ({
      netns: `/run/netns/t${slot}`,
      address: `10.0.0.${next}`,
      timeoutMs: 500,
    }))
    const answers = await host.kernel.probe(probes)
    left = left.filter((_, at) => answers[at]?.reply !== true)
  }
  assert.equal(left, [], 'slots without an answer')
}

/** Slots of which the database has a row, by its name. */
async function slotsWithRows(ovs: PrivateOvs): Promise<number[]> {
  return slotsIn((await ovs.vsctl('--no-wait', 'list-ports', 'ovs0')).split('\n'))
}

/** Slots of which there is an interface on the host's side. */
async function slotsWithLinks(host: Host): Promise<number[]> {
  const links = [...(await host.kernel.links('')), ...(await standingLinks(host))]
  return slotsIn(links.map(({ name }) => name).filter((name) => name.startsWith('ovs0-s')))
}

async function standingLinks(host: Host): Promise<{ name: string }[]> {
  const there = (await host.kernel.namespaces()).some(({ name }) => name === 'ecdock-ovs0')
  return there ? host.kernel.links('/run/netns/ecdock-ovs0') : []
}

function slotsIn(names: readonly string[]): number[] {
  const slots = names.flatMap((name) => /^ovs0-[sp](\d+)$/.exec(name)?.[1] ?? [])
  return slots.map(Number).sort((a, b) => a - b)
}
