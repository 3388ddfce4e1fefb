/** A batch with claimed ids: which entries to store, with which times. */

import type { Batch } from '../../../domain/entries/batch.ts'
import { nsColumnOf } from '../../../domain/time.ts'
import type { Claim, ClaimOutcome, EntryIds } from './entry-ids.ts'

export interface ClaimedBatch {
  /** The batch with the times to store its entries with. */
  readonly batch: Batch
  /** Entries not to store, because another entry has their id. */
  readonly leftOut: ReadonlySet<number>
  readonly takenIds: ReadonlyMap<string, bigint>
  /** To confirm when the entries are durable. */
  readonly claims: readonly Claim[]
}

/** Concurrent calls to DynamoDB per batch. */
const CALLS_MAX = 32

/** Claims the ids of the batch. If an id occurs twice, the first entry counts. */
export async function claimIds(ids: EntryIds, batch: Batch): Promise<ClaimedBatch> {
  const firsts = new Map<string, number>()
  const leftOut = new Set<number>()
  for (const { entry, id } of batch.ids) {
    if (firsts.has(id)) leftOut.add(entry)
    else firsts.set(id, entry)
  }
  const outcomes = new Map<string, ClaimOutcome>()
  await eachOf([...firsts], CALLS_MAX, async ([id, entry]) => {
    outcomes.set(id, await ids.claim(batch, entry, id))
  })
  return settle(batch, firsts, outcomes, leftOut)
}

function settle(
  batch: Batch,
  firsts: ReadonlyMap<string, number>,
  outcomes: ReadonlyMap<string, ClaimOutcome>,
  leftOut: Set<number>,
): ClaimedBatch {
  const takenIds = new Map<string, bigint>()
  const claims: Claim[] = []
  let times: BigInt64Array | undefined
  for (const { entry, id } of batch.ids) {
    const outcome = outcomes.get(id) as ClaimOutcome
    const isFirst = firsts.get(id) === entry
    if ('takenNs' in outcome) {
      takenIds.set(id, outcome.takenNs)
      leftOut.add(entry)
    } else if (!isFirst) takenIds.set(id, outcome.claim.ns)
    else {
      claims.push(outcome.claim)
      if (outcome.claim.ns === batch.timestamps.values[entry]) continue
      // Claimed by an earlier attempt, whose time the entry gets.
      times ??= batch.timestamps.values.slice(0, batch.count)
      times[entry] = outcome.claim.ns
      takenIds.set(id, outcome.claim.ns)
    }
  }
  return { batch: times === undefined ? batch : { ...batch, timestamps: nsColumnOf(times) }, leftOut, takenIds, claims }
}

/**
 * Runs `work` for each item, at most `atOnce` concurrently. After a failure no other is started; rejects with its
 * reason after all started ones have ended, so that nothing continues in the background.
 */
export async function eachOf<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  let next = 0
  let failure: { cause: unknown } | undefined
  const run = async (): Promise<void> => {
    while (next < items.length && failure === undefined) {
      try {
        await work(items[next++] as T)
      } catch (cause) {
        failure ??= { cause }
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, run))
  if (failure !== undefined) throw failure.cause
}

/** Rejects with the first failure, but only after all have ended, because the caller then reuses the batch's memory. */
export async function allDone(writes: readonly Promise<void>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(writes)) if (outcome.status === 'rejected') throw outcome.reason
}
