import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Host } from '../../src/host.js'
import { findSwitch } from '../../src/vde/switch-process.js'
import { homeOf } from '../../src/vswitch/vde/home.js'
import type { Port } from '../../src/vswitch/vswitch.js'
import { type Job, LIBRARY_PROGRAM, type Report } from '../support/library-program.js'
import { inside } from '../support/netns.js'
import { type Laid, onVswitch } from '../support/on-vswitch.js'
import { run, waitUntil } from '../support/process.js'
import { needs } from '../support/requirements.js'
import { megabyteEachWay } from '../support/traffic.js'

const vdeTest = needs('root', 'iproute2', 'ping', 'socat') ? test : test.skip
const RUN_DIR = '/run/ecdock-fast'
const OTHER_DIR = '/run/ecdock-fast-other'
const NEW = { name: 'vde0', kind: 'vde', subnet: '10.0.0.254/24' } as const

/** A vswitch of the same name with another run directory and network, as in a container that has its own ecdock-fast. */
interface OtherWorld {
  /** Sees its vswitch, but is in the network of this one. */
  host: Host
  program: (job: Omit<Job, 'open'>) => Promise<Report>
}

vdeTest('a tap belongs to one of two vswitches of the same name', () =>
  inTwoWorlds(4, async ({ host, vswitch, targets }, other) => {
    const [mine = '', theirs = '', another = '', last = ''] = targets
    await vswitch.plug({ netns: mine }, { slot: 1 })
    await other.program({ vswitch: 'vde0', requests: [{ target: { netns: theirs }, slot: 2 }] })
    assert.equal(await mended(host), [])

    await killSwitch(other.host, OTHER_DIR)
    assert.equal(await mended(host), [], 'the tap has lost its switch, and is not ours all the same')
    assert.equal(slotsOf(await (await other.host.vswitch('vde0')).ports()), [2])
    await killSwitch(host, RUN_DIR)
    assert.equal(slotsOf(await vswitch.ports()), [1])
    assert.equal(await mended(host), ['process vde0'])

    const plugged = await vswitch.plug({ netns: another }, { slot: 3 })
    await megabyteEachWay(mine, another, plugged.ipv4.replace(/\/.*/, ''))
    const report = await other.program({
      vswitch: 'vde0',
      requests: [{ target: { netns: last }, slot: 4 }],
    })
    assert.equal(slotsOf(report.ports), [2, 4])
    await megabyteEachWay(theirs, last, '10.0.0.4')

    await killSwitch(other.host, OTHER_DIR)
    await host.deleteVswitch('vde0')
    assert.not.match(await links(mine), /eth0/)
    assert.match(await links(theirs), /eth0/)
  }),
)

vdeTest("what is left of a vswitch takes nothing of another's of the same name", () =>
  inTwoWorlds(2, async ({ vswitch, targets }, other) => {
    const [mine = '', theirs = ''] = targets
    await vswitch.plug({ netns: mine }, { slot: 1 })
    await other.program({ vswitch: 'vde0', requests: [{ target: { netns: theirs }, slot: 2 }] })
    // As a deletion that was cut short leaves it.
    const { record, unfinished } = homeOf(OTHER_DIR, 'vde0')
    renameSync(record, unfinished)
    const report = await other.host.cleanup()
    assert.equal(
      report.removed.map(({ kind, name }) => `${kind} ${name}`),
      ['vswitch vde0'],
    )
    assert.not.match(await links(theirs), /eth0/)
    assert.match(await run('ip', ['-br', 'link']), /^vde0 .*LOWER_UP/m)
    assert.equal(slotsOf(await vswitch.ports()), [1])
  }),
)

vdeTest('taps whose marks are from before they named their home are found by a vswitch from before', () =>
  onVswitch({ targets: 2, create: NEW }, async ({ host, vswitch, targets }) => {
    const [first = '', second = ''] = targets
    await vswitch.plug({ netns: first }, { slot: 1 })
    const { record } = homeOf(RUN_DIR, 'vde0')
    const { home, ...old } = JSON.parse(readFileSync(record, 'utf8')) as Record<string, unknown>
    assert.match(String(home), /^[0-9a-f]{8}$/)
    writeFileSync(record, JSON.stringify(old))
    for (const [netns, ifname] of [
      [first, 'eth0'],
      ['/proc/self/ns/net', 'vde0'],
    ] as const) {
      const [link] = JSON.parse(
        await inside(netns, 'ip', ['-j', '-d', 'link', 'show', 'dev', ifname]),
      ) as Array<{ ifalias: string }>
      const alias = link?.ifalias.replace(` home=${home}`, '') ?? ''
      assert.is.not(alias, link?.ifalias)
      await inside(netns, 'ip', ['link', 'set', 'dev', ifname, 'alias', alias])
    }
    await killSwitch(host, RUN_DIR)
    const before = await host.vswitch('vde0')
    assert.equal(slotsOf(await before.ports()), [1])
    assert.equal(await mended(host), ['process vde0'])
    await before.plug({ netns: second }, { slot: 2 })
    await megabyteEachWay(first, second, '10.0.0.2')
    assert.equal(await mended(host), [])
    await before.unplug(1)
    assert.not.match(await links(first), /eth0/)
  }),
)

/** What a cleanup has done, and nothing that it has failed at. */
async function mended(host: Host): Promise<string[]> {
  const { removed, failed } = await host.cleanup()
  assert.equal(failed, [])
  return removed.map(({ kind, name }) => `${kind} ${name}`)
}

async function killSwitch(host: Host, runDir: string): Promise<void> {
  const { pid } = await host.vdeSockets('vde0')
  if (pid !== undefined) process.kill(pid, 'SIGKILL')
  const { control } = homeOf(runDir, 'vde0')
  await waitUntil('it is gone', async () => (await findSwitch(control)) === undefined)
}

function inTwoWorlds(count: number, body: (laid: Laid, other: OtherWorld) => Promise<void>): Promise<void> {
  return onVswitch({ targets: count, create: NEW }, async (laid) => {
    const [own] = await laid.host.kernel.createNamespaces(['other-world'])
    const host = await Host.open({ runDir: OTHER_DIR })
    const program = async (job: Omit<Job, 'open'>) => {
      const words = JSON.stringify({ open: { runDir: OTHER_DIR }, ...job } satisfies Job)
      return JSON.parse(await inside(own?.path ?? '', process.execPath, [LIBRARY_PROGRAM, words])) as Report
    }
    try {
      await program({ create: NEW, keep: true, requests: [] })
      await body(laid, { host, program })
    } finally {
      for (const { name } of await host.vswitches()) await host.deleteVswitch(name)
      await host.close()
      rmSync(OTHER_DIR, { recursive: true, force: true })
      await laid.host.kernel.deleteNamespaces(['other-world'])
    }
  })
}

const links = (netns: string) => inside(netns, 'ip', ['-br', 'link'])
const slotsOf = (ports: readonly Port[]) => ports.map(({ slot }) => slot)

test.run()
