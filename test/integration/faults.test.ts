import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ErrorCode } from '../../src/errors.js'
import type { PlugRequest, VswitchOptions } from '../../src/vswitch/vswitch.js'
import { type Job, LIBRARY_PROGRAM, type Report } from '../support/library-program.js'
import { inside } from '../support/netns.js'
import { type Laid, onVswitch } from '../support/on-vswitch.js'
import { assertUnchanged, picture } from '../support/picture.js'
import { codeOrSlot, portsOf } from '../support/plugged.js'
import { run, runToEnd, waitUntil } from '../support/process.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { answers } from '../support/traffic.js'

const faultTest = needs('root', 'iproute2', 'ping') ? test : test.skip

/** What must be refused before anything is changed: the request, its code, and words of its message. */
type Refused<Request> = [Request, ErrorCode, RegExp]

const BAD_VSWITCHES: Refused<VswitchOptions>[] = [
  [{ name: '', subnet: '10.1.0.254/24' }, 'NAME_INVALID', /""/],
  [{ name: '../evil', subnet: '10.1.0.254/24' }, 'NAME_INVALID', /must begin with a letter/],
  [{ name: 'a b', subnet: '10.1.0.254/24' }, 'NAME_INVALID', /"a b"/],
  [{ name: 'br%d', subnet: '10.1.0.254/24' }, 'NAME_INVALID', /"br%d"/],
  [{ name: '-br', subnet: '10.1.0.254/24' }, 'NAME_INVALID', /must begin with a letter/],
  [{ name: 'a'.repeat(300), subnet: '10.1.0.254/24' }, 'NAME_INVALID', /300 characters/],
  [{ name: 'elevenbytes', subnet: '10.1.0.254/24' }, 'NAME_INVALID', /may have 10/],
  [{ name: 'a\nb', subnet: '10.1.0.254/24' }, 'NAME_INVALID', /"a\\nb"/],
  [{ name: 'br1', subnet: '10.1.0.254' }, 'SUBNET_INVALID', /10\.1\.0\.254/],
  [{ name: 'br1', subnet: 'everything' }, 'SUBNET_INVALID', /everything/],
  [{ name: 'br1', subnet: '10.1.0.1/31' }, 'SUBNET_INVALID', /31/],
  [{ name: 'br1', subnet: '10.1.0.1/32' }, 'SUBNET_INVALID', /32/],
  [{ name: 'br1', subnet: '10.1.0.0/24' }, 'SUBNET_INVALID', /10\.1\.0\.0/],
  [{ name: 'br1', subnet: '10.1.0.255/24' }, 'SUBNET_INVALID', /10\.1\.0\.255/],
  [{ name: 'br0', subnet: '10.1.0.254/24' }, 'VSWITCH_EXISTS', /br0/],
  [{ name: 'lo', subnet: '10.1.0.254/24' }, 'VSWITCH_EXISTS', /interface lo/],
  [{ name: 'br1', subnet: '10.0.0.254/16' }, 'ADDRESS_TAKEN', /10\.0\.0\.254, on br0/],
  [{ name: 'br1', subnet: '10.0.0.253/24' }, 'ADDRESS_TAKEN', /10\.0\.0\.254\/24 in the same subnet, on br0/],
  [{ name: 'br1', subnet: '10.1.0.254/24', usermode: true }, 'UNSUPPORTED', /kind bridge/],
  [{ name: 'br1', subnet: '10.1.0.254/24', device: 'lo' }, 'UNSUPPORTED', /uplink/],
  [
    untyped({ name: 'br1', subnet: '10.1.0.254/24', kind: 'vxlan' }),
    'UNSUPPORTED',
    /kind of vswitch "vxlan"/,
  ],
  [untyped({ name: 'br1', subnet: '10.1.0.254/24', kind: null }), 'UNSUPPORTED', /"null"/],
  [untyped({ name: 'br1', subnet: '10.1.0.254/24', userMode: true }), 'USAGE', /no option "userMode"/],
  [untyped({ name: 'br1', subnet: '10.1.0.254/24', kind: 'ovs', usermode: 'no' }), 'USAGE', /neither true/],
  [untyped({ name: 'br1', subnet: 10 }), 'SUBNET_INVALID', /"10"/],
  [untyped({ name: 1, subnet: '10.1.0.254/24' }), 'NAME_INVALID', /"1"/],
]

