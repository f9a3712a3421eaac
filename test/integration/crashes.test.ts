import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { needs } from '../support/requirements.js'
import { answers } from '../support/traffic.js'
import { withHost } from '../support/world.js'

const HOST = new URL('../../src/host.js', import.meta.url)

/** Runs a program and kills it just before a thread's `nth` message to the kernel. False when it came to its end. */
function killedAt(nth: number, code: string): boolean {
  const program = join(process.env.TMPDIR ?? '/tmp', 'victim.mjs')
  writeFileSync(
    program,
    `import { Host } from ${JSON.stringify(HOST.href)}\nconst host = await Host.open()\n${code}\n`,
  )
  const inject = `inject=sendto:signal=KILL:when=${nth}`
  const { status, signal, stderr } = spawnSync(
    'strace',
    ['-f', '-o', '/dev/null', '-e', 'trace=sendto', '-e', inject, process.execPath, program],
    { cwd: fileURLToPath(new URL('.', HOST)) },
  )
  rmSync(program)
  if (status !== 0 && status !== 137 && signal !== 'SIGKILL') throw new Error(`at message ${nth}: ${stderr}`)
  return status !== 0
}

if (needs('root', 'strace')) {
  test('a plug that is killed half-way is whole, or cleanup takes what is left of it', () =>
    withHost(async (host) => {
      await host.kernel.createNamespaces(['blue'])
      const vswitch = await host.createVswitch({ name: 'br0', subnet: '10.0.0.254/24' })
      const plug = `await (await host.vswitch('br0')).plug({ netns: 'blue' }, { slot: 1 })\nawait host.close()`
      let killed = 0
      for (let nth = 1; killedAt(nth, plug); nth += 2) {
        killed++
        const { failed } = await host.cleanup()
        assert.equal(failed, [])
        for (const port of await vswitch.ports()) {
          assert.is(port.state, 'up')
          await answers('/run/netns/blue', '10.0.0.254', `killed at message ${nth}`)
          await vswitch.unplug(port.slot)
        }
        const left = (await host.kernel.links('/run/netns/ecdock-br0')).map(({ name }) => name)
        assert.equal(left.sort(), ['br0', 'br0-up', 'lo'], `killed at message ${nth}`)
      }
      assert.ok(killed >= 5, `killed ${killed} times`)
      await vswitch.unplug(1)
      await host.deleteVswitch('br0')
      await host.kernel.deleteNamespaces(['blue'])
    }))

  test('a vswitch whose creation is killed half-way is whole, or cleanup takes what is left of it', () =>
    withHost(async (host) => {
      const create = `await host.createVswitch({ name: 'br0', subnet: '10.0.0.254/24' })\nawait host.close()`
      let killed = 0
      for (let nth = 1; killedAt(nth, create); nth += 2) {
        killed++
        const { failed } = await host.cleanup()
        assert.equal(failed, [])
        for (const { name } of await host.vswitches()) await host.deleteVswitch(name)
        assert.equal(await host.kernel.namespaces(), [], `killed at message ${nth}`)
        const left = (await host.kernel.links('')).map(({ name }) => name)
        assert.not.ok(left.includes('br0'), `killed at message ${nth}`)
      }
      assert.ok(killed >= 4, `killed ${killed} times`)
      await host.deleteVswitch('br0')
    }))
}

test.run()
