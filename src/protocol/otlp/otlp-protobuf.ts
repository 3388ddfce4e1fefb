/**
 * Decodes an OTLP ExportLogsServiceRequest in protobuf to streams and entries.
 *
 * Written by hand over the wire format: field numbers are those of proto/otlp-logs.proto. A generic decoder would
 * create an object for every message before anything is counted, and would lose 64-bit integers or need a package for
 * them.
 */

import type { PushSink } from '../../domain/entries/push-sink.ts'
import { GatewayError } from '../../domain/errors.ts'
import { finishSlices, type Slices } from '../../kit/slices.ts'
import { JSON_VALUES_MAX, JsonNumber, type JsonObject, type JsonValue } from '../bytes/exact-json.ts'
import { idFault, idOfBytes, SPAN_ID_BYTES, TRACE_ID_BYTES } from './otlp-id.ts'
import { LineText } from './otlp-line-text.ts'
import {
  type LogRecord,
  type OtlpOptions,
  type ResourceLogs,
  type ScopeLogs,
  sliceRecords,
  textOfValue,
} from './otlp-records.ts'
import { fixed32Tag, fixed64Tag, lengthTag, varintTag, WireReader } from './otlp-wire.ts'

/** Maximum nesting of AnyValues, the same as exact-json.ts allows for OTLP's JSON. */
const VALUE_DEPTH_MAX = 62

/**
 * Decodes a decompressed body. Lines whose body is a string remain in place, so the body must not change until the
 * batch is stored.
 *
 * A body without records is an empty export. Throws body_malformed for an invalid message or values nested too deeply,
 * body_too_large for too many messages and values or too much metadata. After an error the sink must be dropped.
 */
export function* sliceOtlpProtobuf(body: Uint8Array, sink: PushSink, options: OtlpOptions): Slices<void> {
  const decoder = new OtlpDecoder(body)
  const resources = yield* decoder.readRequest()
  yield* sliceRecords(resources, decoder.text.bytes(), options, sink)
}

/** The same at once. */
export function decodeOtlpProtobuf(body: Uint8Array, sink: PushSink, options: OtlpOptions): void {
  finishSlices(sliceOtlpProtobuf(body, sink, options))
}

/**
 * The highest field number of each message up to which all are decoded. Later fields, such as schema_url, are skipped;
 * so is a record's field 4, its name before OTLP 0.9.
 */
const FIELDS = {
  request: 1,
  resourceLogs: 2,
  resource: 2,
  scopeLogs: 2,
  scope: 4,
  record: 12,
  keyValue: 2,
  value: 7,
  array: 1,
  map: 1,
} as const
const RECORD_NAME = lengthTag(4)
/** Scopes under their former name, for compatibility: the same messages with another field number. */
const LIBRARY_LOGS = lengthTag(1000)
type Attributes = Map<string, JsonValue>
/** Shared by all records without attributes, of which a request can have many. */
const NO_ATTRIBUTES: JsonObject = new Map()
const NO_LINE: LogRecord['line'] = { start: 0, end: 0 }
type Mutable<T> = { -readonly [K in keyof T]: T[K] }

class OtlpDecoder {
  readonly text: LineText
  readonly #reader: WireReader
  #left = JSON_VALUES_MAX

  constructor(body: Uint8Array) {
    this.text = new LineText(body)
    this.#reader = new WireReader(body)
  }

  *readRequest(): Slices<ResourceLogs[]> {
    const resources: ResourceLogs[] = []
    yield* this.#reader.sliceFields(FIELDS.request, (tag) => tag === lengthTag(1) && this.#readResourceLogs(resources))
    return resources
  }