faultTest('a vswitch that cannot be is refused: code, message, hint, and nothing is left', () =>
  onBridge(async ({ host }) => {
    const before = await picture('/proc/self/ns/net')
    for (const [options, code, says] of BAD_VSWITCHES) {
      const error = await refusal(host.createVswitch(options), code)
      assert.match(error.message, says)
      assert.ok(error.hint, `no hint for ${JSON.stringify(options)}`)
    }
    assert.equal(
      (await host.vswitches()).map(({ name }) => name),
      ['br0'],
    )
    assertUnchanged(await picture('/proc/self/ns/net'), before)
    for (const name of ['br1', '', '../br0', 'br0\0', 'a'.repeat(10_000)]) {
      assert.ok((await refusal(host.vswitch(name), 'VSWITCH_NOT_FOUND')).hint)
      await refusal(host.deleteVswitch(name), 'VSWITCH_NOT_FOUND')
    }
  }),
)

/** `FREE` stands for a namespace that nothing is plugged into, `FULL` for one with eth0 of slot 7. */
const BAD_PLUGS: Refused<PlugRequest>[] = [
  [{ target: { pid: 2 ** 22 } }, 'TARGET_NOT_FOUND', /no process 4194304/],
  [{ target: { pid: 0 } }, 'TARGET_INVALID', /process id/],
  [{ target: { pid: 1.5 } }, 'TARGET_INVALID', /process id/],
  [{ target: { netns: 'nothing' } }, 'TARGET_NOT_FOUND', /nothing/],
  [{ target: { netns: '../../etc/passwd' } }, 'TARGET_INVALID', /passwd/],
  [{ target: { netns: '/nowhere/at/all' } }, 'TARGET_NOT_FOUND', /nowhere/],
  [{ target: { netns: '/etc/passwd' } }, 'NOT_A_NETNS', /\/etc\/passwd is not a network namespace/],
  [{ target: { netns: '/proc/self/ns/mnt' } }, 'NOT_A_NETNS', /is not a network namespace/],
  [{ target: { netns: '/proc/self/ns' } }, 'NOT_A_NETNS', /is not a network namespace/],
  [{ target: { netns: '/dev/null' } }, 'NOT_A_NETNS', /is not a network namespace/],
  [{ target: { netns: 'FIFO' } }, 'NOT_A_NETNS', /is not a network namespace/],
  [{ target: {} as PlugRequest['target'] }, 'TARGET_INVALID', /exactly one/],
  [{ target: { container: '../../x' } }, 'TARGET_INVALID', /container/],
  [{ target: { container: 'web' } }, 'DOCKER_UNREACHABLE', /Docker/],
  [{ target: { netns: 'FREE' }, slot: 0 }, 'SLOT_OUT_OF_RANGE', /1 to 254/],
  [{ target: { netns: 'FREE' }, slot: 255 }, 'SLOT_OUT_OF_RANGE', /1 to 254/],
  [{ target: { netns: 'FREE' }, slot: 1.5 }, 'SLOT_INVALID', /1\.5/],
  [{ target: { netns: 'FREE' }, slot: -1 }, 'SLOT_INVALID', /-1/],
  [{ target: { netns: 'FREE' }, slot: Number.NaN }, 'SLOT_INVALID', /NaN/],
  [{ target: { netns: 'FREE' }, slot: 254 }, 'SLOT_RESERVED', /the address of the vswitch itself/],
  [{ target: { netns: 'FREE' }, slot: 7 }, 'SLOT_TAKEN', /taken by netns:\S+FULL \(eth0\)/],
  [{ target: { netns: 'FREE' }, ifname: 'sixteen-bytes-xx' }, 'IFNAME_INVALID', /16 bytes and may have 15/],
  [{ target: { netns: 'FREE' }, ifname: 'eth 0' }, 'IFNAME_INVALID', /white space/],
  [{ target: { netns: 'FREE' }, ifname: 'a/b' }, 'IFNAME_INVALID', /"a\/b"/],
  [{ target: { netns: 'FREE' }, ifname: 'eth%d' }, 'IFNAME_INVALID', /eth%d/],
  [{ target: { netns: 'FREE' }, ifname: 'eth*' }, 'IFNAME_INVALID', /eth\*/],
  [{ target: { netns: 'FREE' }, ifname: '' }, 'IFNAME_INVALID', /empty/],
  [{ target: { netns: 'FREE' }, ifname: '..' }, 'IFNAME_INVALID', /\.\./],
  [{ target: { netns: 'FREE' }, mtu: 67 }, 'MTU_INVALID', /67/],
  [{ target: { netns: 'FREE' }, mtu: 65_536 }, 'MTU_INVALID', /65536/],
  [{ target: { netns: 'FREE' }, mac: 'ff:ff:ff:ff:ff:ff' }, 'MAC_INVALID', /ff:ff:ff:ff:ff:ff/],
  [{ target: { netns: 'FREE' }, mac: '52:00' }, 'MAC_INVALID', /52:00/],
  [{ target: { netns: 'FREE' }, mac: '52:00:0a:00:00:07' }, 'MAC_TAKEN', /by netns:\S+FULL in slot 7/],
  [{ target: { netns: 'FREE' }, slot: 1, mac: '52:00:0a:00:00:02' }, 'MAC_TAKEN', /belongs to slot 2 of br0/],
  [{ target: { netns: 'FREE' }, mac: '52:00:0a:00:00:fe' }, 'MAC_TAKEN', /that of vswitch br0 itself/],
  [{ target: { netns: 'FREE' }, mac: '52:01:0A:00:00:FE' }, 'MAC_TAKEN', /that of vswitch br0 itself/],
  [{ target: { netns: 'FREE' }, vlan: 7 }, 'UNSUPPORTED', /./],
  [untyped({ target: { netns: 'FREE' }, defaultRoute: 'no' }), 'USAGE', /"no", which is neither/],
  [untyped({ target: { netns: 'FREE' }, ifName: 'eth0' }), 'USAGE', /no option "ifName"/],
  [{ target: { netns: 'FULL' }, ifname: 'eth0' }, 'IFNAME_TAKEN', /already has an interface eth0/],
  [{ target: { netns: 'FULL' }, slot: 9 }, 'ADDRESS_TAKEN', /already has the address 10\.0\.0\.9, on lo/],
  [{ target: { netns: 'FULL' }, mac: '52:00:00:00:00:99' }, 'MAC_TAKEN', /on other0/],
]

