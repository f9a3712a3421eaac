import { existsSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { connect } from '../../src/vde/connection.js'
import { VdeConsole } from '../../src/vde/console.js'
import type { ConsoleEvent } from '../../src/vde/console-tables.js'
import { waitUntil } from '../support/process.js'
import { refusal } from '../support/refusal.js'
import { needs } from '../support/requirements.js'
import { BROADCAST, frameOf, type TestSwitch, withVdeSwitch } from '../support/vde.js'
import { leavingNothing } from '../support/world.js'

const vdeTest = needs('root', 'vde') ? test : test.skip
const SELF = '52:00:0a:00:00:01'

vdeTest('the console tells of the switch, its ports and whom it has seen where', () =>
  onConsole(async (opened, { dir, mgmt, pid }) => {
    const info = await opened.showInfo()
    assert.equal([info.pid, info.mgmt], [pid, mgmt])
    assert.match(info.version, /^\d+\.\d+/)
    assert.equal(await opened.ports(), [])

    const link = await connect(dir, { port: 7, description: 'one of ours' })
    link.send(frameOf(BROADCAST, SELF, 'x'.repeat(46)))
    await waitUntil('the switch has counted it', async () => (await opened.port(7))?.in?.packets === 1)
    const [port] = await opened.ports()
    assert.equal([port?.port, port?.active, port?.in], [7, true, { packets: 1, bytes: 60 }])
    assert.equal(
      port?.endpoints.map(({ module, description }) => [module, description]),
      [['unix prog', 'one of ours']],
    )
    assert.equal(
      (await opened.hash()).map(({ mac, vlan, port }) => ({ mac, vlan, port })),
      [{ mac: SELF, vlan: 0, port: 7 }],
    )
    assert.is(await opened.port(8), undefined)
    await link.close()
  }),
)

vdeTest('settings are changed, and what the switch refuses is told', () =>
  onConsole(async (opened) => {
    await opened.setPortCount(40)
    await opened.setHub(true)
    assert.equal(await opened.portSettings(), { maxPorts: 40, hub: true })
    const error = await refusal(opened.port(99), 'VDE_CONSOLE_FAILED')
    assert.is(error.errno, 'EINVAL')
    assert.is((await refusal(opened.command('nonsense'), 'VDE_CONSOLE_FAILED')).errno, 'ENOSYS')
    assert.ok((await opened.help()).some((line) => line.startsWith('port/print')))
  }),
)

vdeTest('events tell of a client that comes and goes', () =>
  onConsole(async (opened, { dir }) => {
    const events = await opened.events()
    const link = await connect(dir, { description: 'a guest' })
    const told: ConsoleEvent[] = []
    const read = async (last: ConsoleEvent['type']) => {
      for (;;) {
        const { value } = await events.next()
        told.push(value)
        if (value.type === last) return
      }
    }
    await read('described')
    await link.close()
    await read('port-removed')
    const id = told.flatMap((event) => ('id' in event ? event.id : []))[0] ?? -1
    assert.equal(told, [
      { type: 'port-added', port: 1 },
      { type: 'endpoint-added', port: 1, id },
      { type: 'described', port: 1, id, description: 'a guest' },
      { type: 'endpoint-removed', port: 1, id },
      { type: 'port-removed', port: 1 },
    ])
  }),
)

vdeTest('shutdown ends the switch', () =>
  onConsole(async (opened, { dir }) => {
    await opened.shutdown()
    await refusal(opened.showInfo(), 'VDE_LOST')
    await waitUntil('its sockets are gone', () => !existsSync(dir))
  }),
)

function onConsole(body: (opened: VdeConsole, vde: TestSwitch) => Promise<void>): Promise<void> {
  return leavingNothing(() =>
    withVdeSwitch(async (vde) => {
      const opened = await VdeConsole.open(vde.mgmt)
      try {
        await body(opened, vde)
      } finally {
        await opened.close()
      }
    }),
  )
}

test.run()
