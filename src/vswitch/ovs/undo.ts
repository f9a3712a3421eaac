import type { OvsdbClient } from '../../ovsdb/client.js'
import { comment } from '../../ovsdb/operations.js'
import { refusalOf } from '../../ovsdb/result.js'

const LONGEST_UNDO_MS = 5000

/** How long each part of an undo may take, in ms: the caller waits for it with an error in hand. */
export function undoMs(client: OvsdbClient): number {
  return Math.min(LONGEST_UNDO_MS, client.requestTimeoutMs)
}

/**
 * Undoes a transaction that ended with `error`, which may have been carried out all the same: its answer was lost,
 * not waited for, or ovs-vswitchd has not taken it in. A transaction of nothing brings the replica up to date first,
 * after a reconnection if need be; then `undo` looks at what is there. After a refusal nothing was carried out.
 *
 * Never throws: the caller tells `error`, which is what matters. What could not be undone because the server is away
 * carries our marks, and `cleanup` finds it.
 */
export async function undoUnlessRefused(
  client: OvsdbClient,
  error: unknown,
  undo: () => Promise<void>,
): Promise<void> {
  if (refusalOf(error) !== undefined) return
  try {
    await client.transact([comment('ecdock-fast: undo')], { timeoutMs: undoMs(client) })
    await undo()
  } catch {
    // See above.
  }
}
