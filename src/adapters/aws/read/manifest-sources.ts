/** Plans reads from the manifest: rows that are not compacted yet, then files by tenant, time and stream. */

import { promisify } from 'node:util'
import { zstdDecompress } from 'node:zlib'
import { batchOfBlock } from '../../../domain/entries/block-builder.ts'
import { GatewayError } from '../../../domain/errors.ts'
import { NS_MAX, NS_MIN } from '../../../domain/time.ts'
import type { ArchiveFile } from '../../../ports/archive.ts'
import type { ReadRequest } from '../../../ports/log-store.ts'
import { bucketOf, dayOfNs, SPAN_MS, startOfDay } from '../../../protocol/archive/archive-place.ts'
import type { DynamoManifest, RowState } from '../archive/dynamo-manifest.ts'
import type { ShardRaise } from '../archive/row-shards.ts'
import type { ArchiveBucket } from '../archive-bucket.ts'
import { unpackRecentBlock } from '../recent-block.ts'
import type { ArchiveSource, ListedHour, LoadEntries, SourceRange } from './archive-sources.ts'
import type { FileReads } from './file-reads.ts'
import { decodeText } from './object-loader.ts'
import type { ArrivedSource, RecentLoads } from './recent-loads.ts'

export interface ManifestParts {
  readonly manifest: Pick<DynamoManifest, 'buckets' | 'state' | 'days'>
  readonly files: FileReads
  readonly bucket: Pick<ArchiveBucket, 'get'>
}

const DAY_NS = 86_400_000_000_000n
/** Indexes read together: the first in the order of a read are needed most. */
const FILES_AT_ONCE = 8
/** Far above an object of the gateway's, which has 8 MiB of lines unless a single line is longer. */
const OBJECT_TEXT_BYTES_MAX = 256 * 2 ** 20

const decompress = promisify(zstdDecompress)

/** The state of a tenant's bucket at the beginning of a read. */
export interface ManifestPlan {
  /** Rows that arrived earlier are in files. */
  readonly sinceMs: number
  /** How the rows since then are spread. */
  readonly raises: readonly ShardRaise[]
  readonly days: readonly { readonly day: string; readonly files: readonly ArchiveFile[] }[]
}

export class ManifestSources {
  readonly #parts: ManifestParts

  constructor(parts: ManifestParts) {
    this.#parts = parts
  }

  /** What a read of the tenant sees; undefined if nothing of its bucket ever arrived. Rejects like the manifest. */
  async plan(tenant: string, start: bigint, end: bigint): Promise<ManifestPlan | undefined> {
    const { manifest } = this.#parts
    const buckets = await manifest.buckets()
    if (buckets === undefined) return undefined
    const bucket = bucketOf(tenant, buckets)
    // Before the days: what is sealed after this is in their files or in rows, which stay for much longer than a query.
    const state: RowState | undefined = await manifest.state(bucket)
    if (state === undefined) return undefined
    const days = await manifest.days(bucket, dayOfNs(start), dayOfNs(end - 1n))
    return {
      sinceMs: state.sealed * SPAN_MS,
      raises: state.raises,
      days: days.map(({ day, files }) => ({
        day,
        files: files.filter((file) => isSealed(file, state) && hasTenant(file, tenant)),
      })),
    }
  }

