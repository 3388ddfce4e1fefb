/** Validates decoded entries, collects the valid ones in a Batch, and counts refusals with their reasons. */

import { GatewayError } from '../errors.ts'
import { checkLabels, shownLabels } from '../label-check.ts'
import { formatLabels, type Label, type Labels, sortLabels } from '../labels.ts'
import { LEVEL_NONE, LEVELS, levelCode, levelOfSeverityNumber } from '../levels/level.ts'
import { findLevels, LEVEL_PENDING, type LevelColumns } from '../levels/line-level.ts'
import type { PushLimits } from '../limits.ts'
import { type Matcher, matchesAll } from '../selector.ts'
import { fitsNs, formatRfc3339, NS_PER_SECOND, writeNs } from '../time.ts'
import { type Batch, BatchColumns, type BatchStream, type EntryId } from './batch.ts'
import { EntryMetadata } from './entry-metadata.ts'
import type { PushSink } from './push-sink.ts'
import { type Refusal, type RefusalReason, Refusals } from './refusals.ts'
import { deriveFacts, keepFacts, keptFacts, type StreamFacts } from './stream-facts.ts'
import { faultOfTime, unitOfEarlyTime } from './time-unit.ts'

/** The context in which a push is validated. */
export interface Admission {
  readonly tenant: string
  readonly limits: PushLimits
  /** Clock.nowMs when the push arrived. */
  readonly nowMs: number
  readonly discoverServiceName: boolean
  readonly discoverLevels: boolean
  /** findLevels, or a faster function that does the same. */
  readonly findLevels?: (columns: LevelColumns) => void
  /** Maximum number of labels of a stream; OTLP has a higher limit than Loki's own clients. */
  readonly labelCountMax: number
  /** A backfill: lines of any age are accepted. */
  readonly acceptsAnyAge: boolean
  /** Times from the gateway's own archive or from a source: their unit is not checked. */
  readonly trustsTimes?: boolean
  /** Streams that the operator drops: those that match all matchers of one selector. */
  readonly dropped: readonly (readonly Matcher[])[]
  readonly streams: StreamGate
}

/** The limit on active streams that keeps a stream out. */
export type StreamLimit = 'streams' | 'label_bytes' | 'total_label_bytes'

/** Tracks active streams and their rates; called before a line is kept. */
export interface StreamGate {
  /** True, or the limit on active streams that the stream would exceed. */
  admitStream(tenant: string, key: string): true | StreamLimit
  /** False if the stream exceeds its rate. */
  admitBytes(tenant: string, key: string, bytes: number): boolean
}

interface OpenStream {
  readonly labels: Labels
  readonly key: string
  readonly refusal: Refusal | undefined
  readonly isDropped: boolean
  /** The level according to the stream's labels. */
  readonly level: string | undefined
  /** The stream's index in the batch; undefined until it has a line there. */
  index: number | undefined
  wasRefused: boolean
  /** Number of lines refused by the stream's rate, for the total in Loki's error text. */
  rateRefused: number
  entries: number
}

/** A PushSink that builds a Batch; one per push. */
export class BatchBuilder implements PushSink {
  readonly refusals = new Refusals()
  /** Number of lines dropped by the operator's selectors. */
  droppedEntries = 0
  readonly #admission: Admission
  readonly #columns: BatchColumns
  readonly #metadata: EntryMetadata
  readonly #streams: BatchStream[] = []
  readonly #open = new Map<string, OpenStream>()
  readonly #ids: EntryId[] = []
  readonly #oldestSeconds: number
  readonly #oldestNanos: number
  readonly #newestSeconds: number
  readonly #newestNanos: number
  #text: Uint8Array = new Uint8Array(0)
  #stream: OpenStream | undefined
  #lineBytes = 0
  /** Levels that only the lines tell are found together, in `build`. */
  #hasPendingLevels = false
  /** Entries so far, refused ones included. */
  #entries = 0
  /** Characters of the label sets so far. */
  #labelBytes = 0

  /** `columns`: memory for the batch, which owns it until it is stored. */
  constructor(admission: Admission, columns = new BatchColumns()) {
    this.#admission = admission
    this.#columns = columns
    this.#metadata = new EntryMetadata(columns, admission.limits.metadataCountMax)
    const { nowMs, limits } = admission
    const oldestMs = limits.ageMsMax === undefined || admission.acceptsAnyAge ? undefined : nowMs - limits.ageMsMax
    this.#oldestSeconds = oldestMs === undefined ? Number.NEGATIVE_INFINITY : Math.floor(oldestMs / 1000)
    this.#oldestNanos = oldestMs === undefined ? 0 : (oldestMs - this.#oldestSeconds * 1000) * 1e6
    const newestMs = nowMs + limits.futureMsMax
    this.#newestSeconds = Math.floor(newestMs / 1000)
    this.#newestNanos = (newestMs - this.#newestSeconds * 1000) * 1e6
  }

