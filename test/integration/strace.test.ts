import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { VswitchOptions } from '../../src/vswitch/vswitch.js'
import { USERMODE } from '../support/datapath.js'
import { type Job, LIBRARY_PROGRAM, type Report } from '../support/library-program.js'
import { namedNamespace } from '../support/netns.js'
import { startOvs } from '../support/ovs.js'
import { codeOrSlot } from '../support/plugged.js'
import { run } from '../support/process.js'
import { needs } from '../support/requirements.js'
import { leavingNothing } from '../support/world.js'

const straceTest = needs('root', 'strace', 'iproute2') ? test : test.skip
const withOvs = needs('root', 'strace', 'iproute2', 'openvswitch') ? test : test.skip

straceTest('plugging and unplugging on a bridge starts no program', () =>
  leavingNothing(() => startsNothing({ name: 'br0', subnet: '10.0.0.254/24' })),
)

withOvs('plugging and unplugging on Open vSwitch starts no program', () =>
  leavingNothing(async () => {
    const ovs = await startOvs()
    try {
      await startsNothing(
        { name: 'ovs0', kind: 'ovs', usermode: USERMODE, subnet: '10.0.0.254/24' },
        ovs.ovsdb,
      )
    } finally {
      await ovs.stop()
    }
  }),
)

straceTest('the check sees a program that is started', async () => {
  const program = "require('node:child_process').execFileSync('true')"
  const { started, forked } = await traced([process.execPath, '-e', program])
  assert.is(started.length, 2)
  assert.is(forked.length, 1)
})

test.run()

/** Plugs two targets in one by one and two in one go, unplugs them, and looks at what the program has started. */
async function startsNothing(create: VswitchOptions, ovsdb?: string): Promise<void> {
  const targets = [await namedNamespace('first'), await namedNamespace('second')]
  try {
    const requests = targets.flatMap(({ name }) => [{ target: { netns: name } }, { target: { netns: name } }])
    for (const oneByOne of [true, false]) {
      const job: Job = {
        ...(ovsdb === undefined ? {} : { open: { ovsdb } }),
        create,
        requests,
        oneByOne,
        unplug: true,
      }
      const { started, forked, printed } = await traced([
        process.execPath,
        LIBRARY_PROGRAM,
        JSON.stringify(job),
      ])
      const report = JSON.parse(printed) as Report
      assert.equal(report.plugged.map(codeOrSlot), [1, 2, 3, 4])
      assert.equal(report.unplugged.map(codeOrSlot), [1, 2, 3, 4])
      assert.is(started.length, 1, `more than its own start:\n${started.join('\n')}`)
      assert.equal(forked, [])
    }
  } finally {
    for (const target of targets) await target.remove()
  }
}

/** The programs that a command has started (its own start among them) and the processes that it has forked. */
async function traced(
  command: readonly string[],
): Promise<{ started: string[]; forked: string[]; printed: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'strace-'))
  const log = join(directory, 'log')
  try {
    const calls = 'trace=execve,execveat,fork,vfork,clone,clone3'
    const printed = await run('strace', ['-f', '-q', '-e', calls, '-o', log, ...command])
    const lines = readFileSync(log, 'utf8').trim().split('\n')
    return {
      printed,
      started: lines.filter((line) => /\bexecve(at)?\(.* = 0$/.test(line)),
      // A thread is made by the same call (clone(2)).
      forked: lines.filter((line) => /\b(v?fork|clone3?)\(/.test(line) && !line.includes('CLONE_THREAD')),
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
}
