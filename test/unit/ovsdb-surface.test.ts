import * as surface from 'ecdock-fast/ovsdb'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OvsdbClient } from '../../src/ovsdb/client.js'

/** Only the compiler reads this: what the client gives and takes has a name that can be imported. */
export interface Named {
  connect: (
    options: surface.OvsdbOptions,
    tls: surface.TlsOptions,
    backoff: surface.Backoff,
  ) => surface.OvsdbClient
  commit: (build: surface.BuildPart, options: surface.GroupCommitOptions) => surface.OperationResult[]
  monitor: (columns: surface.Columns) => surface.ReplicaMonitor<{ Mirror: ['name'] }>
  row: surface.ReplicaRow<'Bridge'> & surface.Tables['Bridge']
  lock: (client: surface.OvsdbClient, options: surface.TransactOptions) => Promise<surface.Lock>
  refused: (refusal: surface.Refusal, error: surface.EcdockError) => surface.ErrorCode
}

test('the package gives its client by a name of its own', () => {
  assert.is(surface.OvsdbClient, OvsdbClient)
})

test('what it gives at run time is this, and nothing else', () => {
  assert.equal(Object.keys(surface).sort(), [
    'DEFAULT_OVSDB',
    'ERROR_CODES',
    'EcdockError',
    'GroupCommit',
    'OvsdbClient',
    'REPLICATED',
    'abort',
    'assertLock',
    'comment',
    'commit',
    'decodeRows',
    'deleteRows',
    'insert',
    'mutate',
    'named',
    'refusalOf',
    'rowIs',
    'select',
    'update',
    'uuid',
    'wait',
  ])
})

test.run()