faultTest('a plug that cannot be is refused: code, message, hint, and nothing is left', () =>
  onBridge(async ({ vswitch, targets }) => {
    const [free = '', full = ''] = targets
    const fifo = join(mkdtempSync(join(tmpdir(), 'faults-')), 'fifo')
    await run('mkfifo', [fifo])
    await vswitch.plug({ netns: full }, { slot: 7 })
    await inside(full, 'ip', ['address', 'add', '10.0.0.9/32', 'dev', 'lo'])
    await inside(full, 'ip', ['link', 'add', 'other0', 'address', '52:00:00:00:00:99', 'type', 'bridge'])

    const places: Record<string, string> = { FREE: free, FULL: full, FIFO: fifo }
    const world = async () =>
      (await Promise.all(['/proc/self/ns/net', '/run/netns/ecdock-br0', ...targets].map(picture))).join('\n')
    const before = await world()
    const requests = BAD_PLUGS.map(([request]) =>
      'netns' in request.target
        ? { ...request, target: { netns: places[request.target.netns] ?? request.target.netns } }
        : request,
    )
    for (const [at, [, code, says]] of BAD_PLUGS.entries()) {
      const { target, ...options } = requests[at] as PlugRequest
      const error = await refusal(vswitch.plug(target, options), code)
      assert.match(error.message, new RegExp(says.source.replace('\\S+FULL', full)))
      assert.ok(error.hint !== undefined || code === 'TARGET_NOT_FOUND', `no hint: ${error.message}`)
    }
    const outcomes = await vswitch.plugAll(requests)
    assert.equal(
      outcomes.map(codeOrSlot),
      BAD_PLUGS.map(([, code]) => code),
    )
    assertUnchanged(await world(), before)
    rmSync(join(fifo, '..'), { recursive: true })
  }),
)

