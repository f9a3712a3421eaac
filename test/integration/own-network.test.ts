import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmdirSync, symlinkSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { picture } from '../support/picture.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { withHost } from '../support/world.js'

const kernelTest = needs('root', 'iproute2') ? test : test.skip

kernelTest("what uses the host's own network is not plugged in, whatever leads there", () =>
  withHost(async (host) => {
    const sw = await host.createVswitch({ name: 'br0', subnet: '10.0.0.254/24' })
    const neighbour = spawn('sleep', ['infinity'], { stdio: 'ignore' })
    const directory = mkdtempSync(join(tmpdir(), 'ecdock-test-'))
    symlinkSync('/proc/self/ns/net', `${directory}/link`)
    const before = await picture('/proc/self/ns/net')
    const targets = [
      { pid: process.pid },
      { pid: neighbour.pid ?? 0 },
      { netns: '/proc/self/ns/net' },
      { netns: `${directory}/link` },
    ]
    for (const target of targets) {
      const error = await refusal(sw.plug(target), 'TARGET_INVALID')
      assert.match(error.message, "uses the host's network")
      await refusal(sw.plug(target, { slot: 3 }), 'TARGET_INVALID')
      await refusal(sw.explain(target), 'TARGET_INVALID')
    }
    const outcomes = await sw.plugAll(targets.map((target) => ({ target })))
    assert.ok(outcomes.every((outcome) => !outcome.ok && outcome.error.code === 'TARGET_INVALID'))
    assert.equal(await picture('/proc/self/ns/net'), before)
    assert.equal(await sw.ports(), [])

    neighbour.kill()
    await once(neighbour, 'exit')
    unlinkSync(`${directory}/link`)
    rmdirSync(directory)
    await host.deleteVswitch('br0')
  }),
)

test.run()
