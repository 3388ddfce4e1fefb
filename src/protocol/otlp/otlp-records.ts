/** Converts OTLP log records to streams and entries, for both of OTLP's encodings. */

import { prometheusName } from '../../domain/entries/entry-metadata.ts'
import type { PushSink } from '../../domain/entries/push-sink.ts'
import { GatewayError } from '../../domain/errors.ts'
import { compareText, type Label } from '../../domain/labels.ts'
import { LEVEL_FIELDS } from '../../domain/levels/level.ts'
import { PUSH_LIMITS } from '../../domain/limits.ts'
import { NS_PER_SECOND } from '../../domain/time.ts'
import { type Slices, Stride } from '../../kit/slices.ts'
import { formatJson, isJsonObject, type JsonObject, type JsonValue } from '../bytes/exact-json.ts'

/** The logs of one resource. Attribute values are AnyValues as JSON values: bytes are base64 text. */
export interface ResourceLogs {
  readonly attributes: JsonObject
  readonly droppedAttributesCount: number
  readonly scopes: readonly ScopeLogs[]
}

export interface ScopeLogs {
  readonly name: string
  readonly version: string
  readonly attributes: JsonObject
  readonly droppedAttributesCount: number
  readonly records: readonly LogRecord[]
}

/** Zero, empty text and null mean absent. */
export interface LogRecord {
  /** Nanoseconds since the epoch, unsigned 64 bits. */
  readonly timeNs: bigint
  readonly observedNs: bigint
  readonly severityNumber: number
  readonly severityText: string
  /** The position of the body in the LineText. */
  readonly line: { readonly start: number; readonly end: number }
  readonly attributes: JsonObject
  readonly droppedAttributesCount: number
  readonly flags: number
  /** Lowercase hex. */
  readonly traceId: string
  readonly spanId: string
  readonly eventName: string
  /** Why the record cannot be stored; its other fields are then ignored. */
  readonly fault?: string | undefined
}

export interface OtlpOptions {
  /** The clock's reading, ms since the epoch: the time of records without one. */
  readonly nowMs: number
  /** Resource attributes that become stream labels; default OTLP_INDEX_ATTRIBUTES. */
  readonly indexAttributes?: readonly string[]
  /** Maximum bytes of the metadata of all records, including that of resource and scope for each; default 256 MiB. */
  readonly metadataBytesMax?: number
}

/** Loki's default_resource_attributes_as_index_labels; dots become underscores in the label. */
export const OTLP_INDEX_ATTRIBUTES = [
  'service.name',
  'service.namespace',
  'service.instance.id',
  'deployment.environment',
  'deployment.environment.name',
  'cloud.region',
  'cloud.availability_zone',
  'k8s.cluster.name',
  'k8s.namespace.name',
  'k8s.pod.name',
  'k8s.container.name',
  'container.name',
  'k8s.replicaset.name',
  'k8s.deployment.name',
  'k8s.statefulset.name',
  'k8s.daemonset.name',
  'k8s.cronjob.name',
  'k8s.job.name',
] as const

/** Cost of a pair in addition to its text, so that many empty ones are bounded too. */
const PAIR_BYTES = 16
const UTF8 = new TextEncoder()

/** Passes every record to the sink. Throws body_too_large for too much metadata. */
export function* sliceRecords(
  resources: readonly ResourceLogs[],
  text: Uint8Array,
  options: OtlpOptions,
  sink: PushSink,
): Slices<void> {
  sink.useText(text)
  yield* new RecordWriter(options, sink).write(resources)
}

/** A body or an attribute as text: strings unchanged, absent as empty, arrays and maps as JSON. */
export function textOfValue(value: JsonValue): string {
  if (typeof value === 'string') return value
  if (value === null) return ''
  try {
    return formatJson(value)
  } catch (error) {
    // Escapes make text longer, so the only possible error is a string beyond V8's maximum length.
    throw new GatewayError('body_too_large', 'a value is too long as JSON text; send it in parts', { cause: error })
  }
}

/** A pair of metadata; `key` is its name as stored, by which pairs are sorted. */
interface Pair {
  readonly key: string
  readonly name: string
  readonly value: string
  /** For a pair shared by many records: key and value in UTF-8, concatenated. */
  readonly bytes?: Uint8Array
}

/** Bounds the metadata of a request: a resource's is repeated for each record, a map's name for each leaf. */
class MetadataBudget {
  readonly #bytesMax: number
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  spend(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes <= this.#bytesMax) return
    const limit = `${this.#bytesMax} bytes of metadata`
    throw new GatewayError('body_too_large', `records expand to more than ${limit}; send fewer at once`)
  }
}

/** Number of records that are written between two yields. */
const STRETCH = 200

class RecordWriter {
  readonly #stride = new Stride(STRETCH)
  readonly #sink: PushSink
  readonly #indexAttributes: ReadonlySet<string>
  readonly #nowMs: number
  readonly #budget: MetadataBudget

  constructor(options: OtlpOptions, sink: PushSink) {
    this.#sink = sink
    this.#nowMs = options.nowMs
    this.#indexAttributes = new Set(options.indexAttributes ?? OTLP_INDEX_ATTRIBUTES)
    this.#budget = new MetadataBudget(options.metadataBytesMax ?? PUSH_LIMITS.decompressedBytesMax)
  }

