import { setImmediate } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { EcdockError } from '../../src/errors.js'
import type { Kernel, Link, MarkedLink } from '../../src/kernel/kernel.js'
import type { Plan, PlanOutcome } from '../../src/kernel/plan.js'
import type { Backend, Connection, MadePort } from '../../src/vswitch/backend.js'
import { bridgeBackend } from '../../src/vswitch/bridge.js'
import { SlotSwitch } from '../../src/vswitch/slot-switch.js'
import type { PlugOutcome } from '../../src/vswitch/vswitch.js'
import { codeOrSlot } from '../support/plugged.js'
import { refusal } from '../support/refusal.js'

const BR0 = bridgeBackend({ name: 'br0', subnet: '10.0.0.254/24', ipv6Prefix: '2001:db8' })
const DONE: PlanOutcome = { ok: true, ms: 0.1, ifname: 'eth0', netnsId: 77 }
const TAKEN: PlanOutcome = {
  ok: false,
  ms: 0.1,
  step: 1,
  op: 'veth add',
  errno: 'EEXIST',
  message: 'File exists',
}
const broken = new EcdockError('KERNEL', 'link get', 'the kernel said no')

/** A vswitch on a kernel of the test's own, and the interfaces that were taken down again. */
function laid(kernel: Partial<Kernel>, backend: Partial<Backend> = {}) {
  const deleted: MarkedLink[] = []
  const whole = {
    execute: async (plans: readonly Plan[]) => plans.map(() => DONE),
    links: async () => [],
    linksByName: async (_netns: string, names: readonly string[]) => names.map(() => undefined),
    deleteMarkedLinks: async (_netns: string, links: readonly MarkedLink[]) => {
      deleted.push(...links)
      return links.map(() => 'deleted' as const)
    },
    ...kernel,
  } as Partial<Kernel> as Kernel
  const around = { kernel: whole, docker: () => assert.unreachable() as never, hasIpv6: true }
  return { vswitch: new SlotSwitch({ ...BR0, ...backend }, around), deleted }
}

type Connect = (made: readonly MadePort[]) => Promise<(EcdockError | undefined)[]>

/** A switch that connects ports as `connect` does: one answer for each. `added`: how many it is told of, each time. */
function connecting(connect: Connect, added = (_count: number) => {}): Partial<Backend> {
  const connection = (): Connection => {
    const all: MadePort[] = []
    return {
      add(made) {
        added(made.length)
        all.push(...made)
      },
      async finish() {
        const errors = await connect(all)
        return new Map(all.flatMap((port, at) => (errors[at] === undefined ? [] : [[port, errors[at]]])))
      },
    }
  }
  return { connection }
}

const into = (...slots: number[]) => slots.map((slot) => ({ target: { netns: 'blue' }, slot }))

test('when the kernel does not even say why a plug failed, the others of its batch go on', async () => {
  const { vswitch } = laid({
    execute: async (plans) => plans.map((_, at) => (at === 1 ? TAKEN : DONE)),
    linksByName: () => Promise.reject(broken),
  })
  assert.equal((await vswitch.plugAll(into(1, 2, 3))).map(codeOrSlot), [1, 'KERNEL', 3])
})

test('an interface that cannot be taken down again is told, beside the reason', async () => {
  const refused = new EcdockError('OVS_PORT_FAILED', 'plug', 'Open vSwitch could not add br0-s1')
  const { vswitch } = laid(
    { deleteMarkedLinks: () => Promise.reject(broken) },
    connecting(async (made) => made.map(({ wiring }) => (wiring.slot === 1 ? refused : undefined))),
  )
  const outcomes = await vswitch.plugAll(into(1, 2))
  assert.equal(outcomes.map(codeOrSlot), ['OVS_PORT_FAILED', 2])
  const [first] = outcomes as (PlugOutcome & { ok: false })[]
  assert.match(
    first?.error.message ?? '',
    'could not add br0-s1; its interface could not be removed: the kernel said no',
  )
  assert.match(first?.error.hint ?? '', /cleanup/)
})

test('only the interface that was made is taken down, not another one of its name', async () => {
  const { vswitch, deleted } = laid(
    {},
    connecting(() => Promise.reject(broken)),
  )
  assert.equal((await vswitch.plugAll(into(4))).map(codeOrSlot), ['KERNEL'])
  assert.equal(deleted, [
    {
      name: 'br0-s4',
      mark: 'ecdock-fast port vswitch=br0 slot=4 ifname=eth0 netns=77 mac=52:00:0a:00:00:04 target=netns:blue',
    },
  ])
})

test('a MAC is given to one of those who ask for it, and to no slot but its own', async () => {
  const { vswitch } = laid({})
  const macs = [
    [1, '02:00:00:00:00:01'],
    [2, '02:00:00:00:00:01'],
    [3, '52:00:0a:00:00:03'],
    [4, '52:00:0a:00:00:05'],
    // Of this form, but of no slot of this subnet.
    [5, '52:00:0a:00:01:05'],
    [6, '52:01:0a:00:00:05'],
  ] as const
  const requests = macs.map(([slot, mac]) => ({ target: { netns: 'blue' }, slot, mac }))
  const outcomes = await vswitch.plugAll(requests)
  assert.equal(outcomes.map(codeOrSlot), [1, 'MAC_TAKEN', 3, 'MAC_TAKEN', 5, 6])
  await refusal(vswitch.explain({ pid: process.pid }, { slot: 4, mac: '52:00:0a:00:00:05' }), 'MAC_TAKEN')
})

