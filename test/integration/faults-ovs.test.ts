/** What becomes of plugs when ovs-vswitchd stands still or is restarted, and when they are cancelled. */
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Vswitch } from '../../src/index.js'
import { inside } from '../support/netns.js'
import { FIRST, hasRow, onOvs, SECOND, slotsWithFlows } from '../support/on-ovs.js'
import type { PrivateOvs } from '../support/ovs.js'
import { patience } from '../support/patience.js'
import { portsOf } from '../support/plugged.js'
import { run, waitUntil } from '../support/process.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { answers, megabyteEachWay } from '../support/traffic.js'

const ovsTest = needs('root', 'openvswitch', 'iproute2', 'ping', 'socat') ? test : test.skip

ovsTest('ovs-vswitchd that stands still: TIMEOUT, and the plug is undone', () =>
  onOvs({ ovsTimeoutMs: patience(1000) }, async ({ ovs, vswitch }) => {
    await vswitch.plug({ netns: FIRST })
    process.kill(ovs.vswitchdPid ?? 0, 'SIGSTOP')
    const error = await refusal(vswitch.plug({ netns: SECOND }), 'TIMEOUT')
    assert.match(error.hint ?? '', /Is ovs-vswitchd running/)
    assert.is(await ovs.vsctl('--no-wait', 'list-ports', 'ovs0'), 'ovs0-s1')
    assert.is(await inside(SECOND, 'ip', ['link', 'show', 'type', 'veth']), '')
    process.kill(ovs.vswitchdPid ?? 0, 'SIGCONT')
    assert.is((await vswitch.plug({ netns: SECOND })).slot, 2)
    await megabyteEachWay(FIRST, SECOND, '10.0.0.2')
  }),
)

ovsTest('a restarted ovs-vswitchd takes up what was plugged in', () =>
  onOvs({}, async ({ ovs, vswitch }) => {
    portsOf(await vswitch.plugAll([{ target: { netns: FIRST } }, { target: { netns: SECOND } }]))
    await ovs.killVswitchd('SIGTERM')
    await ovs.startVswitchd()
    await megabyteEachWay(SECOND, FIRST, '10.0.0.1')
    assert.ok((await vswitch.ports()).every(({ state, slot, ofport }) => state === 'up' && slot === ofport))
  }),
)

for (const [count, moments] of [
  [8, [0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40]],
  // Half of them are connected while the others are made.
  [60, [20, 40, 60, 80]],
] as const) {
  ovsTest(`aborting at any moment leaves each of ${count} ports whole, or nothing of it`, () =>
    onOvs({}, async ({ ovs, vswitch }) => {
      for (const ms of moments) {
        await abortAfter(ms, count, ovs, vswitch)
        if (count > 8) await vswitch.release(await vswitch.reservedSlots())
      }
      await vswitch.plug({ netns: FIRST })
      await answers(FIRST, '10.0.0.254')
    }),
  )
}

async function abortAfter(ms: number, count: number, ovs: PrivateOvs, vswitch: Vswitch): Promise<void> {
  const controller = new AbortController()
  const requests = Array.from({ length: count }, () => ({ target: { netns: FIRST } }))
  const plugging = vswitch.plugAll(requests, { signal: controller.signal })
  if (ms > 0) await sleep(ms)
  controller.abort()
  const outcomes = await plugging
  const made = outcomes.flatMap((outcome) => (outcome.ok ? [outcome.port.slot] : []))
  for (const outcome of outcomes) if (!outcome.ok) assert.is(outcome.error.code, 'CANCELLED')
  const ports = await vswitch.ports()
  assert.equal(
    ports.map(({ slot, state }) => [slot, state]),
    made.map((slot) => [slot, 'up']),
  )
  // Rows outlive what was plugged in; there are none that nobody knows of.
  const rows = (await ovs.vsctl('list-ports', 'ovs0')).split('\n').filter((name) => name !== '')
  assert.is(rows.length, made.length + (await vswitch.reservedSlots()).length)
  assert.equal(
    await slotsWithFlows(ovs),
    rows.map((name) => Number(/\d+$/.exec(name)?.[0])).sort((a, b) => a - b),
  )
  const there = await inside(FIRST, 'ip', ['-br', 'link', 'show', 'type', 'veth'])
  assert.is(there.split('\n').length - 1, made.length)
  await vswitch.unplugAll(made)
}

ovsTest('a plug that waits for others can be cancelled: it ends at once, and the others go on', () =>
  onOvs({}, async ({ ovs, vswitch }) => {
    process.kill(ovs.vswitchdPid ?? 0, 'SIGSTOP')
    // One that is taken in, as soon as ovs-vswitchd goes on, and the next.
    const going = [vswitch.plug({ netns: FIRST }, { slot: 1 })]
    await hasRow(ovs, 'ovs0-s1')
    going.push(vswitch.plug({ netns: FIRST }, { slot: 2 }))
    await hasRow(ovs, 'ovs0-s2')
    const controller = new AbortController()
    const waiting = refusal(
      vswitch.plug({ netns: SECOND }, { slot: 3, signal: controller.signal }),
      'CANCELLED',
    )
    await waitUntil('its interface is there', async () => (await run('ip', ['link'])).includes('ovs0-s3'))
    controller.abort()
    // ovs-vswitchd, for which the others wait, stands still.
    await waiting
    assert.is(await inside(SECOND, 'ip', ['link', 'show', 'type', 'veth']), '')
    assert.not.match(await ovs.vsctl('--no-wait', 'list-ports', 'ovs0'), 'ovs0-s3')
    process.kill(ovs.vswitchdPid ?? 0, 'SIGCONT')
    assert.equal(
      (await Promise.all(going)).map(({ slot }) => slot),
      [1, 2],
    )
    assert.is(await ovs.vsctl('list-ports', 'ovs0'), 'ovs0-s1\novs0-s2')
    assert.equal(await slotsWithFlows(ovs), [1, 2])
    await vswitch.plug({ netns: SECOND }, { slot: 3 })
    await megabyteEachWay(FIRST, SECOND, '10.0.0.3')
  }),
)

ovsTest('a target that dies takes its port with it, and the slot is good again', () =>
  onOvs({}, async ({ host, vswitch }) => {
    await host.kernel.createNamespaces(['dying'])
    await vswitch.plug({ netns: 'dying' }, { slot: 5 })
    await vswitch.plug({ netns: SECOND }, { slot: 6 })
    await host.kernel.deleteNamespaces(['dying'])
    await waitUntil('the port is gone', async () => (await vswitch.port(5)) === undefined)
    const again = await vswitch.plug({ netns: FIRST }, { slot: 5 })
    assert.equal([again.state, again.ofport], ['up', 5])
    await megabyteEachWay(SECOND, FIRST, '10.0.0.5')
  }),
)

test.run()
