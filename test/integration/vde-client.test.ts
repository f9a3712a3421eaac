import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { connect, type VdeConnection } from '../../src/vde/connection.js'
import { startSwitch, stopSwitch } from '../../src/vde/switch-process.js'
import { waitUntil } from '../support/process.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { BROADCAST, frameOf, startVdePlug, type TestSwitch, withVdeSwitch } from '../support/vde.js'
import { leavingNothing } from '../support/world.js'

const vdeTest = needs('root', 'vde') ? test : test.skip
const ONE = '52:00:0a:00:00:01'
const TWO = '52:00:0a:00:00:02'

vdeTest('two clients of a switch of vde-2 hear each other, whatever version they speak', () =>
  onSwitch(async ({ dir }) => {
    const one = await connect(dir, { port: 3 })
    const two = await connect(dir, { version: 1 })
    one.send(frameOf(BROADCAST, ONE, 'who is there?'))
    assert.equal(await next(two), frameOf(BROADCAST, ONE, 'who is there?'))
    two.send(frameOf(ONE, TWO, 'it is I'))
    assert.equal(await next(one), frameOf(ONE, TWO, 'it is I'))
    assert.equal(
      readdirSync(dir)
        .map((name) => name.replace(/\.\d+$/, ''))
        .sort(),
      ['001', '003', 'ctl'],
    )
    await Promise.all([one.close(), two.close()])
    await waitUntil('the switch has unplugged them', () => readdirSync(dir).join() === 'ctl')
  }),
)

vdeTest('a client hears vde_plug, and is heard by it', () =>
  onSwitch(async ({ dir }) => {
    const link = await connect(dir)
    const plug = startVdePlug(dir)
    try {
      await waitUntil('vde_plug is plugged in', () =>
        readdirSync(dir).some((name) => name.startsWith('002.')),
      )
      const frame = frameOf(BROADCAST, ONE, 'to vde_plug'.padEnd(50))
      const printed: Buffer[] = []
      plug.child.stdout?.on('data', (chunk: Buffer) => printed.push(chunk))
      link.send(frame)
      // Before each frame vde_plug writes its length, in two bytes, most significant first.
      await waitUntil('it has written it', () => Buffer.concat(printed).length === frame.length + 2)
      assert.equal(Buffer.concat(printed), Buffer.concat([Buffer.from([0, frame.length]), frame]))

      const answer = frameOf(ONE, TWO, 'from vde_plug'.padEnd(50))
      plug.child.stdin?.write(Buffer.concat([Buffer.from([0, answer.length]), answer]))
      assert.equal(await next(link), answer)
    } finally {
      await plug.stop()
      await link.close()
    }
  }),
)

vdeTest('thousands of frames pass whole and in order', () =>
  onSwitch(async ({ dir }) => {
    const [one, two] = await Promise.all([connect(dir), connect(dir)])
    // The switch drops what finds the other's socket full, so each frame waits for the one before.
    const count = 5000
    for (let at = 0; at < count; at += 4) {
      const some = [0, 1, 2, 3].map((offset) => frameOf(BROADCAST, ONE, `${at + offset}`.padEnd(1400)))
      for (const frame of some) one.send(frame)
      for (const frame of some) assert.equal(await next(two), frame)
    }
    assert.is(two.stats.received, count)
    await Promise.all([one.close(), two.close()])
  }),
)

vdeTest('a thousand connects leave nothing of ours at a switch of vde-2', () =>
  // It may keep sockets of its own when clients come at the moment at which others go: those are its fault.
  onSwitch(async ({ dir }) => {
    await connectOften(dir)
    assert.equal(
      readdirSync(dir).filter((name) => name.startsWith('.')),
      [],
    )
  }),
)

vdeTest('a thousand connects leave nothing at ecdock-switch', () =>
  leavingNothing(async () => {
    const home = mkdtempSync(join(tmpdir(), 'vde-'))
    const { dir, control } = await startSwitch({ dir: join(home, 'sw'), control: join(home, 'control') })
    try {
      const before = readdirSync(dir)
      await connectOften(dir)
      await waitUntil('it has unplugged them', () => readdirSync(dir).join() === before.join())
    } finally {
      await stopSwitch(control)
      rmSync(home, { recursive: true })
    }
  }),
)

async function connectOften(dir: string): Promise<void> {
  for (let round = 0; round < 100; round++) {
    const links = await Promise.all(Array.from({ length: 10 }, () => connect(dir)))
    await Promise.all(links.map((link) => link.close()))
  }
}

vdeTest('a switch without a free port is not waited for, and a switch that is killed is missed', () =>
  onSwitch(
    async ({ dir, stop }) => {
      // Of its two ports the first is its own.
      const link = await connect(dir)
      const reading = refusal(next(link), 'VDE_LOST')
      // vde_switch says nothing when it has none left.
      const silence = await refusal(connect(dir, { timeoutMs: 500 }), 'TIMEOUT')
      assert.match(silence.hint ?? '', /ports may be taken/)
      await stop('SIGKILL')
      await reading
      await refusal(connect(dir), 'VDE_UNREACHABLE')
    },
    ['-n', '2'],
  ),
)

function onSwitch(body: (vde: TestSwitch) => Promise<void>, args: readonly string[] = []): Promise<void> {
  return leavingNothing(() => withVdeSwitch(body, args))
}

/** The next frame; throws when the connection ends before. */
async function next(link: VdeConnection): Promise<Buffer> {
  for (;;) {
    const frame: Buffer | null = link.read()
    if (frame !== null) return frame
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: Error) => {
        link.off('readable', settle)
        link.off('error', settle)
        if (error === undefined) resolve()
        else reject(error)
      }
      link.once('readable', settle)
      link.once('error', settle)
    })
  }
}

test.run()
