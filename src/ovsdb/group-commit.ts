import { performance } from 'node:perf_hooks'
import { asEcdockError, EcdockError } from '../errors.js'
import { Pending } from '../pending.js'
import { notTakenIn, type OvsdbClient, type TransactOptions } from './client.js'
import { remainingMs, silent } from './connection.js'
import { joinInsertions } from './joining.js'
import type { Operation } from './operations.js'
import { type OperationResult, refusalOf } from './result.js'

/**
 * Makes the operations of one part, when its transaction is put together: it sees the replica of that moment. It
 * is called again when the transaction has to be put together anew. Names that it gives to rows by `uuidName`
 * begin with `label`, which no other part of the transaction has. What it throws is the part's error.
 */
export type BuildPart = (label: string) => readonly Operation[]

export interface GroupCommitOptions {
  /** Most parts in one transaction. Default 256. */
  maxParts?: number | undefined
}

type GroupClient = Pick<
  OvsdbClient,
  'connected' | 'away' | 'ready' | 'transactAndWait' | 'requestTimeoutMs' | 'closed'
>

/**
 * Many changes by few transactions. ovs-vswitchd works through its whole configuration for each transaction, so
 * one is carried out while it takes in the one before, what arrives meanwhile waits, and the next takes all of it. Each part
 * has an outcome of its own: what the server refuses is looked for, and the others are carried out without it.
 *
 * ```ts
 * const group = new GroupCommit(client)
 * await Promise.all(names.map((name) => group.commit((label) => [
 *   insert('Interface', { name, type: 'internal' }, `${label}i`),
 *   insert('Port', { name, interfaces: [named(`${label}i`)] }, `${label}p`),
 *   mutate('Bridge', [['name', '==', 'ovs0']], { ports: { insert: [named(`${label}p`)] } }),
 * ])))
 * ```
 */
export class GroupCommit {
  readonly #client: GroupClient
  readonly #maxParts: number
  /** In the order of arrival. */
  readonly #waiting = new Set<Part>()
  #running = false
  /** When the last transaction ends: ovs-vswitchd has taken it in, or it has failed, or nobody waits for it any more. */
  #endOfLast: Promise<void> = Promise.resolve()

  constructor(client: GroupClient, options: GroupCommitOptions = {}) {
    this.#client = client
    this.#maxParts = Math.max(1, options.maxParts ?? 256)
  }

  /** Parts that no transaction has taken yet. */
  get waiting(): number {
    return this.#waiting.size
  }

