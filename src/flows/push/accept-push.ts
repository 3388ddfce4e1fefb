/** Accepts a decoded push: checks the tenant's rate, stores the valid entries, reports the others. */

import type { BatchBuilder } from '../../domain/entries/batch-builder.ts'
import type { Refusals } from '../../domain/entries/refusals.ts'
import { GatewayError } from '../../domain/errors.ts'
import type { PushLimits } from '../../domain/limits.ts'
import type { BatchOrigin, Ports } from '../../ports/log-store.ts'
import type { StreamGateKeeper } from './stream-gate.ts'

/** The outcome of a push. Accepted entries are durable; rejected ones are listed in `refusals`. */
export interface PushOutcome {
  /** Stored entries, including duplicates of stored ones: those that the client need not retry. */
  readonly accepted: number
  readonly duplicates: number
  /** Entries dropped by the operator's selectors. */
  readonly dropped: number
  readonly lineBytes: number
  readonly refusals: Refusals
  /** Ids that were already used, with the times of their entries. */
  readonly takenIds: ReadonlyMap<string, bigint>
}

const NO_IDS: ReadonlyMap<string, bigint> = new Map()

/** How a push is accepted. */
export interface Acceptance {
  /** `push` if absent. */
  readonly origin?: BatchOrigin
  /** The tenant's rate; absent if no rate applies. */
  readonly rate?: { readonly gate: StreamGateKeeper; readonly limits: PushLimits }
}

/**
 * Stores the builder's batch and passes it to live tails. Throws entries_limited, with nothing stored, if the tenant
 * exceeds its rate, and rethrows errors of the store.
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
