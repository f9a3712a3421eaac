import type { OvsdbClient } from '../../ovsdb/client.js'
import { databaseMark } from './marks.js'

/** What a database of Open vSwitch has of what interfaces are marked with. */
export interface DatabaseView {
  /** Whether a mark names this database: a host may have several. */
  isNamedBy(record: { ovsdb?: string | undefined }): boolean
  hasBridge(name: string): boolean
  /** On whatever bridge. */
  hasPort(name: string): boolean
}

export function databaseView(client: OvsdbClient): DatabaseView {
  const { replica } = client
  return {
    isNamedBy: ({ ovsdb }) => ovsdb !== undefined && ovsdb === databaseMark(client),
    hasBridge: (name) => replica.byName('Bridge', name) !== undefined,
    hasPort: (name) => replica.byName('Port', name) !== undefined,
  }
}