  *write(resources: readonly ResourceLogs[]): Slices<void> {
    for (const resource of resources) {
      if (this.#stride.isDue()) yield
      const scopes = resource.scopes.filter(({ records }) => records.length > 0)
      if (scopes.length === 0) continue
      const labels = new Map<string, string>()
      const pairs: Pair[] = []
      for (const [name, value] of resource.attributes) {
        if (this.#indexAttributes.has(name)) labels.set(name.replaceAll('.', '_'), textOfValue(value))
        else pushFlat(pairs, name, value, this.#budget)
      }
      pushCount(pairs, 'resource_dropped_attributes_count', resource.droppedAttributesCount)
      this.#sink.beginStream(Array.from(labels, ([name, value]): Label => ({ name, value })))
      for (const scope of scopes) yield* this.#writeScope(scope, sorted(pairs))
    }
  }

  *#writeScope(scope: ScopeLogs, resourcePairs: readonly Pair[]): Slices<void> {
    const pairs = this.#merged(resourcePairs, sorted(pairsOfScope(scope, this.#budget)))
    const shared = scope.records.length > 1 ? pairs.map(encoded) : pairs
    for (const record of scope.records) {
      if (this.#stride.isDue()) yield
      if (record.fault !== undefined) {
        this.#sink.refuseEntry('invalid_record', record.fault)
        continue
      }
      for (const pair of this.#merged(shared, sorted(pairsOfRecord(record, this.#budget)))) this.#addPair(pair)
      this.#addEntry(record)
    }
  }

  /** Merges sorted pairs. Of duplicate keys the inner one is kept, so that a sink need neither sort nor choose. */
  #merged(outer: readonly Pair[], inner: readonly Pair[]): readonly Pair[] {
    const pairs: Pair[] = []
    let at = 0
    for (const pair of inner) {
      while (at < outer.length && (outer[at] as Pair).key < pair.key) pairs.push(outer[at++] as Pair)
      if (outer[at]?.key === pair.key) at++
      pairs.push(pair)
    }
    while (at < outer.length) pairs.push(outer[at++] as Pair)
    for (const { name, value } of pairs) this.#budget.spend(name.length + value.length + PAIR_BYTES)
    return pairs
  }

  #addPair({ key, name, value, bytes }: Pair): void {
    if (bytes === undefined) this.#sink.addMetadata(name, value)
    else this.#sink.addMetadataBytes(bytes, 0, key.length, key.length, bytes.length)
  }

  #addEntry({ timeNs, observedNs, line }: LogRecord): void {
    const ns = timeNs === 0n ? observedNs : timeNs
    if (ns === 0n) {
      const seconds = Math.floor(this.#nowMs / 1000)
      this.#sink.addEntry(seconds, Math.floor(this.#nowMs - seconds * 1000) * 1e6, line.start, line.end)
    } else {
      this.#sink.addEntry(Number(ns / NS_PER_SECOND), Number(ns % NS_PER_SECOND), line.start, line.end)
    }
  }
}

/** The names are those of Loki's OTLP receiver. */
function pairsOfScope(scope: ScopeLogs, budget: MetadataBudget): Pair[] {
  const pairs: Pair[] = []
  for (const [name, value] of scope.attributes) pushFlat(pairs, name, value, budget)
  pushText(pairs, 'scope_name', scope.name)
  pushText(pairs, 'scope_version', scope.version)
  pushCount(pairs, 'scope_dropped_attributes_count', scope.droppedAttributesCount)
  return pairs
}

function pairsOfRecord(record: LogRecord, budget: MetadataBudget): Pair[] {
  const pairs: Pair[] = []
  for (const [name, value] of record.attributes) pushFlat(pairs, name, value, budget)
  if (record.observedNs !== 0n) pushText(pairs, 'observed_timestamp', String(record.observedNs))
  pushCount(pairs, 'severity_number', record.severityNumber)
  pushText(pairs, 'severity_text', record.severityText)
  pushCount(pairs, 'dropped_attributes_count', record.droppedAttributesCount)
  pushCount(pairs, 'flags', record.flags)
  if (isIdSet(record.traceId)) pushText(pairs, 'trace_id', record.traceId)
  if (isIdSet(record.spanId)) pushText(pairs, 'span_id', record.spanId)
  pushText(pairs, 'event_name', record.eventName)
  return pairs
}

/** A map becomes a pair for each of its leaves, `outer_inner`. Absent values have no pair. */
function pushFlat(pairs: Pair[], name: string, value: JsonValue, budget: MetadataBudget): void {
  if (isJsonObject(value)) {
    for (const [inner, leaf] of value) {
      budget.spend(name.length)
      pushFlat(pairs, `${name}_${inner}`, leaf, budget)
    }
  } else if (value !== null) pairs.push({ key: prometheusName(name), name, value: textOfValue(value) })
}

function pushText(pairs: Pair[], name: string, value: string): void {
  if (value !== '') pairs.push({ key: name, name, value })
}

function pushCount(pairs: Pair[], name: string, value: number): void {
  if (value !== 0) pairs.push({ key: name, name, value: String(value) })
}

/** Sorted by key; of duplicate keys the last is kept. */
function sorted(pairs: Pair[]): readonly Pair[] {
  pairs.sort((a, b) => compareText(a.key, b.key))
  return pairs.filter(({ key }, i) => key !== pairs[i + 1]?.key)
}

/** A name of a level field must stay unchanged (`log.level`); any other is replaced by its ASCII key. */
function encoded(pair: Pair): Pair {
  const { key, name, value } = pair
  return LEVEL_FIELDS.some((field) => field === name)
    ? pair
    : { ...pair, bytes: UTF8.encode(key + value.toWellFormed()) }
}

/** An id of zeros only means no id. */
function isIdSet(id: string): boolean {
  return !/^0*$/.test(id)
}