faultTest('when all slots are taken, that is said', () =>
  onVswitch({ create: { subnet: '10.0.0.2/29' } }, async ({ vswitch, targets }) => {
    const [first = '', second = ''] = targets
    const request = { target: { netns: first } }
    // Those that come first get what there is; 2 is the switch's own, and 4 is asked for.
    const outcomes = await vswitch.plugAll([
      request,
      request,
      request,
      request,
      request,
      { ...request, slot: 4 },
    ])
    assert.equal(outcomes.map(codeOrSlot), [1, 3, 5, 6, 'SLOTS_EXHAUSTED', 4])
    const error = await refusal(vswitch.plug({ netns: second }), 'SLOTS_EXHAUSTED')
    assert.match(error.message, /no slot is free: 10\.0\.0\.2\/29 has the slots 1 to 6/)
  }),
)

faultTest(
  'a vswitch whose record somebody has changed by hand is passed over, and the others are found',
  () =>
    onBridge(async ({ host, vswitch, targets }) => {
      await vswitch.plug({ netns: targets[0] ?? '' })
      await host.createVswitch({ name: 'br1', subnet: '10.1.0.254/24' })
      const [lo] = JSON.parse(
        await inside('/run/netns/ecdock-br1', 'ip', ['-json', 'link', 'show', 'lo']),
      ) as {
        ifalias: string
      }[]
      const record = lo?.ifalias ?? ''
      const wrong = [
        record.replace('10.1.0.254/24', '10.1.0.254/99'),
        record.replace('10.1.0.254/24', 'x'),
        record.replace('2001:db8', 'x'),
      ]
      for (const alias of wrong) {
        await inside('/run/netns/ecdock-br1', 'ip', ['link', 'set', 'lo', 'alias', alias])
        assert.equal(
          (await host.vswitches()).map(({ name }) => name),
          ['br0'],
        )
        await refusal(host.vswitch('br1'), 'VSWITCH_NOT_FOUND')
        assert.equal((await host.cleanup()).removed, [])
      }
      await inside('/run/netns/ecdock-br1', 'ip', ['link', 'set', 'lo', 'alias', record])
    }),
)

faultTest('what somebody has put into the way of a slot is left alone, and told', () =>
  onBridge(async ({ vswitch, targets }) => {
    const bridge = '/run/netns/ecdock-br0'
    await inside(bridge, 'ip', ['link', 'add', 'br0-s1', 'type', 'bridge'])
    const error = await refusal(vswitch.plug({ netns: targets[0] ?? '' }, { slot: 1 }), 'SLOT_TAKEN')
    assert.match(error.message, /a foreign interface br0-s1/)
    assert.match((await refusal(vswitch.unplug(1), 'SLOT_EMPTY')).message, /it is not ours/)
    assert.is((await vswitch.plug({ netns: targets[0] ?? '' })).slot, 2)
    await inside(bridge, 'ip', ['link', 'show', 'br0-s1'])
  }),
)

faultTest(
  'when somebody has deleted the bridge itself, that is said, and `cleanup` takes the rest away',
  () =>
    onBridge(async ({ host, vswitch, targets }) => {
      await inside('/run/netns/ecdock-br0', 'ip', ['link', 'delete', 'br0'])
      const error = await refusal(vswitch.plug({ netns: targets[0] ?? '' }), 'VSWITCH_NOT_FOUND')
      assert.match(error.hint ?? '', /delete-vswitch br0/)
      const { removed } = await host.cleanup()
      assert.equal(
        removed.map(({ kind, name }) => [kind, name]),
        [['vswitch', 'br0']],
      )
      assert.equal(await host.vswitches(), [])
    }),
)

