/** Places of the direct archive: tenant buckets, ten minutes of arrival, names of objects and streams. */

import { hash } from 'node:crypto'
import type { Labels } from '../../domain/labels.ts'
import type { NameRange } from './archive-names.ts'

/** Arrivals of ten minutes are compacted together. */
export const SPAN_MS = 600_000

/** The number of the ten minutes in which something arrived, since the epoch. */
export function spanOf(ms: number): number {
  return Math.floor(ms / SPAN_MS)
}

/** The bucket of a tenant, from 0 to `buckets` - 1: fixed for ever, since names of items and objects have it. */
export function bucketOf(tenant: string, buckets: number): number {
  return Number.parseInt(hash('sha256', tenant, 'hex').slice(0, 8), 16) % buckets
}

/**
 * The 64 bits by which files sort a tenant's streams, signed: 16 of the hash of the service, so that its streams lie together, and 48 of
 * the hash of all labels. `key` is formatLabels(labels).
 */
export function streamIdOf(labels: Labels, key: string): bigint {
  const service = labels.find(({ name }) => name === 'service_name')?.value ?? ''
  const text = hash('sha256', service, 'hex').slice(0, 4) + hash('sha256', key, 'hex').slice(0, 12)
  return BigInt.asIntN(64, BigInt(`0x${text}`))
}

/** What a name of an arrived object says: one push of one tenant. */
export interface Arrival {
  readonly tenant: string
  readonly bucket: number
  readonly span: number
  /** Times of its entries. */
  readonly range: NameRange
  /** contentHash of the object. */
  readonly content: string
}

/**
 * The key of an arrived object, `<prefix>l0/<span>/<bucket>/<tenant>/<oldest>_<newest>_<hash>.ndjson.zst`. The same content that
 * arrives in the same ten minutes has the same key, so that a retry changes nothing.
 */
export function arrivalKey(prefix: string, { tenant, bucket, span, range, content }: Arrival): string {
  return `${prefix}l0/${span}/${bucket}/${tenant}/${range.oldest}_${range.newest}_${content}.ndjson.zst`
}

/** The day of a time in nanoseconds, `2026-11-29`, in UTC. */
export function dayOfNs(ns: bigint): string {
  // A bigint division rounds towards zero; times before 1970 need the day below.
  const days = ns / 86_400_000_000_000n - (ns < 0n && ns % 86_400_000_000_000n !== 0n ? 1n : 0n)
  return new Date(Number(days) * 86_400_000).toISOString().slice(0, 10)
}

/** The first nanosecond of a day, or undefined for another text. */
export function startOfDay(day: string): bigint | undefined {
  const ms = Date.parse(`${day}T00:00:00Z`)
  return Number.isNaN(ms) ? undefined : BigInt(ms) * 1_000_000n
}

/**
 * The key of a compacted file, `<prefix>parquet/dt=<day>/tb=<bucket>/<name>.parquet`: Athena's partitions. The name is
 * random: two attempts never write one object.
 */
export function fileKey(prefix: string, day: string, bucket: number, name: string): string {
  return `${prefix}parquet/dt=${day}/tb=${bucket}/${name}.parquet`
}
