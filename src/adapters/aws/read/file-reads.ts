/** Reads compacted files: their indexes, kept in memory, and row groups by ranged requests. */

import type { Batch } from '../../../domain/entries/batch.ts'
import { BatchBuilder } from '../../../domain/entries/batch-builder.ts'
import { GatewayError } from '../../../domain/errors.ts'
import { labelValue } from '../../../domain/labels.ts'
import { type Matcher, matchesAll } from '../../../domain/selector.ts'
import type { ArchiveFile } from '../../../ports/archive.ts'
import { SPAN_MS } from '../../../protocol/archive/archive-place.ts'
import {
  decodeDirectory,
  decodeTenantIndex,
  directoryBytes,
  type FileDirectory,
  filtersStart,
  type RowGroupPlace,
  rowGroupRange,
  type StreamPlace,
  type TenantIndex,
} from '../../../protocol/archive/file-index.ts'
import { mayHaveId } from '../../../protocol/archive/id-filter.ts'
import type { RowRun } from '../../../protocol/archive/parquet-rows.ts'
import type { ArchiveBucket } from '../archive-bucket.ts'
import { sortKeyAt } from '../recent-items.ts'
import type { ArchiveSource } from './archive-sources.ts'
import type { Damage } from './object-loader.ts'
import { STORED } from './object-loader.ts'

/** The first request for an index: all of it in most files, the directory and the first tenants of the others. */
const HEAD_BYTES = 256 * 1024
/** Compressed bytes of indexes kept in memory; decoded they take several times as much. */
const INDEXES_BYTES_MAX = 8 * 2 ** 20

const TRACE_ID = 'trace_id'

/** What a read wants of a file. */
export interface FileRange {
  readonly tenant: string
  readonly matchers: readonly Matcher[]
  /** See ReadRequest.traceId. */
  readonly traceId?: string | undefined
  /** Times of entries, inclusive. */
  readonly oldest: bigint
  readonly newest: bigint
}

/** The index of a file, with the parts of the tenants that were read so far. */
interface KnownIndex {
  readonly directory: FileDirectory
  readonly tenants: Map<string, TenantIndex>
  bytes: number
}

export class FileReads {
  readonly #bucket: Pick<ArchiveBucket, 'getRange'>
  /** By key of the file, least recently used first. */
  readonly #indexes = new Map<string, KnownIndex>()
  #bytes = 0

  constructor(bucket: Pick<ArchiveBucket, 'getRange'>) {
    this.#bucket = bucket
  }

  /**
   * The row groups of the file that may have entries of the range, as sources; none if the file has none or does not exist. Rejects with
   * store_unavailable, overloaded or store_damaged.
   */
  async sourcesOf(file: ArchiveFile, range: FileRange, signal?: AbortSignal): Promise<readonly ArchiveSource[]> {
    const known = await this.#indexOf(file, range.tenant, signal)
    if (known === undefined) return []
    const { directory, tenant } = known
    // Whatever their times: the same selector loads the same entries of a group, so that they are loaded once.
    const streams = tenant.streams.filter(({ labels }) => matchesAll(range.matchers, labels))
    const isWhole = streams.length === tenant.streams.length
    // What other selectors loaded of a group does not count as loaded for this one.
    const selected = isWhole
      ? ''
      : ` ${range.matchers.map(({ name, operator, value }) => JSON.stringify([name, operator, value])).join('')}`
    const places = directory.groups.flatMap((group, i) => {
      const own = streams.filter(({ row, rows }) => row < group.row + group.rows && row + rows > group.row)
      const inRange = own.filter(({ oldest, newest }) => oldest <= range.newest && newest >= range.oldest)
      const times = inRange.length === 0 ? undefined : timesOf(group, own)
      if (times === undefined || times.newest < range.oldest || times.oldest > range.newest) return []
      return { group, i, own, times }
    })
    const hasId = await this.#groupsWithId(file, tenant, places, range.traceId, signal)
    return places.flatMap(({ group, i, own, times }) => {
      if (!hasId(i)) return []
      const place = rowGroupRange(directory, group)
      return {
        key: `${file.key}#${String(i).padStart(6, '0')} ${range.tenant}${selected}`,
        arrival: sortKeyAt(file.span * SPAN_MS),
        etag: '',
        bytes: place.end - place.start,
        ...times,
        load: (append, signal) =>
          this.#load({ file, directory, group, tenant: range.tenant, streams: own }, append, signal),
      } satisfies ArchiveSource
    })
  }

  /** Whether a group may have entries with the trace id; one request for the filters of all groups. */
  async #groupsWithId(
    file: ArchiveFile,
    { filters }: TenantIndex,
    places: readonly { readonly i: number; readonly own: readonly StreamPlace[] }[],
    traceId: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<(group: number) => boolean> {
    // A stream may have the id as a label, of which there is no filter.
    const isPlain = places.every(({ own }) => own.every(({ labels }) => labelValue(labels, TRACE_ID) === ''))
    if (traceId === undefined || places.length === 0 || !isPlain) return () => true
    const wanted = new Set(places.map(({ i }) => i))
    const found = filters.filter(({ group, bytes }) => wanted.has(group) && bytes > 0)
    if (found.length === 0) return () => false
    const start = Math.min(...found.map((filter) => filter.start))
    const end = Math.max(...found.map((filter) => filter.start + filter.bytes))
    const bytes = await this.#bytesOf(file, start, end, signal)
    if (bytes === undefined) return () => true
    const has = new Set<number>()
    for (const filter of found) {
      const at = filter.start - start
      if (mayHaveId(bytes.subarray(at, at + filter.bytes), traceId)) has.add(filter.group)
    }
    return (group) => has.has(group)
  }

