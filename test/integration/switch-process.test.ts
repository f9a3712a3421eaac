/** What the switch's process may do, how much it takes, and where it lets itself be started. */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { startSwitch } from '../../src/vde/switch-process.js'
import { plugIn, plugTap, type TestEcdockSwitch, withEcdockSwitch } from '../support/ecdock-switch.js'
import { namedNamespace } from '../support/netns.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { leavingNothing } from '../support/world.js'

const processTest = needs('root', 'vde') ? test : test.skip

processTest('it has no capabilities, cannot get any, and has a filter of system calls', () =>
  onSwitch(async ({ pid }) => {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) {
      assert.match(status, new RegExp(`^${set}:\\t0+$`, 'm'))
    }
    assert.match(status, /^NoNewPrivs:\t1$/m)
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      assert.match(readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8'), /^Seccomp:\t2$/m)
    }
  }),
)

processTest('it has less than 4 MB in memory with 100 idle ports', () =>
  onSwitch(async ({ pid, control, dir }) => {
    const clients = await Promise.all(Array.from({ length: 50 }, () => plugIn(dir)))
    const netns = await namedNamespace('taps')
    for (let port = 101; port <= 150; ++port) await plugTap(control, netns.path, port, [], `tap${port}`)
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    assert.ok(Number(kilobytes) < 4096, `${kilobytes} kB`)
    await Promise.all(clients.map((client) => client.close()))
    await netns.remove()
  }),
)

processTest("a directory that is not a switch's alone is refused, and stays as it was", () =>
  leavingNothing(async () => {
    const home = mkdtempSync(join(tmpdir(), 'switch-'))
    chmodSync(home, 0o755)
    const control = join(home, 'control')
    writeFileSync(join(home, 'letter'), 'mine')
    const files = await refusal(startSwitch({ dir: home, control }), 'VDE_START_FAILED')
    assert.match(files.message, /holds something else, letter/)
    assert.is(statSync(home).mode & 0o7777, 0o755)
    rmSync(join(home, 'letter'))
    chmodSync(home, 0o1777)
    const shared = await refusal(startSwitch({ dir: home, control }), 'VDE_START_FAILED')
    assert.match(shared.message, /shared by all users/)
    assert.is(statSync(home).mode & 0o7777, 0o1777)
    rmSync(home, { recursive: true })
  }),
)

function onSwitch(body: (sw: TestEcdockSwitch) => Promise<void>): Promise<void> {
  return leavingNothing(() => withEcdockSwitch(body))
}

test.run()
