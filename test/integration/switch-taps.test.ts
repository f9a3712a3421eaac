import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadKernel } from '../../src/kernel/native.js'
import { controlAnswers, plugTap, type TestEcdockSwitch, withEcdockSwitch } from '../support/ecdock-switch.js'
import { type NamedNamespace, namedNamespace } from '../support/netns.js'
import { run, runToEnd, waitUntil } from '../support/process.js'
import { needs } from '../support/requirements.js'
import { answers, megabyteEachWay } from '../support/traffic.js'
import { leavingNothing } from '../support/world.js'

const tapTest = needs('root', 'vde', 'iproute2', 'ping', 'socat') ? test : test.skip

for (const args of [[], ['--no-offload'], ['--hub']]) {
  tapTest(`taps connect namespaces over IPv4 and IPv6 ${args.join(' ')}`, () =>
    between(args, async ({ control }, blue, red) => {
      await tapIn(control, blue, 1)
      await tapIn(control, red, 2)
      await answers(blue.path, '10.0.0.2')
      await megabyteEachWay(blue.path, red.path, '10.0.0.2')
      await megabyteEachWay(blue.path, red.path, '2001:db8::2')
      const list = await controlAnswers(control, 'list')
      assert.is(list.length, 3)
      assert.match(list[0] ?? '', /^port n=1 kind=tap label=test%20port%201 name=tap0 .* offload=1$/)
      const largest = Math.max(...list.slice(0, 2).map(meanReceived))
      assert.is(largest > 1600, args[0] !== '--no-offload', `segments cross whole: ${largest} bytes each`)
    }),
  )
}

tapTest('segments of a tap are divided for a VDE client', () =>
  between([], async ({ control, dir }, blue, red) => {
    await tapIn(control, blue, 1)
    const plug = spawn('nsenter', [`--net=${red.path}`, 'vde_plug2tap', '-s', dir, 'tap0'], {
      stdio: 'ignore',
    })
    const gone = once(plug, 'close')
    try {
      await waitUntil('its tap is there', async () => {
        return (await runToEnd('ip', ['-n', red.name, 'link', 'set', 'tap0', 'up'])).status === 0
      })
      await run('ip', ['-n', red.name, 'address', 'add', '10.0.0.2/24', 'dev', 'tap0'])
      await run('ip', ['-n', red.name, 'address', 'add', '2001:db8::2/64', 'dev', 'tap0', 'nodad'])
      await answers(blue.path, '10.0.0.2')
      await megabyteEachWay(blue.path, red.path, '10.0.0.2')
      await megabyteEachWay(blue.path, red.path, '2001:db8::2')
      const [tap = ''] = await controlAnswers(control, 'list port=1')
      assert.ok(meanReceived(tap) > 1600, tap)
    } finally {
      plug.kill('SIGKILL')
      await gone
    }
  }),
)

tapTest('a tap that is unplugged is closed when the answer comes, and its port is free', () =>
  between([], async ({ control }, blue, red) => {
    await tapIn(control, blue, 1)
    const taken = await loadKernel().execute([
      { steps: [{ op: 'tap', netns: red.path, name: 'tap0', control, port: 1, label: '' }] },
    ])
    assert.is(taken[0]?.ok, false)
    assert.equal(await controlAnswers(control, 'unplug port=1', 'list', 'unplug port=1'), [
      'ok',
      'ok',
      'error code=ENXIO message=nothing%20is%20plugged%20into%20port%201',
    ])
    await tapIn(control, red, 1)
  }),
)

tapTest('what was asked for by who has hung up is done, also behind a request that waits', () =>
  between([], async ({ control }, blue) => {
    const ports = [1, 2, 3, 4]
    for (const port of ports) await plugTap(control, blue.path, port, [], `tap${port}`)
    const socket = net.connect({ path: control })
    await once(socket, 'connect')
    const lines = ports.map((port) => `unplug port=${port}\n`).join('')
    await new Promise<void>((resolve) => socket.write(lines, () => resolve()))
    socket.destroy()
    await waitUntil('all are taken out', async () => (await controlAnswers(control, 'list')).join() === 'ok')
  }),
)

tapTest('a tap that is deleted leaves the switch by itself', () =>
  between([], async ({ control }, blue) => {
    await tapIn(control, blue, 1)
    await run('ip', ['-n', blue.name, 'link', 'delete', 'tap0'])
    await waitUntil('its port is free', async () => (await controlAnswers(control, 'list')).join() === 'ok')
  }),
)

tapTest('what is no tap is refused', () =>
  between([], async ({ control }) => {
    const [answer] = await controlAnswers(control, 'tap port=1')
    assert.match(
      answer ?? '',
      /^error code=EINVAL message=a%20tap%20comes%20with%20exactly%20one%20descriptor/,
    )
  }),
)

function tapIn(control: string, netns: NamedNamespace, port: number): Promise<void> {
  return plugTap(control, netns.path, port, [
    { address: `10.0.0.${port}`, prefix: 24 },
    { address: `2001:db8::${port}`, prefix: 64 },
  ])
}

/**
 * TCP hands down fewer bytes at a time where acknowledgements are slow to come, as in an emulated machine (tcp_min_tso_segs
 * of ip-sysctl.rst: in segments).
 */
async function sendsLargeSegments(netns: string): Promise<void> {
  const setting = 'echo 16 >/proc/sys/net/ipv4/tcp_min_tso_segs'
  await run('nsenter', [`--net=${netns}`, 'sh', '-c', setting])
}

/** Bytes of a frame that came in by a port, on average. */
function meanReceived(line: string): number {
  const [, packets, bytes] = / rx-packets=(\d+) rx-bytes=(\d+) /.exec(line) ?? []
  return Number(bytes) / Number(packets)
}

async function between(
  args: readonly string[],
  body: (sw: TestEcdockSwitch, blue: NamedNamespace, red: NamedNamespace) => Promise<void>,
): Promise<void> {
  await leavingNothing(() =>
    withEcdockSwitch(async (sw) => {
      const [blue, red] = [await namedNamespace('blue'), await namedNamespace('red')]
      try {
        for (const { path } of [blue, red]) await sendsLargeSegments(path)
        await body(sw, blue, red)
      } finally {
        await Promise.all([blue.remove(), red.remove()])
      }
    }, args),
  )
}

test.run()