  /**
   * Carries out what `build` makes, together with what others commit, and waits until ovs-vswitchd has taken it
   * in. Resolves with the results of its own operations. An empty list is done without a transaction.
   *
   * Throws what `build` throws; OVSDB_REFUSED, for its own operations only; and what
   * {@link OvsdbClient.transactAndWait} throws: after OVSDB_LOST and OVSDB_PROTOCOL it is unknown whether the
   * transaction was carried out, and it is not repeated. A part that only waits stays through a reconnection,
   * until its own time is over (OVSDB_UNREACHABLE or TIMEOUT) or it is cancelled (CANCELLED): it was not sent.
   * The time limit and the cancellation of a part that is in flight end the wait for it, not the transaction,
   * unless nobody else is in it.
   */
  async commit(build: BuildPart, options: TransactOptions = {}): Promise<OperationResult[]> {
    const part = new Part(this.#client, build, options)
    this.#wait(part)
    part.pending.atEnd(() => this.#waiting.delete(part))
    if (!this.#running) {
      this.#running = true
      // In a moment, so that all that is committed in one go makes one transaction.
      queueMicrotask(() => void this.#run())
    }
    return await part.pending.promise
  }

  #wait(part: Part): void {
    part.stage = 'waiting'
    this.#waiting.add(part)
  }

  async #run(): Promise<void> {
    while (this.#waiting.size > 0) {
      if (this.#client.connected) await this.#carryOutNext()
      else await this.#untilConnected()
    }
    this.#running = false
  }

  /**
   * Until the server has answered, and the one before has ended: then ovs-vswitchd has this one to take in while the next is
   * carried out.
   */
  async #carryOutNext(): Promise<void> {
    const before = this.#endOfLast
    await new Promise<void>((resolve) => {
      this.#endOfLast = this.#carryOut(this.#take(), resolve).finally(resolve)
    })
    await before
  }

  /** Here nobody is given up but by a client that is closed: each part has a time limit of its own. */
  async #untilConnected(): Promise<void> {
    try {
      await this.#client.ready()
    } catch (error) {
      if (!this.#client.closed) return
      for (const part of [...this.#waiting]) part.pending.reject(error)
    }
  }

  #take(): Part[] {
    const parts: Part[] = []
    for (const part of this.#waiting) {
      if (parts.length === this.#maxParts) break
      this.#waiting.delete(part)
      parts.push(part)
    }
    return parts
  }

  /** One transaction, and after a refusal those that it is split into, until all have ended. Never throws. */
  async #carryOut(parts: readonly Part[], committed?: () => void): Promise<void> {
    const open = parts.filter((part) => !part.pending.settled)
    if (!this.#client.connected) {
      for (const part of open) this.#wait(part)
      return
    }
    const transaction = assemble(open)
    const shares = transaction.shares
    if (shares.length === 0) return
    try {
      const results = await this.#client.transactAndWait(transaction.operations, {
        signal: whenAllHaveEnded(shares),
        timeoutMs: Math.max(...shares.map(({ part }) => part.remainingMs)),
        onCommitted: () => {
          for (const { part } of shares) part.stage = 'committed'
          committed?.()
        },
      })
      for (const { part, places } of shares) {
        part.pending.resolve(places.map((place) => results[place] ?? {}))
      }
    } catch (error) {
      const split = splitUp(shares, error)
      if (split === undefined) {
        for (const { part } of shares) part.pending.reject(asEcdockError(error, 'ovsdb transact'))
      } else {
        // One after the other on the same connection, but without a pause between them.
        await Promise.all(split.map((some) => this.#carryOut(some)))
      }
    }
  }
}

/** What one caller wants. */
class Part {
  readonly pending: Pending<OperationResult[]>
  readonly build: BuildPart
  stage: 'waiting' | 'sent' | 'committed' = 'waiting'
  readonly #client: GroupClient
  readonly #timeoutMs: number
  readonly #startedAt = performance.now()

  /** Throws CANCELLED when the signal has been aborted already. */
  constructor(
    client: GroupClient,
    build: BuildPart,
    { signal, timeoutMs = client.requestTimeoutMs }: TransactOptions,
  ) {
    this.build = build
    this.#client = client
    this.#timeoutMs = timeoutMs
    this.pending = new Pending({ op: 'ovsdb transact', timeoutMs, signal, expired: () => this.#expired() })
  }

  get remainingMs(): number {
    return remainingMs(this.#timeoutMs, this.#startedAt)
  }

  #expired(): EcdockError {
    if (this.stage === 'committed') return notTakenIn(this.#timeoutMs)
    if (this.stage === 'sent') return silent('transact', this.#timeoutMs)
    return this.#client.away ?? neverSent(this.#timeoutMs)
  }
}

/** A part's place in a transaction. */
interface Share {
  part: Part
  /** For each of its operations, the index of the one that does its work, perhaps with that of other parts. */
  places: readonly number[]
}

/** The transaction of these parts; those that have nothing to do in it have ended. */
function assemble(parts: readonly Part[]): { operations: Operation[]; shares: Share[] } {
  const all: Operation[] = []
  const counts = new Map<Part, number>()
  for (const [at, part] of parts.entries()) {
    try {
      const own = part.build(`p${at}_`)
      for (const operation of own) all.push(operation)
      if (own.length === 0) part.pending.resolve([])
      else counts.set(part, own.length)
      part.stage = 'sent'
    } catch (error) {
      part.pending.reject(error)
    }
  }
  // A part that is alone is told which of its operations was refused.
  const { operations, places } = counts.size === 1 ? separate(all) : joinInsertions(all)
  let next = 0
  const shares = Array.from(counts, ([part, count]) => {
    const from = next
    next += count
    return { part, places: places.slice(from, next) }
  })
  return { operations, shares }
}

function separate(operations: Operation[]): ReturnType<typeof joinInsertions> {
  return { operations, places: operations.map((_, at) => at) }
}

/** Aborted when nobody waits for the transaction any more. */
function whenAllHaveEnded(shares: readonly Share[]): AbortSignal {
  const controller = new AbortController()
  let left = shares.length
  for (const { part } of shares) {
    part.pending.atEnd(() => {
      if (--left === 0) controller.abort()
    })
  }
  return controller.signal
}

/**
 * The transactions to try in place of the one that ended with `error`, in their order; undefined when it is the
 * error of all that were in it. A part is told a refusal only when it was alone, because what it was refused for
 * may have been the work of another that is refused, too.
 */
function splitUp(shares: readonly Share[], error: unknown): Part[][] | undefined {
  const refusal = refusalOf(error)
  if (refusal === undefined || shares.length === 1) return undefined
  // Nobody's operations are at fault: the whole request, the server's disk, or the increment of next_cfg.
  if (refusal.request || refusal.error === 'I/O error') return undefined
  const at = refusal.operation
  const parts = shares.map(({ part }) => part)
  const suspects = at === undefined ? parts : partsOf(shares, at)
  const [refused, ...others] = suspects
  if (refused === undefined) return undefined
  if (others.length === 0) return [parts.filter((part) => part !== refused), [refused]]
  const middle = Math.ceil(parts.length / 2)
  return [parts.slice(0, middle), parts.slice(middle)]
}

/** Those whose work this operation does. */
function partsOf(shares: readonly Share[], operation: number): Part[] {
  return shares.filter(({ places }) => places.includes(operation)).map(({ part }) => part)
}

function neverSent(timeoutMs: number): EcdockError {
  const message = `The transactions before this one took longer than ${timeoutMs} ms; it was not sent.`
  return new EcdockError('TIMEOUT', 'ovsdb transact', message, {
    hint: 'Is ovs-vswitchd running? On Debian and Ubuntu: systemctl status ovs-vswitchd',
  })
}
