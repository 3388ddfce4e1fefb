/** Checks what a decoder finds, keeps the valid part as a Batch, and remembers what was refused and why. */

import { type Batch, BatchColumns, type BatchStream, type EntryId, readMetadata, writeVarint } from './batch.ts'
import { compareText, duplicateName, formatLabels, type Label, type Labels, labelValue, sortLabels } from './labels.ts'
import {
  DETECTED_LEVEL,
  LEVEL_FIELDS,
  LEVEL_NONE,
  LEVELS,
  levelCode,
  levelOfLabels,
  levelOfLine,
  levelOfSeverityNumber,
} from './level.ts'
import type { PushLimits } from './limits.ts'
import type { PushSink } from './push-sink.ts'
import { type Refusal, Refusals } from './refusals.ts'
import { type Matcher, matchesAll } from './selector.ts'
import { fitsNs, formatRfc3339, NS_PER_SECOND, writeNs } from './time.ts'

/** What decides about one push. */
export interface Admission {
  readonly tenant: string
  readonly limits: PushLimits
  /** The clock's reading when the push came, ms since the epoch. */
  readonly nowMs: number
  readonly discoverServiceName: boolean
  readonly discoverLevels: boolean
  /** Labels of one stream at most; OTLP brings more than Loki's own clients. */
  readonly labelCountMax: number
  /** A backfill: lines of any age are taken. */
  readonly acceptsAnyAge: boolean
  /** Streams that the operator drops on purpose: every matcher of one selector holds. */
  readonly dropped: readonly (readonly Matcher[])[]
  readonly streams: StreamGate
}

/** The gateway's memory of streams, asked before a line is kept. */
export interface StreamGate {
  /** False when the tenant has too many active streams for this one to begin. */
  admitStream(tenant: string, key: string): boolean
  /** False when the stream has used up its rate. */
  admitBytes(tenant: string, key: string, bytes: number): boolean
}

/** Labels that tell the service, the most telling first. Loki's discover_service_name. */
export const SERVICE_LABELS = [
  'service',
  'app',
  'application',
  'app_name',
  'name',
  'app_kubernetes_io_name',
  'container',
  'container_name',
  'k8s_container_name',
  'component',
  'workload',
  'job',
  'k8s_job_name',
] as const

export const SERVICE_NAME = 'service_name'
const UNKNOWN_SERVICE = 'unknown_service'
/** Streams that Loki makes for itself have no service. */
const INTERNAL_LABELS = ['__aggregated_metric__', '__pattern__'] as const
/** Characters of a stream's labels that an error text shows: an agent logs no more than 1024 bytes of it. */
const SHOWN_CHARS_MAX = 512

interface OpenStream {
  readonly labels: Labels
  readonly key: string
  readonly refusal: Refusal | undefined
  readonly isDropped: boolean
  /** The level its labels tell. */
  readonly level: string | undefined
  /** Its place in the batch, once it has a line there. */
  index: number | undefined
  wasRefused: boolean
  /** Lines left out by the stream's rate, for Loki's closing line. */
  rateRefused: number
  entries: number
}

const UTF8 = new TextEncoder()
const UTF8_TEXT = new TextDecoder('utf-8', { ignoreBOM: true })

/** A PushSink that makes a Batch. One for each push. */
export class BatchBuilder implements PushSink {
  readonly refusals = new Refusals()
  /** Lines dropped because the operator wants them dropped. */
  droppedEntries = 0
  readonly #admission: Admission
  readonly #columns: BatchColumns
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
  // The metadata of the entry to come, written behind that of the last one.
  #metadataStart = 0
  #metadataEnd = 0
  #metadataBytes = 0
  #metadataCount = 0
  #isSorted = true
  #lastName = ''
  #givenLevel: string | undefined
  #fieldLevel: string | undefined
  #fieldRank: number = LEVEL_FIELDS.length
  #severityNumber: string | undefined