  useText(text: Uint8Array): void {
    this.#text = text
  }

  beginStream(labels: readonly Label[], isReused = false): void {
    const { discoverServiceName } = this.#admission
    const kept = isReused ? keptFacts(labels, discoverServiceName) : undefined
    const received = kept?.received ?? sortLabels(labels)
    const ownKey = kept?.ownKey ?? formatLabels(received)
    const known = this.#open.get(ownKey)
    if (known !== undefined) {
      this.#closeRate()
      this.#stream = known
      return
    }
    const facts = kept ?? deriveFacts(received, ownKey, discoverServiceName)
    // Half a surrogate pair, which JSON can escape, is U+FFFD in UTF-8, and so it is in Loki.
    if (!facts.isWellFormed) {
      this.beginStream(received.map(({ name, value }) => ({ name: name.toWellFormed(), value: value.toWellFormed() })))
      return
    }
    if (isReused && kept === undefined) keepFacts(labels, facts, discoverServiceName)
    this.#countLabels(ownKey)
    this.#begin(ownKey, {
      labels: facts.complete,
      key: facts.key,
      refusal: this.#checkLabels(facts),
      isDropped: this.#admission.dropped.some((selector) => matchesAll(selector, facts.complete)),
      level: facts.level,
      index: undefined,
      wasRefused: false,
      rateRefused: 0,
      entries: 0,
    })
  }

  beginUnreadableStream(labelText: string, error: string): void {
    this.#countLabels(labelText)
    const text = `error parsing labels '${shownLabels(labelText)}' with error: ${error}`
    this.#begin(`unreadable ${labelText}`, {
      labels: [],
      key: labelText,
      refusal: { reason: 'invalid_labels', text },
      isDropped: false,
      level: undefined,
      index: undefined,
      wasRefused: false,
      rateRefused: 0,
      entries: 0,
    })
  }

  addMetadata(name: string, value: string): void {
    this.#metadata.add(name, value)
  }

  addMetadataBytes(bytes: Uint8Array, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    this.#metadata.addBytes(bytes, nameStart, nameEnd, valueStart, valueEnd)
  }

  addEntry(seconds: number, nanos: number, start: number, end: number): void {
    const stream = this.#stream as OpenStream
    this.#countEntry(stream)
    if (this.#keeps(stream, seconds, nanos, start, end)) this.#append(stream, seconds, nanos, start, end)
    this.#metadata.reset()
  }

  refuseEntry(reason: RefusalReason, text: string): void {
    const stream = this.#stream as OpenStream
    this.#countEntry(stream)
    if (!stream.isDropped) this.refusals.add(reason, text)
    this.#metadata.reset()
  }

  /** Sets the client's id of the last kept entry. */
  identifyLast(id: string): void {
    this.#ids.push({ entry: this.#columns.count - 1, id })
  }

  get count(): number {
    return this.#columns.count
  }

  /** The valid entries. The builder must not be used afterwards. */
  build(): Batch {
    this.#closeRate()
    const columns = this.#columns
    if (this.#hasPendingLevels) {
      const { count, starts, ends, levels } = columns
      const find = this.#admission.findLevels ?? findLevels
      find({ text: this.#text, starts, ends, levels, count })
    }
    return {
      tenant: this.#admission.tenant,
      streams: this.#streams,
      count: columns.count,
      text: this.#text,
      streamIndexes: columns.streamIndexes,
      timestamps: columns.timestamps,
      starts: columns.starts,
      ends: columns.ends,
      levels: columns.levels,
      metadata: columns.metadata,
      metadataEnds: columns.metadataEnds,
      lineBytes: this.#lineBytes,
      ids: this.#ids,
    }
  }

  /** Throws body_too_large for a push with more entries than a push may have. */
  #countEntry(stream: OpenStream): void {
    stream.entries++
    const { pushEntriesMax } = this.#admission.limits
    if (++this.#entries <= pushEntriesMax) return
    const message = `request body too large: it holds more than ${pushEntriesMax} lines; send fewer in one push, or raise MILLRACE_PUSH_ENTRIES_MAX`
    throw new GatewayError('body_too_large', message)
  }

  /** Throws body_too_large for a push with more label text than a push may have. */
  #countLabels(text: string): void {
    const { pushLabelBytesMax } = this.#admission.limits
    this.#labelBytes += text.length
    if (this.#labelBytes <= pushLabelBytesMax) return
    const message = `request body too large: the labels of its streams are more than ${pushLabelBytesMax} bytes; send fewer streams in one push, or raise MILLRACE_PUSH_LABEL_BYTES_MAX`
    throw new GatewayError('body_too_large', message)
  }

  #checkLabels(facts: StreamFacts): Refusal | undefined {
    const { limits, labelCountMax } = this.#admission
    const { accepted } = facts
    if (accepted?.limits === limits && accepted.labelCountMax === labelCountMax) return undefined
    const refusal = checkLabels(facts, this.#admission)
    if (refusal === undefined) facts.accepted = { limits, labelCountMax }
    return refusal
  }

  #begin(ownKey: string, stream: OpenStream): void {
    this.#closeRate()
    this.#open.set(ownKey, stream)
    this.#stream = stream
  }

  /** Whether the entry may be stored; if not, counts its refusal. */
  #keeps(stream: OpenStream, seconds: number, nanos: number, start: number, end: number): boolean {
    if (stream.refusal !== undefined) {
      if (stream.wasRefused) this.refusals.count(stream.refusal, 1)
      else this.refusals.add(stream.refusal.reason, stream.refusal.text)
      stream.wasRefused = true
      return false
    }
    if (stream.isDropped) {
      this.droppedEntries++
      return false
    }
    return (
      this.#isInWindow(stream, seconds, nanos) &&
      this.#fitsLine(stream, end - start) &&
      this.#fitsMetadata(stream) &&
      this.#isAdmitted(stream, seconds, nanos, Math.min(end - start, this.#admission.limits.lineBytesMax))
    )
  }

  #isInWindow(stream: OpenStream, seconds: number, nanos: number): boolean {
    if (!fitsNs(seconds, nanos)) {
      const why = faultOfTime(seconds, nanos, this.#admission.nowMs)
      this.refusals.add(
        'invalid_timestamp',
        () => `entry for stream '${shownLabels(stream.key)}' has a timestamp ${why}`,
      )
      return false
    }
    if (this.#refusesUnit(stream, seconds, nanos)) return false
    if (seconds < this.#oldestSeconds || (seconds === this.#oldestSeconds && nanos < this.#oldestNanos)) {
      const text = (): string =>
        `entry for stream '${shownLabels(stream.key)}' has timestamp too old: ${formatParts(seconds, nanos)}, oldest acceptable timestamp is: ${formatParts(this.#oldestSeconds, this.#oldestNanos)}`
      this.refusals.add('greater_than_max_sample_age', text)
      return false
    }
    if (seconds > this.#newestSeconds || (seconds === this.#newestSeconds && nanos > this.#newestNanos)) {
      const text = (): string =>
        `entry for stream '${shownLabels(stream.key)}' has timestamp too new: ${formatParts(seconds, nanos)}`
      this.refusals.add('too_far_in_future', text)
      return false
    }
    return true
  }

  /** Refuses a time before 2000 that is near now in another unit. */
  #refusesUnit(stream: OpenStream, seconds: number, nanos: number): boolean {
    const { nowMs, trustsTimes } = this.#admission
    const unit = unitOfEarlyTime(seconds, nanos, nowMs)
    if (unit === undefined || trustsTimes) return false
    const text = (): string =>
      `entry for stream '${shownLabels(stream.key)}' has a timestamp before 2000 that looks like ${unit}; send nanoseconds since 1970`
    this.refusals.add('invalid_timestamp', text)
    return true
  }

  #fitsLine(stream: OpenStream, bytes: number): boolean {
    const { lineBytesMax, lineTruncated } = this.#admission.limits
    if (bytes <= lineBytesMax || lineTruncated) return true
    const text = (): string =>
      `max entry size '${lineBytesMax}' bytes exceeded for stream '${shownLabels(stream.key)}' while adding an entry with length '${bytes}' bytes`
    this.refusals.add('line_too_long', text)
    return false
  }

  #fitsMetadata(stream: OpenStream): boolean {
    if (this.#metadata.count === 0) return true
    const { metadataAllowed, metadataBytesMax, metadataCountMax } = this.#admission.limits
    const key = shownLabels(stream.key)
    if (!metadataAllowed) {
      const text = (): string =>
        `stream '${key}' includes structured metadata, but this feature is disallowed. Set MILLRACE_METADATA_ALLOWED=true to accept it, or send lines without it.`
      this.refusals.add('structured_metadata_disallowed', text)
      return false
    }
    if (this.#metadata.bytes > metadataBytesMax) {
      const text = (): string =>
        `stream '${key}' has structured metadata too large: '${this.#metadata.bytes}' bytes, limit: '${metadataBytesMax}' bytes. Send less of it, or raise MILLRACE_METADATA_BYTES_MAX.`
      this.refusals.add('structured_metadata_too_large', text)
      return false
    }
    if (this.#metadata.count > metadataCountMax) {
      const text = (): string =>
        `stream '${key}' has too many structured metadata labels: '${this.#metadata.count}', limit: '${metadataCountMax}'. Send fewer of them, or raise MILLRACE_METADATA_COUNT_MAX.`
      this.refusals.add('structured_metadata_too_many', text)
      return false
    }
    return true
  }

  #isAdmitted(stream: OpenStream, seconds: number, nanos: number, bytes: number): boolean {
    const { tenant, streams, limits } = this.#admission
    const verdict = stream.index === undefined ? streams.admitStream(tenant, stream.key) : true
    if (verdict !== true) {
      const text = (): string =>
        `maximum active stream limit exceeded when trying to create stream ${shownLabels(stream.key)}, limit: ${describeLimit(verdict, limits)}, user: '${tenant}'`
      this.refusals.add('stream_limit', text)
      return false
    }
    if (!streams.admitBytes(tenant, stream.key, bytes)) {
      const perSecond = limits.streamRate?.bytesPerSecond ?? 0
      const text = (): string =>
        `entry with timestamp ${formatParts(seconds, nanos)} ignored, reason: 'Per stream rate limit exceeded (limit: ${perSecond}B/sec) while attempting to ingest for stream '${shownLabels(stream.key)}' totaling ${bytes}B, consider splitting a stream via additional labels or raise MILLRACE_STREAM_RATE'`
      this.refusals.add('per_stream_rate_limit', text)
      stream.rateRefused++
      return false
    }
    return true
  }

  /** Loki ends a stream's rate refusals with their total. */
  #closeRate(): void {
    const stream = this.#stream
    if (stream === undefined || stream.rateRefused === 0) return
    const text = `user '${this.#admission.tenant}', total ignored: ${stream.rateRefused} out of ${stream.entries} for stream: ${shownLabels(stream.key)}`
    this.refusals.add('per_stream_rate_limit', text, 0)
    stream.rateRefused = 0
  }

  #append(stream: OpenStream, seconds: number, nanos: number, start: number, lineEnd: number): void {
    const columns = this.#columns
    columns.reserveEntry()
    if (stream.index === undefined) {
      stream.index = this.#streams.length
      this.#streams.push({ key: stream.key, labels: stream.labels })
    }
    const end = this.#cut(start, lineEnd)
    const i = columns.count
    columns.levels[i] = this.#level(stream)
    columns.streamIndexes[i] = stream.index
    writeNs(columns.timestamps, i, seconds, nanos)
    columns.starts[i] = start
    columns.ends[i] = end
    columns.metadataEnds[i] = this.#metadata.keep()
    columns.count = i + 1
    this.#lineBytes += end - start
  }

  /** The end of a line truncated to the limit, at a character boundary. */
  #cut(start: number, end: number): number {
    const { lineBytesMax } = this.#admission.limits
    if (end - start <= lineBytesMax) return end
    let cut = start + lineBytesMax
    while (cut > start && ((this.#text[cut] as number) & 0xc0) === 0x80) cut--
    return cut
  }

  /** The code of the entry's level, or LEVEL_PENDING; an unknown level word is stored as structured metadata instead. */
  #level(stream: OpenStream): number {
    const declared = this.#metadata.declaredLevel
    if (!this.#admission.discoverLevels) {
      const code = declared === undefined ? LEVEL_NONE : levelCode(declared)
      if (declared !== undefined && LEVELS[code] !== declared) this.#metadata.addLevel(declared)
      return LEVELS[code] === declared ? code : LEVEL_NONE
    }
    const word = declared ?? stream.level ?? this.#metadata.fieldLevel
    if (word === undefined) {
      const { severityNumber } = this.#metadata
      if (severityNumber !== undefined) return levelOfSeverityNumber(severityNumber)
      this.#hasPendingLevels = true
      return LEVEL_PENDING
    }
    const code = levelCode(word)
    if (code === LEVEL_NONE) this.#metadata.addLevel(word)
    return code
  }
}

function describeLimit(limit: StreamLimit, { activeStreamsMax, activeLabelBytesMax }: PushLimits): string {
  if (limit === 'streams') return `${activeStreamsMax} streams`
  if (limit === 'label_bytes') return `${activeLabelBytesMax} bytes of labels (MILLRACE_ACTIVE_LABEL_BYTES_MAX)`
  return 'labels of all tenants (MILLRACE_TOTAL_LABEL_BYTES_MAX)'
}

function formatParts(seconds: number, nanos: number): string {
  return formatRfc3339(BigInt(seconds) * NS_PER_SECOND + BigInt(nanos))
}
