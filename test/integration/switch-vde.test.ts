import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  consoleTalk,
  controlAnswers,
  nextFrame as next,
  plugIn,
  SWITCH_PROGRAM,
  type TestEcdockSwitch,
  withEcdockSwitch,
} from '../support/ecdock-switch.js'
import { namedNamespace } from '../support/netns.js'
import { run, runToEnd, waitUntil } from '../support/process.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { answers, megabyteEachWay } from '../support/traffic.js'
import { BROADCAST, frameOf, startVdePlug, withVdeSwitch } from '../support/vde.js'
import { leavingNothing } from '../support/world.js'

const switchTest = needs('root', 'vde', 'iproute2', 'ping', 'socat') ? test : test.skip
const ONE = '52:00:0a:00:00:01'
const TWO = '52:00:0a:00:00:02'

switchTest('vde_plug and clients of both versions hear each other, up to jumbo frames', () =>
  onSwitch(async ({ dir }) => {
    const one = await plugIn(dir, { port: 3 })
    const two = await plugIn(dir, { version: 1 })
    one.send(frameOf(BROADCAST, ONE, 'who is there?'))
    assert.equal(await next(two), frameOf(BROADCAST, ONE, 'who is there?'))
    const jumbo = frameOf(ONE, TWO, Buffer.alloc(9202, 7))
    two.send(jumbo)
    assert.equal(await next(one), jumbo)

    const plug = startVdePlug(dir)
    const printed: Buffer[] = []
    plug.child.stdout?.on('data', (chunk: Buffer) => printed.push(chunk))
    await waitUntil('vde_plug is plugged in', () => readdirSync(dir).some((name) => name.startsWith('002.')))
    const frame = frameOf(BROADCAST, ONE, 'to vde_plug'.padEnd(50))
    one.send(frame)
    // Before each frame vde_plug writes its length, in two bytes, most significant first.
    await waitUntil('vde_plug has it', () => Buffer.concat(printed).length === frame.length + 2)
    assert.equal(Buffer.concat(printed).subarray(2), frame)
    await plug.stop()
    await Promise.all([one.close(), two.close()])
    await waitUntil('all are unplugged', () => readdirSync(dir).sort().join() === 'control,ctl')
  }),
)

switchTest('two of vde_plug2tap connect two namespaces by it', () =>
  onSwitch(async ({ dir }) => {
    const [blue, red] = [await namedNamespace('blue'), await namedNamespace('red')]
    const plugs: ChildProcess[] = []
    try {
      for (const [index, netns] of [blue, red].entries()) {
        const args = [`--net=${netns.path}`, 'vde_plug2tap', '-s', dir, 'tap0']
        plugs.push(spawn('nsenter', args, { stdio: 'ignore' }))
        await waitUntil('its tap is there', async () => {
          const inside = ['-n', netns.name, 'link', 'set', 'tap0', 'up']
          return (await runToEnd('ip', inside)).status === 0
        })
        await run('ip', ['-n', netns.name, 'address', 'add', `10.0.0.${index + 1}/24`, 'dev', 'tap0'])
      }
      await answers(blue.path, '10.0.0.2')
      await megabyteEachWay(blue.path, red.path, '10.0.0.2')
    } finally {
      for (const plug of plugs) {
        plug.kill('SIGKILL')
        await once(plug, 'close')
      }
      await Promise.all([blue.remove(), red.remove()])
    }
  }),
)

switchTest('dpipe joins it with a vde_switch', () =>
  onSwitch(async ({ dir }) =>
    withVdeSwitch(async (theirs) => {
      const pipe = spawn('dpipe', ['vde_plug', dir, '=', 'vde_plug', theirs.dir], {
        stdio: 'ignore',
      })
      const one = await plugIn(dir, { port: 9 })
      const two = await plugIn(theirs.dir, { port: 9 })
      try {
        await waitUntil('both ends are plugged in', () =>
          [dir, theirs.dir].every((each) => readdirSync(each).some((name) => name.startsWith('001.'))),
        )
        one.send(frameOf(BROADCAST, ONE, 'across'.padEnd(50)))
        assert.equal(await next(two), frameOf(BROADCAST, ONE, 'across'.padEnd(50)))
        two.send(frameOf(ONE, TWO, 'and back'.padEnd(50)))
        assert.equal(await next(one), frameOf(ONE, TWO, 'and back'.padEnd(50)))
      } finally {
        await Promise.all([one.close(), two.close()])
        const gone = once(pipe, 'close')
        pipe.kill('SIGTERM')
        await gone
      }
    }),
  ),
)

