import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Host } from '../../src/host.js'
import { Control } from '../../src/vde/control.js'
import { findSwitch } from '../../src/vde/switch-process.js'
import { type CliResult, cli } from '../support/cli.js'
import { withEcdockSwitch } from '../support/ecdock-switch.js'
import { type Laid, onVswitch } from '../support/on-vswitch.js'
import { waitUntil } from '../support/process.js'
import { needs } from '../support/requirements.js'
import { megabyteEachWay } from '../support/traffic.js'

const vdeTest = needs('root', 'iproute2', 'ping', 'socat') ? test : test.skip
const NEW = { name: 'vde0', kind: 'vde', subnet: '10.0.0.254/24' } as const
const HOME = '/run/ecdock-fast/vde/vde0'

vdeTest('what QEMU needs is not told while the switch has ended', () =>
  onVde({}, async ({ host }) => {
    assert.match((await command('qemu-args', '2')).stdout, /^-netdev vde,id=slot2,sock=.*,port=2 /)
    await killSwitch(host)
    const { status, stdout, stderr } = await command('qemu-args', '2')
    assert.equal([status, stdout], [3, ''])
    assert.match(stderr, /the switch of vde0 has ended/)
    assert.match(stderr, /"ecdock-fast cleanup" starts it again/)
    await command('cleanup')
    assert.is((await command('qemu-args', '2')).status, 0)
  }),
)

vdeTest("nor while somebody else's has", () =>
  withEcdockSwitch(({ dir, stop }) =>
    onVde({ socketDir: dir }, async () => {
      assert.is((await command('qemu-args', '2')).status, 0)
      await stop('SIGKILL')
      const { status, stderr } = await command('qemu-args', '2')
      assert.is(status, 3)
      assert.ok(stderr.includes(`the switch at ${dir} has ended`), stderr)
    }),
  ),
)

vdeTest('a tap that is not plugged into its switch is listed as down, with what can be done', () =>
  onVde({}, async ({ host, vswitch, targets }) => {
    const [first = '', second = ''] = targets
    await vswitch.plugAll([{ target: { netns: first } }, { target: { netns: second } }])
    const states = async () =>
      (await vswitch.ports({ stranded: true })).map(({ slot, state }) => `${slot} ${state}`)
    assert.equal(await states(), ['1 up', '2 up'])
    assert.not.match((await command('ls')).stdout, /cleanup/)

    const control = await Control.connect(join(HOME, 'control'))
    await control.unplug(1)
    control.close()
    assert.equal(await states(), ['1 down', '2 up'])
    const { stdout } = await command('ls')
    assert.match(stdout, /^ *1 .* down /m)
    assert.match(stdout, /"ecdock-fast cleanup" plugs in again what is down/)
    assert.match((await command('inspect', '1')).stdout, /^state: *down$/m)

    await host.cleanup()
    assert.equal(await states(), ['1 up', '2 up'])
    await megabyteEachWay(first, second, '10.0.0.2')
  }),
)

async function killSwitch(host: Host): Promise<void> {
  const { pid } = await host.vdeSockets('vde0')
  if (pid !== undefined) process.kill(pid, 'SIGKILL')
  await waitUntil('it is gone', async () => (await findSwitch(join(HOME, 'control'))) === undefined)
}

async function command(...words: string[]): Promise<CliResult> {
  return cli(words, { world: await Host.open() })
}

function onVde(create: { socketDir?: string }, body: (laid: Laid) => Promise<void>): Promise<void> {
  return onVswitch({ targets: 2, create: { ...NEW, ...create } }, body)
}

test.run()
