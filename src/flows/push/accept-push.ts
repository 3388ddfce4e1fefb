/** Takes in one decoded push: asks the rate, makes the valid part durable, says what became of the rest. */

import type { BatchBuilder } from '../../domain/entries/batch-builder.ts'
import type { Refusals } from '../../domain/entries/refusals.ts'
import { GatewayError } from '../../domain/errors.ts'
import type { PushLimits } from '../../domain/limits.ts'
import type { BatchOrigin, Ports } from '../../ports/log-store.ts'
import type { StreamGateKeeper } from './stream-gate.ts'

/** The outcome of a push. Accepted entries are durable; rejected ones are listed in `refusals`. */
export interface PushOutcome {
  /** Entries that are stored, duplicates of stored ones included: what the client need not send again. */
  readonly accepted: number
  readonly duplicates: number
  /** Entries dropped because the operator wants them dropped. */
  readonly dropped: number
  readonly lineBytes: number
  readonly refusals: Refusals
  /** Ids that were taken before, with the time of the entry that has them. */
  readonly takenIds: ReadonlyMap<string, bigint>
}

const NO_IDS: ReadonlyMap<string, bigint> = new Map()

/** How a push is accepted. */
export interface Acceptance {
  /** `push` when absent. */
  readonly origin?: BatchOrigin
  /** The tenant's rate; absent for batches that no rate limits. */
  readonly rate?: { readonly gate: StreamGateKeeper; readonly limits: PushLimits }
}

/**
 * Stores what the builder kept and passes it on to live tails. Throws entries_limited, with nothing stored, when the
 * tenant's rate is used up, and whatever the store throws when it could not store.
 */
export async function acceptPush(
  { store, feed }: Pick<Ports, 'store' | 'feed'>,
  builder: BatchBuilder,
  { origin = 'push', rate }: Acceptance = {},
): Promise<PushOutcome> {
  const batch = builder.build()
  const rest = { dropped: builder.droppedEntries, lineBytes: batch.lineBytes, refusals: builder.refusals }
  if (batch.count === 0) return { accepted: 0, duplicates: 0, takenIds: NO_IDS, ...rest }
  if (rate?.gate.admitPush(batch.tenant, batch.lineBytes, rate.limits) === false) {
    const { limits } = rate
    const text = `ingestion rate limit exceeded for user ${batch.tenant} (limit: ${limits.tenantRate?.bytesPerSecond} bytes/sec) while attempting to ingest '${batch.count}' lines totaling '${batch.lineBytes}' bytes, reduce log volume or raise MILLRACE_TENANT_RATE`
    builder.refusals.count({ reason: 'rate_limited', text }, batch.count)
    throw new GatewayError('entries_limited', text)
  }
  const { duplicates, takenIds } = await store.append(batch, origin)
  if (duplicates < batch.count) feed?.publish(batch)
  return { accepted: batch.count, duplicates, takenIds, ...rest }
}
