/**
 * The stream index: which streams have entries in which hours, so that labels and series can be listed without loading the
 * archive.
 *
 * An item has the label sets that a process had not announced yet for an hour (or a day, for long ranges), as zstd over
 * the JSON `[["name","value","name","value",…],…]` in `labels`. `pk` is `streams#<tenant>#hour` or
 * `streams#<tenant>#day`; `sk` is the hour, `2026-11-21T10`, or the day, `2026-11-21`, then `#` and the hash of the labels:
 * a range is one query, and a repeated announcement is the same item. Items are written before a push is acknowledged, so
 * the index is complete for everything that came through the gateway. Objects copied into the bucket by other means are
 * read, but their streams are not listed.
 */

import { promisify } from 'node:util'
import { constants, zstdCompress, zstdDecompress } from 'node:zlib'
import type { Batch, BatchStream } from '../../domain/entries/batch.ts'
import { GatewayError } from '../../domain/errors.ts'
import { compareText, formatLabels, type Label, type Labels } from '../../domain/labels.ts'
import { matchesAll } from '../../domain/selector.ts'
import { approximateNs, NS_MAX, NS_MIN, NS_PER_SECOND } from '../../domain/time.ts'
import type { Lazy } from '../../kit/lazy.ts'
import type { StreamRange } from '../../ports/log-store.ts'
import { contentHash, hourOfNs } from '../../protocol/archive/archive-names.ts'
import { storeFailure } from './aws-errors.ts'
import type { ItemClient } from './recent-items.ts'

export interface StreamIndexSettings {
  readonly table: string
  /** How long an item is kept after its announcement, ms; undefined: forever. At least as long as the archive. */
  readonly retentionMs: number | undefined
}

type Unit = 'hour' | 'day'

const HOUR_MS = 3600_000
const HOUR_NS = 3.6e12
/** Longer ranges read the items of days, which include streams from the rest of the first and the last day. */
const HOURS_READ_MAX = 36
/** Maximum label text per item, below DynamoDB's 400 KB in any case; a single label set is, by its limits. */
const ITEM_KEY_BYTES_MAX = 256 * 1024
/** Maximum label text of an item when reading. */
const ITEM_TEXT_BYTES_MAX = 64 * 1024 * 1024
/**
 * Maximum label text of remembered announcements, per hour and per day: that of 100,000 typical streams. Forgotten ones
 * are announced again.
 */
const ANNOUNCED_CHARS_MAX = 2 ** 25
/** Approximate number of concurrent writes per push. */
const PUTS_AT_ONCE = 32
/** Memory of a stream in addition to its text. */
const STREAM_CHARS = 64
/** Maximum label text of a result: that of 300,000 typical streams. */
const FOUND_CHARS_MAX = 2 ** 26

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)

/** The streams that the process has announced for a tenant's hour or day, by stream key. */
interface Announced {
  readonly known: Set<string>
  /** Memory of `known`. */
  chars: number
  /** Announcements in progress, which other pushes wait for. */
  readonly pending: Map<string, Promise<void>>
}

export class StreamIndex {
  readonly #client: Lazy<ItemClient>
  readonly #settings: StreamIndexSettings
  /** By partition and time, least recently used first. */
  readonly #announced = new Map<string, Announced>()
  #chars = 0

  constructor(client: Lazy<ItemClient>, settings: StreamIndexSettings) {
    this.#client = client
    this.#settings = settings
  }