  *#readResourceLogs(resources: ResourceLogs[]): Slices<void> {
    this.#count()
    const attributes: Attributes = new Map()
    const scopes: ScopeLogs[] = []
    const logs: Mutable<ResourceLogs> = { attributes, droppedAttributesCount: 0, scopes }
    yield* this.#reader.sliceMessage(FIELDS.resourceLogs, (tag) => {
      if (tag === lengthTag(2) || tag === LIBRARY_LOGS) return this.#readScopeLogs(scopes)
      if (tag !== lengthTag(1)) return false
      this.#readResource(logs, attributes)
      return true
    })
    resources.push(logs)
  }

  #readResource(logs: Mutable<ResourceLogs>, attributes: Attributes): void {
    this.#reader.readMessage(FIELDS.resource, (tag) => {
      if (tag === lengthTag(1)) this.#readKeyValue(attributes, 0)
      else if (tag === varintTag(2)) logs.droppedAttributesCount = this.#reader.readUint32()
      else return false
      return true
    })
  }

  *#readScopeLogs(scopes: ScopeLogs[]): Slices<void> {
    this.#count()
    const attributes: Attributes = new Map()
    const records: LogRecord[] = []
    const logs: Mutable<ScopeLogs> = { name: '', version: '', attributes, droppedAttributesCount: 0, records }
    yield* this.#reader.sliceMessage(FIELDS.scopeLogs, (tag) => {
      if (tag === lengthTag(1)) this.#readScope(logs, attributes)
      else if (tag === lengthTag(2)) records.push(this.#readRecord())
      else return false
      return true
    })
    scopes.push(logs)
  }

  #readScope(logs: Mutable<ScopeLogs>, attributes: Attributes): void {
    const reader = this.#reader
    reader.readMessage(FIELDS.scope, (tag) => {
      if (tag === lengthTag(1)) logs.name = reader.readText()
      else if (tag === lengthTag(2)) logs.version = reader.readText()
      else if (tag === lengthTag(3)) this.#readKeyValue(attributes, 0)
      else if (tag === varintTag(4)) logs.droppedAttributesCount = reader.readUint32()
      else return false
      return true
    })
  }

  #readRecord(): LogRecord {
    this.#count()
    const reader = this.#reader
    let attributes: Attributes | undefined
    const record: Mutable<LogRecord> = {
      timeNs: 0n,
      observedNs: 0n,
      severityNumber: 0,
      severityText: '',
      line: NO_LINE,
      attributes: NO_ATTRIBUTES,
      droppedAttributesCount: 0,
      flags: 0,
      traceId: '',
      spanId: '',
      eventName: '',
    }
    reader.readMessage(FIELDS.record, (tag) => {
      if (tag === fixed64Tag(1)) record.timeNs = reader.readFixed64()
      else if (tag === varintTag(2)) record.severityNumber = reader.readUint32() | 0
      else if (tag === lengthTag(3)) record.severityText = reader.readText()
      else if (tag === lengthTag(5)) record.line = this.#readBody()
      else if (tag === lengthTag(6)) {
        attributes ??= new Map()
        record.attributes = attributes
        this.#readKeyValue(attributes, 0)
      } else if (tag === varintTag(7)) record.droppedAttributesCount = reader.readUint32()
      else if (tag === fixed32Tag(8)) record.flags = reader.readFixed32()
      else if (tag === lengthTag(9)) record.traceId = this.#readId(record, 'traceId', TRACE_ID_BYTES)
      else if (tag === lengthTag(10)) record.spanId = this.#readId(record, 'spanId', SPAN_ID_BYTES)
      else if (tag === fixed64Tag(11)) record.observedNs = reader.readFixed64()
      else if (tag === lengthTag(12)) record.eventName = reader.readText()
      else if (tag === RECORD_NAME) reader.readRange()
      else return false
      return true
    })
    return record
  }

  /** An id as hex; an invalid one becomes the record's fault. */
  #readId(record: Mutable<LogRecord>, name: 'traceId' | 'spanId', bytes: number): string {
    const value = this.#reader.readSlice()
    const id = idOfBytes(value, bytes)
    if (id === undefined) record.fault = idFault(name, `${value.length} bytes`)
    return id ?? ''
  }

  /** The body's position in the text: a string in place, anything else after the request. */
  #readBody(): LogRecord['line'] {
    let line: LogRecord['line'] | undefined
    let value: JsonValue = null
    this.#reader.readMessage(FIELDS.value, (tag) => {
      if (tag === lengthTag(1)) {
        line = this.#reader.readRange()
        return true
      }
      const other = this.#readVariant(tag, 0)
      if (other === undefined) return false
      value = other
      line = undefined
      return true
    })
    return line ?? this.text.add(textOfValue(value))
  }

  #readKeyValue(target: Attributes, depth: number): void {
    let key = ''
    let value: JsonValue = null
    this.#count()
    this.#reader.readMessage(FIELDS.keyValue, (tag) => {
      if (tag === lengthTag(1)) key = this.#reader.readText()
      else if (tag === lengthTag(2)) value = this.#readValue(depth)
      else return false
      return true
    })
    target.set(key, value)
  }

  #readValue(depth: number): JsonValue {
    if (depth > VALUE_DEPTH_MAX) {
      const message = `body has values nested deeper than ${VALUE_DEPTH_MAX}; send them flatter, or as text`
      throw new GatewayError('body_malformed', message)
    }
    this.#count()
    let value: JsonValue = null
    this.#reader.readMessage(FIELDS.value, (tag) => {
      const variant = this.#readVariant(tag, depth)
      if (variant === undefined) return false
      value = variant
      return true
    })
    return value
  }

  /** A variant of AnyValue; undefined for an unknown tag. */
  #readVariant(tag: number, depth: number): JsonValue | undefined {
    const reader = this.#reader
    if (tag === lengthTag(1)) return reader.readText()
    if (tag === varintTag(2)) return reader.readInt64() !== '0'
    if (tag === varintTag(3)) return new JsonNumber(reader.readInt64())
    if (tag === fixed64Tag(4)) return valueOfDouble(reader.readDouble())
    if (tag === lengthTag(5)) return this.#readArray(depth)
    if (tag === lengthTag(6)) return this.#readMap(depth)
    if (tag === lengthTag(7)) return reader.readBase64()
    return undefined
  }

  #readArray(depth: number): JsonValue {
    const values: JsonValue[] = []
    this.#reader.readMessage(FIELDS.array, (tag) => {
      if (tag !== lengthTag(1)) return false
      values.push(this.#readValue(depth + 1))
      return true
    })
    return values
  }

  #readMap(depth: number): JsonObject {
    const values: Attributes = new Map()
    this.#reader.readMessage(FIELDS.map, (tag) => {
      if (tag !== lengthTag(1)) return false
      this.#readKeyValue(values, depth + 1)
      return true
    })
    return values
  }

  #count(): void {
    if (--this.#left >= 0) return
    const message = `body holds more than ${JSON_VALUES_MAX} messages and values; send it in parts`
    throw new GatewayError('body_too_large', message)
  }
}

/** JSON cannot express non-finite numbers: OTLP's JSON has strings for them too. */
function valueOfDouble(value: number): JsonValue {
  return Number.isFinite(value) ? new JsonNumber(String(value)) : String(value)
}
