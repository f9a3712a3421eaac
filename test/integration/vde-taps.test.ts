/** How the taps of a vswitch of kind `vde` are looked for, while namespaces cannot be read, end, and lose their taps. */
import { existsSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cleanup } from '../../src/cleanup/cleanup.js'
import { EcdockError } from '../../src/errors.js'
import type { Host } from '../../src/host.js'
import type { Link } from '../../src/kernel/kernel.js'
import { Control } from '../../src/vde/control.js'
import { findSwitch } from '../../src/vde/switch-process.js'
import { unplugAll } from '../../src/vswitch/unplugging.js'
import { vdeBackend } from '../../src/vswitch/vde/backend.js'
import { homeOf, readRecord, type VdeRecord } from '../../src/vswitch/vde/home.js'
import { mendSwitch } from '../../src/vswitch/vde/mending.js'
import { strandedTaps } from '../../src/vswitch/vde/stranded.js'
import { type MarkedTap, markedTaps } from '../../src/vswitch/vde/taps.js'
import { inside } from '../support/netns.js'
import { type Laid, onVswitch } from '../support/on-vswitch.js'
import { waitUntil } from '../support/process.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'

const vdeTest = needs('root', 'iproute2') ? test : test.skip
const RUN_DIR = '/run/ecdock-fast'
const HOME = homeOf(RUN_DIR, 'vde0')
const NEW = { name: 'vde0', kind: 'vde', subnet: '10.0.0.254/24' } as const

vdeTest('a namespace that ends while taps are looked for has none', () =>
  onVde(1, async ({ host, vswitch, targets, startProcess }) => {
    await vswitch.plug({ netns: targets[0] ?? '' }, { slot: 1 })
    const ending = await startProcess()
    const links = async (netns: string) => {
      if (netns === ending.netns) await ending.stop()
      return await host.kernel.links(netns)
    }
    const taps = await markedTaps({ ...host.kernel, links }, await recordOf('vde0'))
    assert.equal(slotsOf(taps), [1])
    assert.not(existsSync(ending.netns))
  }),
)

vdeTest('a namespace that cannot be looked into is not taken for one without taps', () =>
  onVde(1, async ({ host, vswitch, targets }) => {
    const [netns = ''] = targets
    await vswitch.plug({ netns }, { slot: 1 })
    const kernel = { ...host.kernel, links: unreadable(host, netns) }
    const error = await refusal(markedTaps(kernel, await recordOf('vde0')), 'KERNEL')
    assert.is(error.errno, 'EMFILE')
    const { containers } = host
    const look = async () => ({ vswitches: await host.vswitches(), database: error })
    const report = await cleanup({ kernel, containers, runDir: RUN_DIR, look })
    assert.equal(report.removed, [])
    assert.match(report.skipped.join('\n'), /^The taps of vde0 were not looked for: Too many open files$/m)
  }),
)

vdeTest('what has been taken out is told so, although a namespace of others cannot be looked into', () =>
  onVde(3, async ({ host, vswitch, targets }) => {
    const [, second = '', third = ''] = targets
    await vswitch.plugAll(targets.map((netns) => ({ target: { netns } })))
    // Both have to be looked for: one by its mark, the other because the switch does not have it.
    await inside(second, 'ip', ['link', 'set', 'eth0', 'down'])
    await inside(second, 'ip', ['link', 'set', 'eth0', 'name', 'lan0'])
    await leaveSwitch(3)
    const around = {
      kernel: { ...host.kernel, links: unreadable(host, second, third) },
      docker: () => assert.unreachable('Docker is not needed') as never,
      hasIpv6: true,
    }
    const outcomes = await unplugAll(vdeBackend(await recordOf('vde0'), RUN_DIR), around, [1, 2, 3])
    assert.equal(
      outcomes.map((outcome) => (outcome.ok ? outcome.slot : outcome.error.errno)),
      [1, 'EMFILE', 'EMFILE'],
    )
    assert.match(await links(second), /lan0/)
    await vswitch.unplugAll([2, 3])
    for (const netns of targets) assert.not.match(await links(netns), /eth0|lan0/)
    await refusal(vswitch.unplug(2), 'SLOT_EMPTY')
  }),
)

vdeTest(
  'a tap that is taken out while it is looked for is not stranded, and one that has lost its port is',
  () =>
    onVde(2, async ({ host, vswitch, targets }) => {
      const [first = '', second = ''] = targets
      await vswitch.plugAll([{ target: { netns: first } }, { target: { netns: second } }])
      await leaveSwitch(2)
      let unplugged = false
      const links = async (netns: string) => {
        const found = await host.kernel.links(netns)
        if (netns !== first || unplugged) return found
        unplugged = true
        await vswitch.unplug(1)
        return found
      }
      const stranded = await strandedTaps({ ...host.kernel, links }, HOME.control, await recordOf('vde0'))
      assert.ok(unplugged)
      assert.equal(slotsOf(stranded), [2])
    }),
)

vdeTest('a tap that is plugged in just after the switch was asked is not stranded', () =>
  onVde(1, async ({ host, vswitch, targets }) => {
    const [netns = ''] = targets
    await vswitch.plug({ netns }, { slot: 1 })
    await leaveSwitch(1)
    let looks = 0
    const links = async (path: string) => {
      if (path === netns && ++looks === 2) assert.ok((await mendSwitch('vde0', RUN_DIR, host.kernel)).runs)
      return await host.kernel.links(path)
    }
    assert.equal(await strandedTaps({ ...host.kernel, links }, HOME.control, await recordOf('vde0')), [])
    assert.is(looks, 2)
  }),
)

vdeTest('no namespace is looked into for taps that are stranded while the switch has ended', () =>
  onVde(1, async ({ host, vswitch, targets }) => {
    await vswitch.plug({ netns: targets[0] ?? '' }, { slot: 1 })
    const { pid } = await host.vdeSockets('vde0')
    assert.ok(pid)
    process.kill(pid, 'SIGKILL')
    await waitUntil('it is gone', async () => (await findSwitch(HOME.control)) === undefined)
    const links = () => assert.unreachable('a namespace was looked into') as never
    assert.equal(await strandedTaps({ ...host.kernel, links }, HOME.control, await recordOf('vde0')), [])
  }),
)

/** How a kernel that has no descriptors left for these namespaces shows links. */
function unreadable(host: Host, ...netnses: readonly string[]): (netns: string) => Promise<Link[]> {
  return async (netns) => {
    if (!netnses.includes(netns)) return await host.kernel.links(netns)
    throw new EcdockError('KERNEL', 'netns open', 'Too many open files', { errno: 'EMFILE' })
  }
}

/** Takes a tap out of the switch, and leaves it where it is. */
async function leaveSwitch(slot: number): Promise<void> {
  const control = await Control.connect(HOME.control)
  await control.unplug(slot)
  control.close()
}

async function recordOf(name: string): Promise<VdeRecord> {
  const record = await readRecord(RUN_DIR, name)
  assert.ok(record)
  return record
}

const slotsOf = (taps: readonly MarkedTap[]) => taps.map(({ record }) => record.slot)
const links = (netns: string) => inside(netns, 'ip', ['-br', 'link'])

function onVde(count: number, body: (laid: Laid) => Promise<void>): Promise<void> {
  return onVswitch({ targets: count, create: NEW }, body)
}

test.run()