faultTest('a target that dies half-way: what came too late is refused, and nothing is left', () =>
  onBridge(async ({ vswitch, startProcess }) => {
    for (let round = 0; round < 5; round++) {
      const target = await startProcess()
      const requests = Array.from({ length: 150 }, () => ({ target: { pid: target.pid } }))
      let heard = 0
      const outcomes = await vswitch.plugAll(requests, {
        onOutcome: () => {
          heard++
          if (heard === 10) process.kill(target.pid, 'SIGKILL')
        },
      })
      assert.is(heard, requests.length)
      const codes = new Set(outcomes.flatMap((outcome) => (outcome.ok ? [] : [outcome.error.code])))
      assert.ok(codes.size > 0, 'it died before all was done')
      for (const code of codes) assert.ok(['TARGET_GONE', 'TARGET_NOT_FOUND'].includes(code), code)
      await waitUntil(
        'the ports are gone with their target',
        async () => (await vswitch.ports()).length === 0,
      )
      const links = await inside('/run/netns/ecdock-br0', 'ip', ['-br', 'link', 'show', 'type', 'veth'])
      assert.match(links, /^br0-up@\S+ .*\n$/)
    }
  }),
)

faultTest('one of many targets dies half-way: the others are plugged in', () =>
  onBridge(async ({ vswitch, startProcess }) => {
    const victim = await startProcess()
    const others = [await startProcess(), await startProcess(), await startProcess()]
    const requests = Array.from({ length: 80 }, (_, at) => ({
      target: { pid: (at % 4 === 0 ? victim : others[(at % 4) - 1])?.pid ?? 0 },
    }))
    const plugging = vswitch.plugAll(requests)
    process.kill(victim.pid, 'SIGKILL')
    const outcomes = await plugging
    for (const [at, outcome] of outcomes.entries()) {
      if (at % 4 !== 0) assert.ok(outcome.ok, outcome.ok ? '' : outcome.error.message)
      else if (!outcome.ok) assert.match(outcome.error.code, /^TARGET_(GONE|NOT_FOUND)$/)
    }
    await waitUntil('its ports are gone', async () => (await vswitch.ports()).length === 60)
    const last = (await vswitch.ports()).at(-1)
    await answers('', last?.ipv4.replace('/24', '') ?? '')
  }),
)

/** When a plug of many is aborted: after so many ms, or when so many of them are told to be done. */
const MOMENTS: { ms?: number; done?: number }[] = [
  ...Array.from({ length: 11 }, (_, at) => ({ ms: 2 * at })),
  ...[30, 45, 65, 90].map((ms) => ({ ms })),
  ...[1, 50, 51, 99].map((done) => ({ done })),
]

faultTest('aborting at any moment leaves a port whole, or nothing of it', () =>
  onBridge(async ({ vswitch, targets }) => {
    for (const { ms, done } of MOMENTS) {
      const controller = new AbortController()
      let heard = 0
      const requests = Array.from({ length: 140 }, () => ({ target: { netns: targets[0] ?? '' } }))
      const plugging = vswitch.plugAll(requests, {
        signal: controller.signal,
        onOutcome: () => {
          heard++
          if (heard === done) controller.abort()
        },
      })
      if (ms !== undefined) {
        if (ms > 0) await sleep(ms)
        controller.abort()
      }
      const outcomes = await plugging
      const made = outcomes.flatMap((outcome) => (outcome.ok ? [outcome.port.slot] : []))
      for (const outcome of outcomes) if (!outcome.ok) assert.is(outcome.error.code, 'CANCELLED')
      if (done !== undefined) assert.ok(made.length >= done && made.length < 140, `${made.length} were made`)

      const ports = await vswitch.ports()
      assert.equal(
        ports.map(({ slot }) => slot),
        made.sort((a, b) => a - b),
      )
      assert.ok(ports.every(({ state }) => state === 'up'))
      const there = await inside(targets[0] ?? '', 'ip', ['-br', 'link', 'show', 'type', 'veth'])
      assert.is(there.split('\n').length - 1, made.length)
      if (made.length > 0) await answers('', `10.0.0.${made.at(-1)}`)
      await vswitch.unplugAll(made)
    }
  }),
)

faultTest('a plug that was aborted before it began changes nothing', () =>
  onBridge(async ({ vswitch, targets }) => {
    const signal = AbortSignal.abort()
    await refusal(vswitch.plug({ netns: targets[0] ?? '' }, { signal }), 'CANCELLED')
    assert.equal(await vswitch.ports(), [])
  }),
)

