import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { VdeConsole } from '../../src/vde/console.js'
import { waitUntil } from '../support/process.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { answers, megabyteEachWay } from '../support/traffic.js'
import { withVdeSwitch } from '../support/vde.js'
import { withHost } from '../support/world.js'

const withOriginal = needs('root', 'iproute2', 'ping', 'vde', 'socat') ? test : test.skip
const OWN = { ipv4: '10.0.0.254' }

withOriginal('targets are plugged into a switch of vde-2, each by a connection of its own', () =>
  withHost((host) =>
    withVdeSwitch(async ({ dir, mgmt, stop }) => {
      const vswitch = await host.createVswitch({
        name: 'vde0',
        kind: 'vde',
        subnet: '10.0.0.254/24',
        socketDir: dir,
      })
      await host.kernel.createNamespaces(['blue', 'red'])
      try {
        await vswitch.plugAll([{ target: { netns: 'blue' } }, { target: { netns: 'red' }, slot: 9 }])
        await megabyteEachWay('/run/netns/blue', '/run/netns/red', '10.0.0.9')
        await answers('/run/netns/red', OWN.ipv4)
        const opened = await VdeConsole.open(mgmt)
        assert.is((await opened.ports()).length, 3)
        await vswitch.unplug(9)
        await waitUntil('its connection has ended', async () => (await opened.ports()).length === 2)
        await opened.close()
        assert.equal(
          (await vswitch.ports()).map(({ slot }) => slot),
          [1],
        )
        await stop('SIGKILL')
        await refusal(vswitch.plug({ netns: 'red' }, { slot: 3 }), 'VDE_REFUSED')
      } finally {
        await host.deleteVswitch('vde0')
        await host.kernel.deleteNamespaces(['blue', 'red'])
      }
    }),
  ),
)

test.run()