switchTest('frames go where their station is, which may move; a hub sends them everywhere', () =>
  onSwitch(async ({ dir, mgmt }) => {
    const [one, two, three] = [await plugIn(dir), await plugIn(dir), await plugIn(dir)]
    two.send(frameOf(BROADCAST, TWO, 'here'))
    await next(one)
    await next(three)
    one.send(frameOf(TWO, ONE, 'for two'))
    assert.equal(await next(two), frameOf(TWO, ONE, 'for two'))
    three.send(frameOf(BROADCAST, TWO, 'I have moved'))
    await next(one)
    await next(two)
    one.send(frameOf(TWO, ONE, 'for three'))
    assert.equal(await next(three), frameOf(TWO, ONE, 'for three'))
    // What should not have come would have come first.
    one.send(frameOf(BROADCAST, ONE, 'to all'))
    assert.equal(await next(two), frameOf(BROADCAST, ONE, 'to all'))
    assert.equal(await next(three), frameOf(BROADCAST, ONE, 'to all'))
    await consoleTalk(mgmt, ['port/sethub 1\n'])
    one.send(frameOf(TWO, ONE, 'as a hub'))
    assert.equal(await next(two), frameOf(TWO, ONE, 'as a hub'))
    assert.equal(await next(three), frameOf(TWO, ONE, 'as a hub'))
    await Promise.all([one.close(), two.close(), three.close()])
  }),
)

switchTest('a port that is taken, or that there is not, is refused', () =>
  onSwitch(
    async ({ dir, control }) => {
      const one = await plugIn(dir, { port: 2 })
      const shares = await plugIn(dir, { port: 2 })
      await refusal(plugIn(dir, { port: 5 }), 'VDE_REFUSED')
      assert.equal(await controlAnswers(control, 'unplug port=2', 'list', 'bogus', 'set max-ports=5'), [
        'ok',
        'ok',
        'error code=EOPNOTSUPP message=bogus%20is%20not%20known;%20there%20are%20tap,%20unplug,%20list,%20status,%20set,%20watch%20and%20shutdown',
        'ok',
      ])
      await Promise.all([one.close(), shares.close()])
      const five = await plugIn(dir, { port: 5 })
      await five.close()
    },
    ['-n', '4'],
  ),
)

switchTest('modes are those that vde_switch gives, and all is removed in the end', () =>
  leavingNothing(async () => {
    for (const [args, ctl, directory] of [
      [[], 0o600, 0o2700],
      [['-m', '660'], 0o660, 0o2770],
      [['--dirmode', '750'], 0o640, 0o750],
    ] as const) {
      const seen: number[][] = []
      let left = ''
      const look = async ({ dir, stop }: { dir: string; stop(): Promise<void> }) => {
        seen.push([statSync(`${dir}/ctl`).mode & 0o7777, statSync(dir).mode & 0o7777])
        await stop()
        left += existsSync(dir) ? dir : ''
      }
      await withVdeSwitch(look, args)
      left = ''
      await withEcdockSwitch(look, args)
      assert.equal(seen, [
        [ctl, directory],
        [ctl, directory],
      ])
      assert.is(left, '')
    }
  }),
)

switchTest('a directory that is served is refused, and one that a killed switch has left is taken over', () =>
  onSwitch(async ({ dir, stop }) => {
    const second = await runToEnd(SWITCH_PROGRAM, ['-s', dir])
    assert.is(second.status, 1)
    assert.match(second.stderr, /^ecdock-switch: .* is served by another ecdock-switch\n$/)
    const one = await plugIn(dir)
    await stop('SIGKILL')
    assert.ok(existsSync(`${dir}/ctl`))
    const again = spawn(SWITCH_PROGRAM, ['-s', dir, '--ready-fd', '3'], {
      stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
    })
    await once(again.stdio[3] as NodeJS.ReadableStream, 'data')
    assert.equal(
      readdirSync(dir).filter((name) => /^\d/.test(name)),
      [],
    )
    again.kill('SIGTERM')
    await once(again, 'close')
    await one.close()
  }),
)

switchTest('as a daemon it is ready when its first process has ended, and takes its files with it', () =>
  leavingNothing(async () => {
    await withEcdockSwitch(async ({ home }) => {
      const [dir, pidFile] = [`${home}/daemon`, `${home}/pid`]
      await run(SWITCH_PROGRAM, ['-d', '-s', dir, '-p', pidFile])
      const [status = ''] = await controlAnswers(`${dir}/control`, 'status')
      assert.match(status, /^ok pid=\d+ version=/)
      await controlAnswers(`${dir}/control`, 'shutdown')
      await waitUntil('all is gone', () => !existsSync(dir) && !existsSync(pidFile))
    })
  }),
)

switchTest('a wrong command line is told of, with exit status 2', async () => {
  for (const args of [
    ['-x'],
    ['-s'],
    ['-s', '/tmp/x', '-n', '0'],
    ['-s', '/tmp/x', '-m', '9'],
    ['--nonsense'],
    ['--cable'],
  ]) {
    const ended = await runToEnd(SWITCH_PROGRAM, args)
    assert.is(ended.status, 2, args.join(' '))
    assert.match(ended.stderr, /^ecdock-switch: .+\n$/)
    assert.is(ended.stdout, '')
  }
  const long = await runToEnd(SWITCH_PROGRAM, ['-s', `/tmp/${'x'.repeat(100)}`])
  assert.is(long.status, 1)
  assert.match(long.stderr, /bytes long/)
})

function onSwitch(
  body: (sw: TestEcdockSwitch) => Promise<void>,
  args: readonly string[] = [],
): Promise<void> {
  return leavingNothing(() => withEcdockSwitch(body, args))
}

test.run()
