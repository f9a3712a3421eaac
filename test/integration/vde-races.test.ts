import { once } from 'node:events'
import { existsSync, mkdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { EcdockError } from '../../src/errors.js'
import { Host } from '../../src/host.js'
import { DirectoryLock } from '../../src/kernel/directory-lock.js'
import { connect } from '../../src/vde/connection.js'
import { findSwitch, startSwitch } from '../../src/vde/switch-process.js'
import { homeOf } from '../../src/vswitch/vde/home.js'
import { switchOptions } from '../../src/vswitch/vde/mending.js'
import { listVdes } from '../../src/vswitch/vde/vswitches.js'
import { plugTap, withEcdockSwitch } from '../support/ecdock-switch.js'
import { type Job, LIBRARY_PROGRAM, type Report } from '../support/library-program.js'
import { inside } from '../support/netns.js'
import { type Laid, onVswitch } from '../support/on-vswitch.js'
import { runToEnd, waitUntil } from '../support/process.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { megabyteEachWay } from '../support/traffic.js'
import { withHost } from '../support/world.js'

const vdeTest = needs('root', 'iproute2', 'ping', 'socat') ? test : test.skip
const RUN_DIR = '/run/ecdock-fast'
const HOME = homeOf(RUN_DIR, 'vde0')
const NEW = { name: 'vde0', kind: 'vde', subnet: '10.0.0.254/24' } as const

vdeTest('a tap that somebody has given another name goes with its port', () =>
  onVde(2, async ({ vswitch, targets }) => {
    const [first = '', second = ''] = targets
    await vswitch.plugAll([{ target: { netns: first } }, { target: { netns: second } }])
    await inside(first, 'ip', ['link', 'set', 'eth0', 'down'])
    await inside(first, 'ip', ['link', 'set', 'eth0', 'name', 'lan0'])
    await vswitch.unplug(1)
    assert.not.match(await links(first), /lan0/)
    // What has taken the old name is not ours.
    await inside(second, 'ip', ['link', 'set', 'eth0', 'down'])
    await inside(second, 'ip', ['link', 'set', 'eth0', 'name', 'lan0'])
    await inside(second, 'ip', ['tuntap', 'add', 'mode', 'tap', 'name', 'eth0'])
    await vswitch.unplug(2)
    assert.not.match(await links(second), /lan0/)
    assert.match(await links(second), /eth0/)
    await refusal(vswitch.unplug(2), 'SLOT_EMPTY')
  }),
)

vdeTest('taps that cannot be plugged in again are told, and cleanup tries again', () =>
  onVde(4, async ({ host, vswitch, targets }) => {
    const [first = '', second = '', third = '', fourth = ''] = targets
    await vswitch.plugAll([first, second].map((netns) => ({ target: { netns } })))
    await killSwitch(host)
    await withEcdockSwitch(async ({ control }) => {
      // A tap that another process has open cannot be opened once more.
      const stolen = {
        op: 'tap',
        netns: first,
        name: 'eth0',
        mark: 'ecdock-fast port ',
        control,
        port: 1,
      } as const
      const [outcome] = await host.kernel.execute([{ steps: [{ ...stolen, label: 'stolen' }] }])
      assert.ok(outcome?.ok, JSON.stringify(outcome))
      const warned = once(process, 'warning')
      const plugged = await vswitch.plug({ netns: third }, { slot: 3 })
      const [warning] = (await warned) as [Error]
      assert.match(warning.message, /^Slot 1 of vde0 could not be plugged in again: .*busy/)
      await megabyteEachWay(second, third, plugged.ipv4.replace(/\/.*/, ''))
      assert.equal(
        (await vswitch.ports({ stranded: true })).map(({ slot, state }) => `${slot} ${state}`),
        ['1 down', '2 up', '3 up'],
      )
      const report = await host.cleanup()
      assert.equal(
        report.failed.map(({ name, error }) => [name, error.code]),
        [['vde0-s1', 'VDE_REFUSED']],
      )
    })
    const report = await host.cleanup()
    assert.equal(
      report.removed.map(({ kind, name }) => [kind, name]),
      [['tap', 'vde0-s1']],
    )
    await megabyteEachWay(first, third, '10.0.0.3')
    await plugTap(HOME.control, fourth, 4, [], 'other0')
    assert.equal((await host.cleanup()).removed, [])
  }),
)

vdeTest('a tap that another process has open is not taken out for being marked', () =>
  onVde(1, async ({ host, vswitch, targets }) => {
    const [netns = ''] = targets
    await vswitch.plug({ netns }, { slot: 1 })
    await killSwitch(host)
    await withEcdockSwitch(async ({ control }) => {
      const mark = 'ecdock-fast port '
      const stolen = { op: 'tap', netns, name: 'eth0', mark, control, port: 1, label: 'stolen' } as const
      const [outcome] = await host.kernel.execute([{ steps: [stolen] }])
      assert.ok(outcome?.ok, JSON.stringify(outcome))
      const [record] = await listVdes(RUN_DIR)
      assert.ok(record)
      await startSwitch(switchOptions(record, HOME))
      await refusal(vswitch.unplug(1), 'SLOT_EMPTY')
      assert.match(await links(netns), /eth0/)
    })
    await vswitch.unplug(1)
    assert.not.match(await links(netns), /eth0/)
  }),
)

vdeTest('a vswitch whose switch does not answer is not half deleted', () =>
  onVde(1, async ({ host, vswitch, targets }) => {
    await vswitch.plug({ netns: targets[0] ?? '' }, { slot: 1 })
    const running = await findSwitch(HOME.control)
    assert.ok(running)
    process.kill(running.pid, 'SIGSTOP')
    try {
      await refusal(host.deleteVswitch('vde0'), 'TIMEOUT')
      assert.is((await listVdes(RUN_DIR)).length, 1)
    } finally {
      process.kill(running.pid, 'SIGCONT')
    }
    await host.deleteVswitch('vde0')
    assert.equal(await listVdes(RUN_DIR), [])
  }),
)

vdeTest('a slot whose tap is not plugged into the switch can be taken out', () =>
  onVde(1, async ({ host, vswitch, targets }) => {
    const [netns = ''] = targets
    await vswitch.plug({ netns }, { slot: 1 })
    await killSwitch(host)
    const [record] = await listVdes(RUN_DIR)
    assert.ok(record)
    await startSwitch(switchOptions(record, HOME))
    const guest = await connect(HOME.sock, { port: 1 })
    guest.on('error', () => {})
    assert.match((await refusal(vswitch.plug({ netns }, { slot: 1 }), 'SLOT_TAKEN')).message, /a client/)
    await guest.close()
    await vswitch.unplug(1)
    assert.not.match(await links(netns), /eth0/)
    await vswitch.plug({ netns }, { slot: 1 })
  }),
)

vdeTest('a creation that is under way in another process is none that was cut short', () =>
  withHost(async (host) => {
    mkdirSync(HOME.dir, { recursive: true })
    const lock = await DirectoryLock.take(HOME.dir, { op: 'test' })
    assert.equal((await host.cleanup()).removed, [])
    await refusal(host.createVswitch(NEW), 'VSWITCH_EXISTS')
    await refusal(host.deleteVswitch('vde0'), 'VSWITCH_NOT_FOUND')
    assert.ok(existsSync(HOME.dir))
    await lock?.release()
    assert.is((await host.cleanup()).removed.length, 1)
    assert.not(existsSync(HOME.dir))
  }),
)

vdeTest('a lock is waited for, and is not of a directory that has been deleted meanwhile', () =>
  withHost(async () => {
    const path = join(RUN_DIR, 'locked')
    mkdirSync(path)
    const first = await DirectoryLock.take(path, { op: 'test' })
    await refusal(DirectoryLock.take(path, { op: 'test', timeoutMs: 20 }), 'TIMEOUT')
    const second = DirectoryLock.take(path, { op: 'test' })
    rmdirSync(path)
    await first?.release()
    assert.is(await second, undefined)
  }),
)

vdeTest('plugs of other processes while the vswitch is deleted leave nothing behind', () =>
  withHost(async (host) => {
    const names = Array.from({ length: 24 }, (_, at) => `racer${at + 1}`)
    const paths = (await host.kernel.createNamespaces(names)).map(({ path }) => path)
    try {
      for (let round = 0; round < 4; round++) {
        await host.createVswitch(NEW)
        const halves = [paths.slice(0, 12), paths.slice(12)]
        const plugging = halves.map((half) =>
          library({
            vswitch: 'vde0',
            requests: half.map((netns) => ({ target: { netns } })),
            oneByOne: true,
          }),
        )
        await waitUntil(
          'the first is plugged in',
          async () => (await (await host.vswitch('vde0')).ports()).length > 0,
        )
        // In every other round the switch has ended, so that plugs start it again.
        if (round % 2 === 1) await killSwitch(host)
        await host.deleteVswitch('vde0')
        for (const { plugged, error } of await Promise.all(plugging)) {
          const codes = plugged.flatMap((outcome) => (outcome.ok ? [] : [outcome.error.code]))
          for (const code of [...codes, ...(error?.code === undefined ? [] : [error.code])]) {
            assert.is(code, 'VSWITCH_NOT_FOUND')
          }
        }
        assert.not(existsSync(join(RUN_DIR, 'vde')))
        for (const path of paths) assert.not.match(await links(path), /eth0/)
      }
    } finally {
      await host.kernel.deleteNamespaces(names)
    }
  }),
)

vdeTest('a switch that is started again while its vswitch is deleted is gone with it', () =>
  withHost(async (host) => {
    const [target] = await host.kernel.createNamespaces(['racer1'])
    const netns = target?.path ?? ''
    const other = await Host.open()
    try {
      for (let round = 0; round < 5; round++) {
        const vswitch = await host.createVswitch(NEW)
        await killSwitch(host)
        const [plugged] = await Promise.allSettled([vswitch.plug({ netns }), other.deleteVswitch('vde0')])
        if (plugged.status === 'rejected') {
          assert.ok(plugged.reason instanceof EcdockError)
          assert.is(plugged.reason.code, 'VSWITCH_NOT_FOUND')
        }
        assert.not(existsSync(join(RUN_DIR, 'vde')))
        assert.not.match(await links(netns), /eth0/)
      }
    } finally {
      await other.close()
      await host.kernel.deleteNamespaces(['racer1'])
    }
  }),
)

async function killSwitch(host: Host): Promise<void> {
  const { pid } = await host.vdeSockets('vde0')
  if (pid !== undefined) process.kill(pid, 'SIGKILL')
  await waitUntil('it is gone', async () => (await findSwitch(HOME.control)) === undefined)
}

async function library(job: Job): Promise<Report> {
  const { stdout } = await runToEnd(process.execPath, [LIBRARY_PROGRAM, JSON.stringify(job)])
  return JSON.parse(stdout) as Report
}

const links = (netns: string) => inside(netns, 'ip', ['-br', 'link'])

function onVde(count: number, body: (laid: Laid) => Promise<void>): Promise<void> {
  return onVswitch({ targets: count, create: NEW }, body)
}

test.run()