  /**
   * Resolves when the index has the batch's streams for the hours of their entries. Call it before acknowledging a push.
   * Rejects with store_unavailable or overloaded.
   */
  async announce(batch: Batch, nowMs: number): Promise<void> {
    const waits: Promise<void>[] = []
    for (const { hour, streams } of streamHours(batch)) {
      for (const unit of ['hour', 'day'] as const) {
        waits.push(...this.#announceTo(placeOf(batch.tenant, unit, hour), streams, nowMs))
      }
      // A backfill may have hundreds of hours.
      if (waits.length >= PUTS_AT_ONCE) await Promise.all(waits.splice(0))
    }
    await Promise.all(waits)
  }

  /**
   * The streams of the range, sorted by text, possibly with more near its borders: the index has a resolution of hours, for
   * long ranges of days. Rejects with store_unavailable, overloaded, store_damaged, or the signal's reason.
   */
  async streams({ tenant, matchers, start, end }: StreamRange, signal?: AbortSignal): Promise<readonly Labels[]> {
    signal?.throwIfAborted()
    if (start >= end) return []
    // Hours are announced from approximate times.
    const first = hourOfNs(start - NS_PER_SECOND < NS_MIN ? NS_MIN : start - NS_PER_SECOND)
    const last = hourOfNs(end + NS_PER_SECOND > NS_MAX ? NS_MAX : end + NS_PER_SECOND)
    const unit = last - first < HOURS_READ_MAX ? 'hour' : 'day'
    const found = new FoundStreams()
    try {
      for await (const item of this.#query(tenant, unit, { first, last }, signal)) {
        for (const labels of await unpackStreams(item)) if (matchesAll(matchers, labels)) found.add(labels)
      }
    } catch (cause) {
      signal?.throwIfAborted()
      throw storeFailure('reading streams from DynamoDB failed', cause)
    }
    return found.sorted()
  }

  /** The announcements to wait for; empty if the index has all streams. */
  #announceTo(place: Place, streams: readonly BatchStream[], nowMs: number): Iterable<Promise<void>> {
    const announced = this.#announcedAt(place)
    const waits = new Set<Promise<void>>()
    const fresh: BatchStream[] = []
    for (const stream of streams) {
      if (announced.known.has(stream.key)) continue
      const pending = announced.pending.get(stream.key)
      if (pending === undefined) fresh.push(stream)
      else waits.add(pending)
    }
    for (const group of cutByText(fresh)) {
      const put = this.#put(place, group, nowMs)
        .then(() => this.#remember(announced, group))
        .finally(() => {
          for (const { key } of group) announced.pending.delete(key)
        })
      for (const { key } of group) announced.pending.set(key, put)
      waits.add(put)
    }
    return waits
  }

  async #put({ pk, time }: Place, streams: readonly BatchStream[], nowMs: number): Promise<void> {
    const { table, retentionMs } = this.#settings
    const { labels, hash } = await packStreams(streams)
    const expiry = retentionMs === undefined ? {} : { expiresAt: Math.ceil((nowMs + retentionMs) / 1000) }
    try {
      const client = await this.#client()
      await client.put({ TableName: table, Item: { pk, sk: `${time}#${hash}`, labels, ...expiry } })
    } catch (cause) {
      throw storeFailure('DynamoDB did not accept streams', cause)
    }
  }

  #announcedAt({ pk, time }: Place): Announced {
    const name = `${pk} ${time}`
    const announced = this.#announced.get(name) ?? { known: new Set(), chars: 0, pending: new Map() }
    // The map is ordered by use.
    this.#announced.delete(name)
    this.#announced.set(name, announced)
    return announced
  }

  #remember(announced: Announced, streams: readonly BatchStream[]): void {
    for (const { key } of streams) {
      announced.known.add(key)
      announced.chars += key.length + STREAM_CHARS
      this.#chars += key.length + STREAM_CHARS
    }
    for (const [name, unused] of this.#announced) {
      if (this.#chars <= ANNOUNCED_CHARS_MAX) break
      if (unused === announced || unused.pending.size > 0) continue
      this.#announced.delete(name)
      this.#chars -= unused.chars
    }
  }

  async *#query(
    tenant: string,
    unit: Unit,
    hours: { first: number; last: number },
    signal: AbortSignal | undefined,
  ): AsyncGenerator<unknown, void, undefined> {
    const client = await this.#client()
    const [from, to] = [placeOf(tenant, unit, hours.first), placeOf(tenant, unit, hours.last)]
    const input = {
      TableName: this.#settings.table,
      ConsistentRead: true,
      KeyConditionExpression: 'pk = :pk AND sk BETWEEN :from AND :to',
      // `$` sorts after `#`, so that the items of the last hour are included.
      ExpressionAttributeValues: { ':pk': from.pk, ':from': from.time, ':to': `${to.time}$` },
    }
    let key: Record<string, unknown> | undefined
    do {
      const page = await client.query(
        key === undefined ? input : { ...input, ExclusiveStartKey: key },
        signal === undefined ? {} : { abortSignal: signal },
      )
      for (const item of page.Items ?? []) yield item['labels']
      key = page.LastEvaluatedKey
    } while (key !== undefined)
  }
}