  /** `columns`: memory to build in, which is the batch's until it is stored. */
  constructor(admission: Admission, columns = new BatchColumns()) {
    this.#admission = admission
    this.#columns = columns
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

  beginStream(labels: readonly Label[]): void {
    const given = sortLabels(labels)
    const ownKey = formatLabels(given)
    const known = this.#open.get(ownKey)
    if (known !== undefined) {
      this.#closeRate()
      this.#stream = known
      return
    }
    const complete = this.#admission.discoverServiceName ? withServiceName(given) : given
    const key = complete === given ? ownKey : formatLabels(complete)
    this.#begin(ownKey, {
      labels: complete,
      key,
      refusal: this.#checkLabels(given, key, complete),
      isDropped: this.#admission.dropped.some((selector) => matchesAll(selector, complete)),
      level: levelOfLabels(given),
      index: undefined,
      wasRefused: false,
      rateRefused: 0,
      entries: 0,
    })
  }

  beginUnreadableStream(labelText: string, error: string): void {
    const text = `error parsing labels '${shown(labelText)}' with error: ${error}`
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
    const clean = value.includes('\ufffd') ? value.replaceAll('\ufffd', ' ') : value
    if (this.#takeLevelHint(name, clean)) return
    this.#takePair(UTF8.encode(prometheusName(name)), UTF8.encode(clean.toWellFormed()))
  }

  addMetadataBytes(bytes: Uint8Array, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    // A name that may tell the level, is no Prometheus name, or a value beyond ASCII: by way of strings.
    if (!isPlainPair(bytes, nameStart, nameEnd, valueStart, valueEnd)) {
      this.addMetadata(
        UTF8_TEXT.decode(bytes.subarray(nameStart, nameEnd)),
        UTF8_TEXT.decode(bytes.subarray(valueStart, valueEnd)),
      )
      return
    }
    this.#takePair(bytes.subarray(nameStart, nameEnd), bytes.subarray(valueStart, valueEnd))
  }

  addEntry(seconds: number, nanos: number, start: number, end: number): void {
    const stream = this.#stream as OpenStream
    stream.entries++
    if (this.#keeps(stream, seconds, nanos, start, end)) this.#append(stream, seconds, nanos, start, end)
    this.#resetMetadata()
  }

  /** Gives the entry kept last its client's id. */
  identifyLast(id: string): void {
    this.#ids.push({ entry: this.#columns.count - 1, id })
  }

  get count(): number {
    return this.#columns.count
  }

  /** The valid part. The builder must not be used afterwards. */
  build(): Batch {
    this.#closeRate()
    const columns = this.#columns
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

  #begin(ownKey: string, stream: OpenStream): void {
    this.#closeRate()
    this.#open.set(ownKey, stream)
    this.#stream = stream
  }

  #checkLabels(given: Labels, key: string, complete: Labels): Refusal | undefined {
    const { limits, labelCountMax, tenant } = this.#admission
    const stream = shown(key)
    if (complete.length === 0) {
      return { reason: 'missing_labels', text: 'error at least one label pair is required per stream' }
    }
    const counted = given.length - (labelValue(given, SERVICE_NAME) === '' ? 0 : 1)
    if (counted > labelCountMax) {
      const text = `entry for stream '${stream}' has ${counted} label names; limit ${labelCountMax}`
      return { reason: 'max_label_names_per_series', text }
    }
    const twice = duplicateName(given)
    for (const { name, value } of given) {
      if (byteLength(name) > limits.labelNameBytesMax) {
        return { reason: 'label_name_too_long', text: `stream '${stream}' has label name too long: '${shown(name)}'` }
      }
      if (byteLength(value) > limits.labelValueBytesMax) {
        return {
          reason: 'label_value_too_long',
          text: `stream '${stream}' has label value too long: '${shown(value)}'`,
        }
      }
      if (name === twice) {
        return {
          reason: 'duplicate_label_names',
          text: `stream '${stream}' has duplicate label name: '${shown(name)}'`,
        }
      }
    }
    const absent = limits.labelsRequired.filter((name) => labelValue(complete, name) === '')
    if (absent.length === 0) return undefined
    const text = `missing required labels '${absent.join(',')}' for user '${tenant}' for stream '${stream}' (policy: '')`
    return { reason: 'missing_enforced_labels', text }
  }

  /** Whether the entry may be stored; if not, it is counted under its reason. */
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
      const text = (): string =>
        `entry for stream '${shown(stream.key)}' has a timestamp outside the years 1677 to 2262`
      this.refusals.add('invalid_timestamp', text)
      return false
    }
    if (seconds < this.#oldestSeconds || (seconds === this.#oldestSeconds && nanos < this.#oldestNanos)) {
      const text = (): string =>
        `entry for stream '${shown(stream.key)}' has timestamp too old: ${formatParts(seconds, nanos)}, oldest acceptable timestamp is: ${formatParts(this.#oldestSeconds, this.#oldestNanos)}`
      this.refusals.add('greater_than_max_sample_age', text)
      return false
    }
    if (seconds > this.#newestSeconds || (seconds === this.#newestSeconds && nanos > this.#newestNanos)) {
      const text = (): string =>
        `entry for stream '${shown(stream.key)}' has timestamp too new: ${formatParts(seconds, nanos)}`
      this.refusals.add('too_far_in_future', text)
      return false
    }
    return true
  }

  #fitsLine(stream: OpenStream, bytes: number): boolean {
    const { lineBytesMax, lineTruncated } = this.#admission.limits
    if (bytes <= lineBytesMax || lineTruncated) return true
    const text = (): string =>
      `max entry size '${lineBytesMax}' bytes exceeded for stream '${shown(stream.key)}' while adding an entry with length '${bytes}' bytes`
    this.refusals.add('line_too_long', text)
    return false
  }

  #fitsMetadata(stream: OpenStream): boolean {
    if (this.#metadataCount === 0) return true
    const { metadataAllowed, metadataBytesMax, metadataCountMax } = this.#admission.limits
    const key = shown(stream.key)
    if (!metadataAllowed) {
      const text = (): string =>
        `stream '${key}' includes structured metadata, but this feature is disallowed. Set MILLRACE_METADATA_ALLOWED=true to take it, or send lines without it.`
      this.refusals.add('structured_metadata_disallowed', text)
      return false
    }
    if (this.#metadataBytes > metadataBytesMax) {
      const text = (): string =>
        `stream '${key}' has structured metadata too large: '${this.#metadataBytes}' bytes, limit: '${metadataBytesMax}' bytes. Send less of it, or raise MILLRACE_METADATA_BYTES_MAX.`
      this.refusals.add('structured_metadata_too_large', text)
      return false
    }
    if (this.#metadataCount > metadataCountMax) {
      const text = (): string =>
        `stream '${key}' has too many structured metadata labels: '${this.#metadataCount}', limit: '${metadataCountMax}'. Send fewer of them, or raise MILLRACE_METADATA_COUNT_MAX.`
      this.refusals.add('structured_metadata_too_many', text)
      return false
    }
    return true
  }

  #isAdmitted(stream: OpenStream, seconds: number, nanos: number, bytes: number): boolean {
    const { tenant, streams, limits } = this.#admission
    if (stream.index === undefined && !streams.admitStream(tenant, stream.key)) {
      const text = (): string =>
        `maximum active stream limit exceeded when trying to create stream ${shown(stream.key)}, limit: ${limits.activeStreamsMax} streams, user: '${tenant}'`
      this.refusals.add('stream_limit', text)
      return false
    }
    if (!streams.admitBytes(tenant, stream.key, bytes)) {
      const perSecond = limits.streamRate?.bytesPerSecond ?? 0
      const text = (): string =>
        `entry with timestamp ${formatParts(seconds, nanos)} ignored, reason: 'Per stream rate limit exceeded (limit: ${perSecond}B/sec) while attempting to ingest for stream '${shown(stream.key)}' totaling ${bytes}B, consider splitting a stream via additional labels or raise MILLRACE_STREAM_RATE'`
      this.refusals.add('per_stream_rate_limit', text)
      stream.rateRefused++
      return false
    }
    return true
  }

  /** Loki closes a stream's list of rate refusals with their total. */
  #closeRate(): void {
    const stream = this.#stream
    if (stream === undefined || stream.rateRefused === 0) return
    const text = `user '${this.#admission.tenant}', total ignored: ${stream.rateRefused} out of ${stream.entries} for stream: ${shown(stream.key)}`
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
    columns.levels[i] = this.#level(stream, start, end)
    if (!this.#isSorted) this.#sortMetadata()
    columns.streamIndexes[i] = stream.index
    writeNs(columns.timestamps, i, seconds, nanos)
    columns.starts[i] = start
    columns.ends[i] = end
    columns.metadataEnds[i] = this.#metadataEnd
    columns.count = i + 1
    this.#metadataStart = this.#metadataEnd
    this.#lineBytes += end - start
  }

  /** Where the line ends once it is cut to the limit, at the beginning of a character. */
  #cut(start: number, end: number): number {
    const { lineBytesMax } = this.#admission.limits
    if (end - start <= lineBytesMax) return end
    let cut = start + lineBytesMax
    while (cut > start && ((this.#text[cut] as number) & 0xc0) === 0x80) cut--
    return cut
  }

  /** The code of the entry's level; a level that is no known word becomes a pair of the metadata instead. */
  #level(stream: OpenStream, start: number, end: number): number {
    if (!this.#admission.discoverLevels) {
      const given = this.#givenLevel
      if (given === undefined) return LEVEL_NONE
      const code = levelCode(given)
      return LEVELS[code] === given ? code : this.#keepAsPair(given)
    }
    const told = this.#givenLevel ?? stream.level ?? this.#fieldLevel
    if (told !== undefined) {
      const code = levelCode(told)
      return code === LEVEL_NONE ? this.#keepAsPair(told) : code
    }
    if (this.#severityNumber !== undefined) return levelOfSeverityNumber(this.#severityNumber)
    return levelOfLine(this.#text, start, end)
  }

  #keepAsPair(level: string): number {
    this.#writePair(UTF8.encode(DETECTED_LEVEL), UTF8.encode(level.toWellFormed()))
    return LEVEL_NONE
  }

  /** Notes a pair that tells the level; true when the pair is nothing else and is not to be written. */
  #takeLevelHint(name: string, value: string): boolean {
    // An empty value is as good as none, as everywhere among labels.
    if (name === DETECTED_LEVEL) {
      if (value !== '') this.#givenLevel = value
      return true
    }
    if (value === '') return false
    if (name === 'severity_number') this.#severityNumber = value
    const rank = LEVEL_FIELDS.indexOf(name as (typeof LEVEL_FIELDS)[number])
    if (rank >= 0 && rank < this.#fieldRank) {
      this.#fieldRank = rank
      this.#fieldLevel = value
    }
    return false
  }

  /** A pair that came with the entry. What passes the limit is counted for the error, but not kept. */
  #takePair(name: Uint8Array, value: Uint8Array): void {
    if (this.#metadataCount < this.#admission.limits.metadataCountMax) this.#writePair(name, value)
    else {
      this.#metadataBytes += name.length + value.length
      this.#metadataCount++
    }
  }

  #writePair(name: Uint8Array, value: Uint8Array): void {
    const columns = this.#columns
    columns.reserveMetadata(this.#metadataEnd + name.length + value.length + 10)
    const before = this.#lastName
    this.#lastName = asciiText(name)
    if (this.#metadataCount > 0 && compareText(before, this.#lastName) >= 0) this.#isSorted = false
    let at = writeVarint(columns.metadata, this.#metadataEnd, name.length)
    columns.metadata.set(name, at)
    at = writeVarint(columns.metadata, at + name.length, value.length)
    columns.metadata.set(value, at)
    this.#metadataEnd = at + value.length
    this.#metadataBytes += name.length + value.length
    this.#metadataCount++
  }

  /** Brings the pairs of the entry to come into order; of a name that came twice the last value stays. */
  #sortMetadata(): void {
    const values = new Map(readMetadata(this.#columns.metadata, this.#metadataStart, this.#metadataEnd))
    const names = [...values.keys()].sort(compareText)
    this.#metadataEnd = this.#metadataStart
    this.#metadataCount = 0
    for (const name of names) this.#writePair(UTF8.encode(name), UTF8.encode(values.get(name) as string))
  }

  #resetMetadata(): void {
    this.#metadataEnd = this.#metadataStart
    this.#metadataBytes = 0
    this.#metadataCount = 0
    this.#isSorted = true
    this.#lastName = ''
    this.#givenLevel = undefined
    this.#fieldLevel = undefined
    this.#fieldRank = LEVEL_FIELDS.length
    this.#severityNumber = undefined
  }
}

/** Labels with the service_name that Loki would add; the same labels where they have one or must have none. */
function withServiceName(labels: Labels): Labels {
  if (labelValue(labels, SERVICE_NAME) !== '') return labels
  if (INTERNAL_LABELS.some((name) => labelValue(labels, name) !== '')) return labels
  const source = SERVICE_LABELS.find((name) => labelValue(labels, name) !== '')
  const value = source === undefined ? UNKNOWN_SERVICE : labelValue(labels, source)
  return sortLabels([...labels, { name: SERVICE_NAME, value }])
}

/** A name as Prometheus takes it: every other character becomes an underscore, a leading digit gets one before it. */
export function prometheusName(name: string): string {
  if (name === '') return '_'
  const clean = name.replace(/[^a-zA-Z0-9_]/gu, '_')
  return /^[0-9]/.test(clean) ? `_${clean}` : clean
}

/** A pair that can be stored as it is: an ASCII name that needs no change and tells no level, an ASCII value. */
function isPlainPair(
  bytes: Uint8Array,
  nameStart: number,
  nameEnd: number,
  valueStart: number,
  valueEnd: number,
): boolean {
  const first = bytes[nameStart] as number
  if (nameEnd === nameStart || mayTellLevel(first) || (first >= 0x30 && first <= 0x39)) return false
  for (let i = nameStart; i < nameEnd; i++) if (NAME_BYTES[bytes[i] as number] === 0) return false
  for (let i = valueStart; i < valueEnd; i++) if ((bytes[i] as number) >= 0x80) return false
  return true
}

/** The first letters of detected_level, level…, severity…, lvl and their capitals. */
function mayTellLevel(byte: number): boolean {
  return byte === 0x64 || byte === 0x6c || byte === 0x4c || byte === 0x73 || byte === 0x53
}

const NAME_BYTES = Uint8Array.from({ length: 256 }, (_, byte) => (/\w/.test(String.fromCharCode(byte)) ? 1 : 0))

function asciiText(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length; i++) text += String.fromCharCode(bytes[i] as number)
  return text
}

/** Bytes of the text in UTF-8. */
function byteLength(text: string): number {
  return UTF8.encode(text).length
}

function shown(text: string): string {
  return text.length <= SHOWN_CHARS_MAX ? text : `${text.slice(0, SHOWN_CHARS_MAX)}…`
}

function formatParts(seconds: number, nanos: number): string {
  return formatRfc3339(BigInt(seconds) * NS_PER_SECOND + BigInt(nanos))
}