faultTest('a program that is killed half-way leaves only what `cleanup` and `unplug` take away', () =>
  onBridge(async ({ host, vswitch, targets }) => {
    for (const delay of [0, 20]) {
      const requests = Array.from({ length: 200 }, () => ({ target: { netns: targets[0] ?? '' } }))
      const job: Job = { vswitch: 'br0', requests }
      const child = spawn(process.execPath, [LIBRARY_PROGRAM, JSON.stringify(job)], { stdio: 'ignore' })
      await waitUntil('it has begun', async () => (await vswitch.ports()).length > 0)
      await sleep(delay)
      child.kill('SIGKILL')
      await once(child, 'exit')
      await host.cleanup()
      const ports = await vswitch.ports()
      assert.ok(ports.length > 0)
      // A new plug goes on where the other one stopped.
      assert.is((await vswitch.plug({ netns: targets[1] ?? '' })).slot, ports.length + 1)
      await answers(targets[1] ?? '', '10.0.0.254')
      await vswitch.unplugAll((await vswitch.ports()).map(({ slot }) => slot))
      const links = await inside('/run/netns/ecdock-br0', 'ip', ['-br', 'link', 'show', 'type', 'veth'])
      assert.match(links, /^br0-up@\S+ .*\n$/)
    }
  }),
)

/** Ways of having too few privileges, as setpriv(1) makes them. */
const UNPRIVILEGED: Record<string, string[]> = {
  'another user': ['--reuid=65534', '--regid=65534', '--clear-groups'],
  'no CAP_NET_ADMIN': ['--bounding-set=-net_admin', '--inh-caps=-net_admin'],
  'no CAP_SYS_ADMIN': ['--bounding-set=-sys_admin', '--inh-caps=-sys_admin'],
  'no capability at all': ['--bounding-set=-all', '--inh-caps=-all'],
}

for (const [lacking, options] of Object.entries(UNPRIVILEGED)) {
  faultTest(`without the privileges (${lacking}) that is said, and nothing is left`, () =>
    onBridge(async ({ vswitch, targets }) => {
      const world = async () =>
        (await Promise.all(['/proc/self/ns/net', '/run/netns/ecdock-br0', ...targets].map(picture))).join(
          '\n',
        )
      const before = await world()
      const attempt = async (job: Job): Promise<Report> => {
        const command = [...options, '--', process.execPath, LIBRARY_PROGRAM, JSON.stringify(job)]
        const ended = await runToEnd('setpriv', command)
        assert.not.equal(ended.stdout, '', ended.stderr)
        return JSON.parse(ended.stdout) as Report
      }
      const created = await attempt({ create: { name: 'br1', subnet: '10.1.0.254/24' }, requests: [] })
      assert.is(created.error?.code, 'PERMISSION')
      assert.match(created.error?.hint ?? '', /root/)
      const plug = await attempt({ vswitch: 'br0', requests: [{ target: { netns: targets[0] ?? '' } }] })
      const error = plug.error ?? (plug.plugged[0] as unknown as { error: Record<string, string> }).error
      assert.is(error.code, 'PERMISSION', JSON.stringify(error))
      assertUnchanged(await world(), before)
      assert.equal(await vswitch.ports(), [])
      assert.not.ok(existsSync('/run/netns/ecdock-br1'))
    }),
  )
}

faultTest('what is not closed by the caller is closed with the program', () =>
  onBridge(async ({ vswitch, targets }) => {
    portsOf(await vswitch.plugAll(targets.map((netns) => ({ target: { netns } }))))
    const program = `
      import { Host } from ${JSON.stringify(new URL('../../src/host.js', import.meta.url).href)}
      const host = await Host.open()
      const vswitch = await host.vswitch('br0')
      console.log((await vswitch.ports()).length)`
    const printed = await run(process.execPath, ['--input-type=module', '-e', program], { timeoutMs: 10_000 })
    assert.is(printed, '2\n')
  }),
)

test.run()

/** A vswitch `br0` on 10.0.0.254/24 and two namespaces as targets; no Docker answers. */
function onBridge(body: (laid: Laid) => Promise<void>): Promise<void> {
  return onVswitch({ targets: 2, docker: 'unix:///nowhere/docker.sock' }, body)
}

/** Options as a program without types may give them. */
function untyped<T>(options: object): T {
  return options as T
}
