/** Items of recorded counts: their contents, and the distribution of counts over items. */

import { gunzipSync, gzipSync } from 'node:zlib'
import type { LineCount } from '../../../domain/incidents/incident.ts'
import { decodeCounts, encodeCounts } from '../../../protocol/incidents/incident-record.ts'

/**
 * The item: `pk` incident-counts#<delivery>#<part>, `sk` counts, `body` (gzip of incident-record.ts's counts) and,
 * until it is applied, `workShard` and `workAtMs` of the index incidentWork; `expiresAt` (seconds). An applied item
 * stays without these and without its body, as long as its delivery must be remembered.
 */
export interface CountItem {
  readonly pk: string
  readonly sk: 'counts'
  readonly body: Uint8Array
  readonly workShard: string
  readonly workAtMs: number
  readonly expiresAt: number
}

export interface PendingCounts {
  readonly key: CountKey
  readonly recordedMs: number
  readonly counts: readonly LineCount[]
}

export interface CountKey {
  readonly pk: string
  readonly sk: 'counts'
}

/** An item may have 400 KB, and the transaction that applies it writes each of its incidents: at most 100 items. */
const BODY_BYTES_MAX = 256 * 1024
export const COUNTS_OF_ITEM_MAX = 40
/** Counts that are not applied within this time, because nothing folds, expire. */
const PENDING_MS_MAX = 14 * 86_400_000

export const COUNT_SHARDS = ['counts-0', 'counts-1', 'counts-2', 'counts-3'] as const

/** The key of an item of a delivery; a recorded delivery has part 0. */
export function countKey(delivery: string, part: number): CountKey {
  return { pk: `incident-counts#${delivery}#${part}`, sk: 'counts' }
}

export function encodeCountItems(delivery: string, counts: readonly LineCount[], nowMs: number): CountItem[] {
  return bodiesOf(counts).map((body, part) => ({
    ...countKey(delivery, part),
    body,
    workShard: COUNT_SHARDS[shardOf(delivery)] as string,
    workAtMs: nowMs,
    expiresAt: Math.ceil((nowMs + PENDING_MS_MAX) / 1000),
  }))
}

/** Undefined for an item that was applied or does not exist. */
export function decodeCountItem(item: Record<string, unknown> | undefined): PendingCounts | undefined {
  if (item?.['workShard'] === undefined) return undefined
  // Written by encodeCountItems.
  const { pk, body, workAtMs } = item as unknown as CountItem
  return { key: { pk, sk: 'counts' }, recordedMs: workAtMs, counts: decodeCounts(gunzipSync(body).toString()) }
}

function bodiesOf(counts: readonly LineCount[]): Uint8Array[] {
  if (counts.length <= COUNTS_OF_ITEM_MAX) {
    const body = gzipSync(encodeCounts(counts))
    if (body.length <= BODY_BYTES_MAX || counts.length === 1) return [body]
  }
  const middle = Math.ceil(counts.length / 2)
  return [...bodiesOf(counts.slice(0, middle)), ...bodiesOf(counts.slice(middle))]
}

function shardOf(delivery: string): number {
  let sum = 0
  for (let i = 0; i < delivery.length; i++) sum += delivery.charCodeAt(i)
  return sum % COUNT_SHARDS.length
}