/** The distinct streams of a result. */
class FoundStreams {
  readonly #byKey = new Map<string, Labels>()
  #chars = 0

  /** Throws query_refused above the size limit. */
  add(labels: Labels): void {
    const key = formatLabels(labels)
    if (this.#byKey.has(key)) return
    this.#byKey.set(key, labels)
    this.#chars += key.length
    if (this.#chars <= FOUND_CHARS_MAX) return
    const text = `${this.#byKey.size} streams have labels of more than ${FOUND_CHARS_MAX} characters, the limit of a result`
    throw new GatewayError('query_refused', `${text}; narrow the time range or the selector`)
  }

  sorted(): Labels[] {
    return [...this.#byKey].sort(([a], [b]) => compareText(a, b)).map(([, labels]) => labels)
  }
}

/** The location of the items of a tenant's hour or day. */
interface Place {
  readonly pk: string
  readonly time: string
}

function placeOf(tenant: string, unit: Unit, hour: number): Place {
  const text = new Date(hour * HOUR_MS).toISOString()
  return { pk: `streams#${tenant}#${unit}`, time: text.slice(0, unit === 'hour' ? 13 : 10) }
}

/** The hours of a batch's entries, with the streams of each; a time a few nanoseconds before an hour counts for that hour. */
function streamHours(batch: Batch): { hour: number; streams: BatchStream[] }[] {
  const byHour = new Map<number, Set<number>>()
  let hour = Number.NaN
  let indexes = new Set<number>()
  for (let i = 0; i < batch.count; i++) {
    const entryHour = Math.floor(approximateNs(batch.timestamps, i) / HOUR_NS)
    if (entryHour !== hour) {
      hour = entryHour
      indexes = byHour.get(hour) ?? new Set()
      byHour.set(hour, indexes)
    }
    indexes.add(batch.streamIndexes[i] as number)
  }
  return Array.from(byHour, ([hour, indexes]) => ({
    hour,
    streams: Array.from(indexes, (index) => batch.streams[index] as BatchStream),
  }))
}

function* cutByText(streams: readonly BatchStream[]): Generator<readonly BatchStream[], void, undefined> {
  let group: BatchStream[] = []
  let bytes = 0
  for (const stream of streams) {
    const keyBytes = Buffer.byteLength(stream.key)
    if (bytes + keyBytes > ITEM_KEY_BYTES_MAX && group.length > 0) {
      yield group
      group = []
      bytes = 0
    }
    group.push(stream)
    bytes += keyBytes
  }
  if (group.length > 0) yield group
}

async function packStreams(streams: readonly BatchStream[]): Promise<{ labels: Uint8Array; hash: string }> {
  const sorted = streams.toSorted((a, b) => compareText(a.key, b.key))
  const text = Buffer.from(
    JSON.stringify(sorted.map(({ labels }) => labels.flatMap(({ name, value }) => [name, value]))),
  )
  // With the size known, zstd allocates tables that are no larger than needed.
  const options = { params: { [constants.ZSTD_c_compressionLevel]: 3 }, pledgedSrcSize: text.length }
  const labels = await compress(text, options)
  return { labels, hash: contentHash(text) }
}

async function unpackStreams(item: unknown): Promise<Labels[]> {
  try {
    const text = await decompress(item as Uint8Array, { maxOutputLength: ITEM_TEXT_BYTES_MAX })
    return (JSON.parse(text.toString()) as unknown[]).map(readLabels)
  } catch (cause) {
    const text = 'an item of the stream index cannot be read; delete it to list the other streams'
    throw new GatewayError('store_damaged', text, { cause })
  }
}

/** Throws a TypeError for anything but a list of names and values. */
function readLabels(flat: unknown): Labels {
  const labels: Label[] = []
  for (const [i, name] of (flat as unknown[]).entries()) {
    const value = (flat as unknown[])[i + 1]
    if (i % 2 === 1) continue
    if (typeof name !== 'string' || typeof value !== 'string') throw new TypeError('a label is not a pair of texts')
    labels.push({ name, value })
  }
  return labels
}