  /** Lists the objects of rows first, then the row groups of files, day by day in the order of the read. */
  async *list(
    plan: ManifestPlan,
    rows: Pick<RecentLoads, 'rowsOf' | 'release'>,
    request: ReadRequest,
    { oldest, newest, direction }: SourceRange,
    signal?: AbortSignal,
  ): AsyncGenerator<ListedHour, void, undefined> {
    const isBackward = direction === 'backward'
    const arrived = rows
      .rowsOf(request.tenant, plan.sinceMs)
      .filter((row) => row.oldest <= newest && row.newest >= oldest)
    yield {
      sources: arrived.map((row) => this.#sourceOf(request.tenant, row, rows)),
      bound: isBackward ? newest : oldest,
    }
    const range = { tenant: request.tenant, matchers: request.matchers, traceId: request.traceId, oldest, newest }
    for (const { day, files } of isBackward ? plan.days.toReversed() : plan.days) {
      const wanted = files
        .filter((file) => file.oldest <= newest && file.newest >= oldest)
        .sort((a, b) => (isBackward ? compare(b.newest, a.newest) : compare(a.oldest, b.oldest)))
      for (let at = 0; at < wanted.length; at += FILES_AT_ONCE) {
        const group = wanted.slice(at, at + FILES_AT_ONCE)
        const needed = group.filter(
          (file) => request.wants?.(max(file.oldest, oldest), min(file.newest, newest)) !== false,
        )
        const sources = await Promise.all(needed.map((file) => this.#parts.files.sourcesOf(file, range, signal)))
        const next = wanted[at + FILES_AT_ONCE]
        yield {
          sources: sources.flat(),
          bound: next === undefined ? endOf(day, isBackward) : isBackward ? next.newest : next.oldest,
        }
      }
    }
    yield { sources: [], bound: undefined }
  }

  #sourceOf(tenant: string, row: ArrivedSource, rows: Pick<RecentLoads, 'release'>): ArchiveSource {
    const { sortKey, oldest, newest, content } = row
    const source = { key: `row ${tenant} ${sortKey}`, etag: '', oldest, newest, arrival: sortKey }
    if (content !== undefined && 'key' in content) {
      return { ...source, key: content.key, bytes: content.bytes, load: this.#loadOf(content.key) }
    }
    const load: LoadEntries = async (append) => {
      if (row.content === undefined || !('block' in row.content)) return undefined
      try {
        await append(batchOfBlock(tenant, unpackRecentBlock(row.content.block)))
      } catch (cause) {
        if (cause instanceof GatewayError && cause.code === 'store_damaged')
          return { why: cause.message, failedAt: undefined }
        throw cause
      }
      rows.release(row)
      return undefined
    }
    return { ...source, bytes: content?.block.length ?? 0, isHeld: true, load }
  }

  /** Loads an object of zstd over archive lines. */
  #loadOf(key: string): LoadEntries {
    return async (append, signal) => {
      const chunks: Uint8Array[] = []
      for await (const chunk of (await this.#parts.bucket.get(key, signal)) ?? []) chunks.push(chunk)
      if (chunks.length === 0) return { why: 'it does not exist', failedAt: undefined }
      let text: Uint8Array
      try {
        text = await decompress(Buffer.concat(chunks), { maxOutputLength: OBJECT_TEXT_BYTES_MAX })
      } catch (cause) {
        return {
          why: `it cannot be decompressed (${cause instanceof Error ? cause.message : 'unknown'})`,
          failedAt: undefined,
        }
      }
      const { batches, wrong } = decodeText(text)
      for (const batch of batches) await append(batch)
      return wrong === 0 ? undefined : { why: `${wrong} of its lines are not valid entries`, failedAt: undefined }
    }
  }
}

/** Lists two things at once: a step is listed where the other has not come yet. */
export async function* listBoth(
  lists: readonly AsyncGenerator<ListedHour, void, undefined>[],
  direction: SourceRange['direction'],
): AsyncGenerator<ListedHour, void, undefined> {
  const isBackward = direction === 'backward'
  // Each list with the bound behind what it has listed so far.
  const running = lists.map((list) => ({ list, bound: isBackward ? NS_MAX : NS_MIN }))
  while (running.length > 0) {
    const behind = running.reduce((a, b) => ((isBackward ? a.bound >= b.bound : a.bound <= b.bound) ? a : b))
    const { value: step } = await behind.list.next()
    if (!step || step.bound === undefined) running.splice(running.indexOf(behind), 1)
    else behind.bound = step.bound
    const bounds = running.map(({ bound }) => bound)
    const sources: readonly ArchiveSource[] = step ? step.sources : []
    yield { sources, bound: bounds.length === 0 ? undefined : bounds.reduce(isBackward ? max : min) }
  }
}

/** Files of arrivals that a reader of this state reads as rows do not count for it. */
function isSealed({ span }: ArchiveFile, { sealed }: RowState): boolean {
  return span < sealed
}

function hasTenant({ first, last }: ArchiveFile, tenant: string): boolean {
  return compareBytes(first.tenant, tenant) <= 0 && compareBytes(last.tenant, tenant) >= 0
}

/** As DuckDB sorts: by bytes of UTF-8. Tenants are ASCII. */
function compareBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** The bound behind all files of a day. Throws store_damaged for a text that is no day. */
function endOf(day: string, isBackward: boolean): bigint {
  const start = startOfDay(day)
  if (start === undefined)
    throw new GatewayError('store_damaged', `the manifest has an item for the day '${day}'; delete it`)
  return isBackward ? start - 1n : start + DAY_NS
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0
}

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b)
const min = (a: bigint, b: bigint): bigint => (a < b ? a : b)
