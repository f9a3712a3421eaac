import { readdirSync, readlinkSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Vswitch } from '../../src/vswitch/vswitch.js'
import { onVswitch } from '../support/on-vswitch.js'
import { assertUnplugged, portsOf } from '../support/plugged.js'
import { needs } from '../support/requirements.js'

const memoryTest = needs('root', 'iproute2') ? test : test.skip

const PORTS_A_ROUND = 50
const ROUNDS = 200
const ONE_BY_ONE = 100
/** Bytes that a plug and its unplug may leave in memory, on average; a leak of a kilobyte each does not pass. */
const TOLERANCE = 512

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

memoryTest('ten thousand plugs and unplugs leave memory, descriptors and threads as they were', () =>
  onVswitch({ targets: 2 }, async ({ vswitch, targets }) => {
    const requests = Array.from({ length: PORTS_A_ROUND }, (_, at) => ({
      target: { netns: targets[at % 2] ?? '' },
    }))
    const round = async () => {
      const ports = portsOf(await vswitch.plugAll(requests))
      assertUnplugged(await vswitch.unplugAll(ports.map(({ slot }) => slot)))
    }
    await flat(round, ROUNDS, PORTS_A_ROUND)
    assert.equal(await vswitch.ports(), [])
  }),
)

memoryTest('so do single ones, as many as there is time for', () =>
  onVswitch({ targets: 1 }, async ({ vswitch, targets }) => {
    await plugAndUnplug(vswitch, targets[0] ?? '')
    const before = held()
    for (let cycle = 0; cycle < ONE_BY_ONE; cycle++) await plugAndUnplug(vswitch, targets[0] ?? '')
    await assertNoMoreThan(before)
  }),
)

memoryTest('so do plugs that fail', () =>
  onVswitch({ targets: 1 }, async ({ vswitch, targets }) => {
    const netns = targets[0] ?? ''
    await vswitch.plug({ netns }, { slot: 7 })
    // Refused at the door, by the kernel before the first link, and by the kernel half-way.
    const requests = Array.from({ length: PORTS_A_ROUND }, (_, at) => [
      { target: { netns }, slot: 999 },
      { target: { netns: '/proc/self/ns/mnt' }, slot: 8 },
      { target: { netns }, slot: 7, ifname: `other${at}`, mac: '52:00:00:00:00:01' },
    ]).flat()
    const round = async () => {
      const outcomes = await vswitch.plugAll(requests)
      assert.ok(outcomes.every(({ ok }) => !ok))
    }
    await flat(round, 40, requests.length)
  }),
)

test.run()

async function plugAndUnplug(vswitch: Vswitch, netns: string): Promise<void> {
  const port = await vswitch.plug({ netns })
  await vswitch.unplug(port.slot)
}

/**
 * Does so many rounds, and compares the memory of the second quarter with that of the last (medians; the first
 * quarter is for warming up). Descriptors and threads must be the same after as before.
 */
async function flat(round: () => Promise<void>, rounds: number, cyclesARound: number): Promise<void> {
  await round()
  const before = held()
  const resident: number[] = []
  for (let at = 0; at < rounds; at++) {
    await round()
    collectGarbage()
    resident.push(process.memoryUsage.rss())
  }
  await assertNoMoreThan(before)
  const quarter = rounds / 4
  const early = median(resident.slice(quarter, 2 * quarter))
  const late = median(resident.slice(3 * quarter))
  const aCycle = (late - early) / (2 * quarter * cyclesARound)
  assert.ok(aCycle < TOLERANCE, `${Math.round(aCycle)} bytes a plug stay in memory`)
}

/** Fewer there may be, and what is just being closed is waited for: what somebody has forgotten stays. */
async function assertNoMoreThan(before: ReturnType<typeof held>): Promise<void> {
  let now = held()
  const isMore = () => now.descriptors.length > before.descriptors.length || now.threads > before.threads
  for (let attempt = 0; attempt < 50 && isMore(); attempt++) {
    await setTimeout(20)
    now = held()
  }
  const more = now.descriptors.filter((descriptor) => !before.descriptors.includes(descriptor))
  assert.not.ok(isMore(), `${now.threads} threads, ${before.threads} before; descriptors: ${more.join(', ')}`)
}

function held(): { descriptors: string[]; threads: number } {
  const descriptors = readdirSync('/proc/self/fd').map((number) => `${number} ${targetOf(number)}`)
  return { descriptors, threads: readdirSync('/proc/self/task').length }
}

function targetOf(descriptor: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`)
  } catch {
    return 'the directory that was read'
  }
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
