import * as surface from 'ecdock-fast/vde'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { connect } from '../../src/vde/connection.js'

/** Only the compiler reads this: what the client gives and takes has a name that can be imported. */
export interface Named {
  connect: (dir: string, options: surface.ConnectOptions) => Promise<surface.VdeConnection>
  stats: (connection: surface.VdeConnection) => surface.ConnectionStats
  open: (path: string, options: surface.ConsoleOptions) => Promise<surface.VdeConsole>
  ports: (port: surface.ConsolePort) => surface.Endpoint[]
  hash: (opened: surface.VdeConsole) => Promise<surface.HashEntry[]>
  info: surface.SwitchInfo & surface.PortSettings
  event: surface.ConsoleEvent
}

test('the package gives its client by a name of its own', () => {
  assert.is(surface.connect, connect)
})

test('what it gives at run time is this, and nothing else', () => {
  assert.equal(Object.keys(surface).sort(), ['ERROR_CODES', 'EcdockError', 'VdeConsole', 'connect'])
})

test.run()
