import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { EcdockError, type ErrorCode } from '../../src/errors.js'
import { managementSocket } from '../../src/openflow/management-socket.js'

function refused(action: () => unknown, code: ErrorCode, words: RegExp): void {
  assert.throws(
    action,
    (error: unknown) => error instanceof EcdockError && error.code === code && words.test(error.message),
  )
}

test("a bridge's management socket is in the directory of vswitchd's sockets", () => {
  assert.is(managementSocket('ovs0'), '/var/run/openvswitch/ovs0.mgmt')
  assert.is(managementSocket('ovs0', { runDir: '/tmp/ovs/' }), '/tmp/ovs/ovs0.mgmt')
})

test('that is where the database has its socket, unless it is said', () => {
  assert.is(managementSocket('ovs0', { ovsdb: 'unix:/tmp/ovs/db.sock' }), '/tmp/ovs/ovs0.mgmt')
  assert.is(managementSocket('ovs0', { ovsdb: 'unix:/db.sock' }), '/ovs0.mgmt')
  assert.is(managementSocket('ovs0', { ovsdb: 'unix:/a/db.sock', runDir: '/b' }), '/b/ovs0.mgmt')
  assert.is(managementSocket('ovs0', { ovsdb: 'tcp:127.0.0.1:6640,unix:/a/db.sock' }), '/a/ovs0.mgmt')
  assert.is(managementSocket('ovs0', { ovsdb: 'tcp:127.0.0.1:6640' }), '/var/run/openvswitch/ovs0.mgmt')
})

test('a name that leads elsewhere is refused', () => {
  for (const name of ['', '../ovs0', 'a/b', 'a\0b']) {
    refused(() => managementSocket(name), 'NAME_INVALID', /is no name of a bridge/)
  }
})

test('a path that no unix socket can have is refused before the kernel cuts it', () => {
  const directory = `/${'d'.repeat(107 - '//ovs0.mgmt'.length)}`
  assert.is(Buffer.byteLength(managementSocket('ovs0', { runDir: directory })), 107)
  refused(() => managementSocket('ovs0', { runDir: `${directory}d` }), 'USAGE', /108 bytes, and at most 107/)
  refused(() => managementSocket('ovs0', { runDir: 'run' }), 'USAGE', /absolute/)
  refused(() => managementSocket('ovs0', { runDir: '/a\0b' }), 'USAGE', /NUL/)
})

test.run()