test('a free slot is one that neither a port, nor anybody else, nor the switch has', async () => {
  const links = async () => [{ name: 'br0-s1' }, { name: 'br0-sx' }, { name: 'br1-s2' }] as Link[]
  const foreign = () => ({ get: () => undefined, slots: () => [3] })
  const { vswitch } = laid({ links }, { foreign, maxSlot: 7 })
  assert.equal(await vswitch.freeSlots(), [2])
  assert.equal(await vswitch.freeSlots(3, [4]), [2, 5, 6])
  const error = await refusal(vswitch.freeSlots(6), 'SLOTS_EXHAUSTED')
  assert.match(error.message, 'only 5 of them are free')
})

test('the kernel is given more before it has made what it was given; a switch takes all in together', async () => {
  const events: string[] = []
  const ends: (() => void)[] = []
  const execute = (plans: readonly Plan[]) =>
    new Promise<PlanOutcome[]>((resolve) => {
      const call = ends.length + 1
      events.push(`call ${call}`)
      ends.push(() => {
        events.push(`end ${call}`)
        resolve(plans.map(() => DONE))
      })
    })
  const connect = async (made: readonly MadePort[]) => {
    events.push(`connect ${made.length}`)
    return made.map(() => undefined)
  }
  const { vswitch } = laid(
    { execute },
    connecting(connect, (count) => events.push(`add ${count}`)),
  )
  const slots = Array.from({ length: 100 }, (_, at) => at + 1)
  const plugging = vswitch.plugAll(into(...slots))
  for (let at = 0; at < 4; at++) {
    await setImmediate()
    ends[at]?.()
  }
  assert.equal((await plugging).map(codeOrSlot), slots)
  assert.equal(events, [
    ...['call 1', 'call 2', 'end 1', 'add 25', 'call 3', 'end 2', 'add 25', 'call 4'],
    ...['end 3', 'add 25', 'end 4', 'add 25', 'connect 100'],
  ])
})

test('a switch that takes some at a time is given them while the next are made', async () => {
  const calls: number[] = []
  const connected: number[] = []
  let firstConnects = () => {}
  let allMade = () => {}
  // Each waits for the other, so none ends unless both go on at the same time.
  const untilConnecting = new Promise<void>((resolve) => {
    firstConnects = resolve
  })
  const untilAllMade = new Promise<void>((resolve) => {
    allMade = resolve
  })
  const execute = async (plans: readonly Plan[]) => {
    if (calls.push(plans.length) === 5) {
      await untilConnecting
      allMade()
    }
    return plans.map(() => DONE)
  }
  const connect = async (made: readonly MadePort[]) => {
    connected.push(made.length)
    firstConnects()
    await untilAllMade
    return made.map(({ wiring }) => (wiring.slot === 3 ? broken : undefined))
  }
  const { vswitch, deleted } = laid(
    { execute },
    { ...connecting(connect), connectsAtATime: (count) => Math.ceil(count / 2) },
  )
  const slots = Array.from({ length: 101 }, (_, at) => at + 1)
  const outcomes = (await vswitch.plugAll(into(...slots))).map(codeOrSlot)
  assert.equal(outcomes, [1, 2, 'KERNEL', ...slots.slice(3)])
  assert.equal(
    deleted.map(({ name }) => name),
    ['br0-s3'],
  )
  assert.equal(calls, [25, 25, 1, 25, 25])
  assert.equal(connected, [51, 50])
})

test('what needs no switch is told as soon as it is made', async () => {
  const events: (string | number)[] = []
  const execute = async (plans: readonly Plan[]) => {
    events.push('call')
    await setImmediate()
    return plans.map(() => DONE)
  }
  const { vswitch } = laid({ execute })
  const slots = Array.from({ length: 250 }, (_, at) => at + 1)
  await vswitch.plugAll(into(...slots), { onOutcome: (outcome) => events.push(codeOrSlot(outcome)) })
  assert.equal(
    events.filter((event) => event !== 'call'),
    slots,
  )
  assert.ok(events.indexOf(1) < events.lastIndexOf('call'))
})

test('an onOutcome that throws ends it: what it was not told of is undone', async () => {
  const { vswitch, deleted } = laid(
    {},
    connecting(async (made) => made.map(() => undefined)),
  )
  const oops = new Error('oops')
  const heard: (string | number)[] = []
  const onOutcome = (outcome: PlugOutcome) => {
    heard.push(codeOrSlot(outcome))
    if (heard.length === 2) throw oops
  }
  const slots = Array.from({ length: 1100 }, (_, at) => (at % 250) + 1)
  const plugging = vswitch.plugAll(into(...slots), { onOutcome })
  assert.is(await plugging.catch((error: unknown) => error), oops)
  assert.equal(heard, [1, 2])
  // The first batch was made and connected; the second was never begun.
  const undone = slots.slice(2, 1024)
  assert.equal(
    deleted.map(({ name }) => name),
    undone.map((slot) => `br0-s${slot}`),
  )
})

test.run()