  async #load(
    { file, directory, group, tenant, streams }: GroupLoad,
    append: (batch: Batch) => Promise<void>,
    signal: AbortSignal,
  ): Promise<Damage | undefined> {
    const { start, end } = rowGroupRange(directory, group)
    const bytes = await this.#bucket.getRange(file.key, start, end, signal)
    // Retired files are deleted long after the longest query; whoever deletes others deletes their entries.
    if (bytes === undefined) return undefined
    // Loaded by the first read of a file: pushes need none of it.
    const { readRowGroup } = await import('../../../protocol/archive/parquet-rows.ts')
    const builder = new BatchBuilder({ ...STORED, tenant })
    const runs = streams.map((stream) => runOf(group, stream))
    try {
      await readRowGroup(directory, group, { start, bytes }, runs, builder)
    } catch (cause) {
      if (cause instanceof GatewayError && cause.code === 'store_damaged')
        return { why: cause.message, failedAt: undefined }
      throw cause
    }
    await append(builder.build())
    return undefined
  }

  async #indexOf(
    file: ArchiveFile,
    tenant: string,
    signal: AbortSignal | undefined,
  ): Promise<{ directory: FileDirectory; tenant: TenantIndex } | undefined> {
    const found = this.#indexes.get(file.key)
    if (found !== undefined) {
      this.#indexes.delete(file.key)
      this.#indexes.set(file.key, found)
      const part = found.tenants.get(tenant) ?? (await this.#readTenant(file, found, tenant, undefined, signal))
      return part === undefined ? undefined : { directory: found.directory, tenant: part }
    }
    let head = await this.#bytesOf(file, 0, Math.min(file.indexBytes, HEAD_BYTES), signal)
    if (head === undefined) return undefined
    const needed = directoryBytes(head)
    if (needed > head.length) head = await this.#bytesOf(file, 0, needed, signal)
    if (head === undefined) return undefined
    const known: KnownIndex = { directory: decodeDirectory(head), tenants: new Map(), bytes: needed }
    this.#remember(file.key, known)
    const part = await this.#readTenant(file, known, tenant, head, signal)
    return part === undefined ? undefined : { directory: known.directory, tenant: part }
  }

  /** Undefined if the file has nothing of the tenant. */
  async #readTenant(
    file: ArchiveFile,
    known: KnownIndex,
    tenant: string,
    head: Uint8Array | undefined,
    signal: AbortSignal | undefined,
  ): Promise<TenantIndex | undefined> {
    const place = known.directory.tenants.find((each) => each.tenant === tenant)
    if (place === undefined) return undefined
    const end = place.start + place.bytes
    const bytes =
      head !== undefined && end <= head.length
        ? head.subarray(place.start, end)
        : await this.#bytesOf(file, place.start, end, signal)
    if (bytes === undefined) return undefined
    const part = decodeTenantIndex(bytes, filtersStart(known.directory))
    known.tenants.set(tenant, part)
    known.bytes += place.bytes
    this.#bytes += place.bytes
    return part
  }

  #remember(key: string, known: KnownIndex): void {
    this.#indexes.set(key, known)
    this.#bytes += known.bytes
    for (const [oldKey, old] of this.#indexes) {
      if (this.#bytes <= INDEXES_BYTES_MAX || oldKey === key) break
      this.#indexes.delete(oldKey)
      this.#bytes -= old.bytes
    }
  }

  #bytesOf(file: ArchiveFile, start: number, end: number, signal: AbortSignal | undefined) {
    return this.#bucket.getRange(file.key, file.indexStart + start, file.indexStart + end, signal)
  }
}

interface GroupLoad {
  readonly file: ArchiveFile
  readonly directory: FileDirectory
  readonly group: RowGroupPlace
  readonly tenant: string
  readonly streams: readonly StreamPlace[]
}

/** The times that the streams may have in the group; undefined without streams. */
function timesOf(
  group: RowGroupPlace,
  streams: readonly StreamPlace[],
): { oldest: bigint; newest: bigint } | undefined {
  const [first, ...rest] = streams
  if (first === undefined) return undefined
  let { oldest, newest } = first
  for (const stream of rest) {
    if (stream.oldest < oldest) oldest = stream.oldest
    if (stream.newest > newest) newest = stream.newest
  }
  return {
    oldest: oldest > group.oldest ? oldest : group.oldest,
    newest: newest < group.newest ? newest : group.newest,
  }
}

/** The stream's rows in the group, counted from its first. */
function runOf(group: RowGroupPlace, { labels, row, rows }: StreamPlace): RowRun {
  return {
    labels,
    start: Math.max(row, group.row) - group.row,
    end: Math.min(row + rows, group.row + group.rows) - group.row,
  }
}
