/**
 * Decodes an OTLP ExportLogsServiceRequest in JSON to streams and entries.
 *
 * The format is protobuf's JSON with OTLP's two changes: ids are hex, enums are numbers
 * (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding). Also accepted: snake_case names, enum names,
 * 64-bit integers as numbers or text, null for absent values, a bare value instead of an AnyValue, a bare object of
 * attributes, the names of scopes before OTLP 0.15, and ids in the other formats of otlp-id.ts.
 */

import type { PushSink } from '../../domain/entries/push-sink.ts'
import { finishSlices, type Slices, Stride } from '../../kit/slices.ts'
import {
  isJsonObject,
  JSON_VALUES_MAX,
  JsonNumber,
  type JsonObject,
  type JsonValue,
  jsonKind,
  sliceJson,
  textOfBody,
} from '../bytes/exact-json.ts'
import { idFault, idOfText, SPAN_ID_BYTES, TRACE_ID_BYTES } from './otlp-id.ts'
import {
  hasMember,
  itemsOf,
  keyLike,
  listOf,
  memberOf,
  misspellingIn,
  objectOf,
  refuse,
  refuseMisspelt,
  requireKey,
} from './otlp-json-keys.ts'
import { LineText } from './otlp-line-text.ts'
import {
  type LogRecord,
  type OtlpOptions,
  type ResourceLogs,
  type ScopeLogs,
  sliceRecords,
  textOfValue,
} from './otlp-records.ts'

/**
 * Decodes a decompressed body; an empty body, or one without records, is an empty export. Unknown keys are ignored, but
 * not in place of those that carry the records.
 *
 * Throws body_malformed for invalid JSON, a value of a wrong type or a misspelt key, body_too_large for too many values
 * or too much metadata. After an error the sink must be dropped.
 */
export function* sliceOtlpJson(body: Uint8Array, sink: PushSink, options: OtlpOptions): Slices<void> {
  if (body.length === 0) return
  const request = yield* sliceJson(textOfBody(body), { left: JSON_VALUES_MAX })
  const text = new LineText(new Uint8Array(0))
  if (!isJsonObject(request)) refuse('body', request, 'an object with resourceLogs')
  requireKey(request, 'the body', 'resourceLogs', [])
  const resources: ResourceLogs[] = []
  for (const logs of listOf(request, 'resourceLogs')) resources.push(yield* toResourceLogs(logs, text))
  yield* sliceRecords(resources, text.bytes(), options, sink)
}

/** The same at once. */
export function decodeOtlpJson(body: Uint8Array, sink: PushSink, options: OtlpOptions): void {
  finishSlices(sliceOtlpJson(body, sink, options))
}

/** Number of records that are read between two yields; LINE_BYTES of a line count like another one. */
const STRETCH = 200
const LINE_BYTES = 1024

const RESOURCE_KEYS = ['attributes', 'droppedAttributesCount', 'entityRefs']
const RECORD_KEYS = [
  'timeUnixNano',
  'observedTimeUnixNano',
  'severityNumber',
  'severityText',
  'body',
  'attributes',
  'droppedAttributesCount',
  'flags',
  'traceId',
  'spanId',
  'eventName',
  /** Before OTLP 0.9. */
  'name',
]

function* toResourceLogs(logs: JsonObject, text: LineText): Slices<ResourceLogs> {
  const resource = objectOf(logs, 'resource')
  const scopes = hasMember(logs, 'instrumentationLibraryLogs') ? 'instrumentationLibraryLogs' : 'scopeLogs'
  requireKey(logs, 'an item of resourceLogs', scopes, ['resource', 'schemaUrl'])
  refuseMisspelt(logs, 'an item of resourceLogs', ['resource', scopes, 'schemaUrl'])
  refuseMisspelt(resource, 'a resource', RESOURCE_KEYS)
  const attributes = attributesOf(resource)
  const droppedAttributesCount = countOf(resource, 'droppedAttributesCount')
  const read: ScopeLogs[] = []
  for (const scopeLogs of listOf(logs, scopes)) {
    read.push(yield* toScopeLogs(scopeLogs, text))
    yield
  }
  return { attributes, droppedAttributesCount, scopes: read }
}

function* toScopeLogs(logs: JsonObject, text: LineText): Slices<ScopeLogs> {
  const scope = objectOf(logs, hasMember(logs, 'instrumentationLibrary') ? 'instrumentationLibrary' : 'scope')
  const records = hasMember(logs, 'logs') ? 'logs' : 'logRecords'
  requireKey(logs, 'an item of scopeLogs', records, ['scope', 'instrumentationLibrary', 'schemaUrl'])
  refuseMisspelt(logs, 'an item of scopeLogs', ['scope', 'instrumentationLibrary', records, 'schemaUrl'])
  const facts = {
    name: textOf(scope, 'name'),
    version: textOf(scope, 'version'),
    attributes: attributesOf(scope),
    droppedAttributesCount: countOf(scope, 'droppedAttributesCount'),
  }
  const read: LogRecord[] = []
  const stride = new Stride(STRETCH)
  for (const record of listOf(logs, records)) {
    const { line } = read[read.push(toRecord(record, text)) - 1] as LogRecord
    if (stride.isDue(1 + (line.end - line.start) / LINE_BYTES)) yield
  }
  return { ...facts, records: read }
}

function toRecord(record: JsonObject, text: LineText): LogRecord {
  const traceId = readId(record, 'traceId', TRACE_ID_BYTES)
  const spanId = readId(record, 'spanId', SPAN_ID_BYTES)
  return {
    timeNs: nsOf(record, 'timeUnixNano'),
    observedNs: nsOf(record, 'observedTimeUnixNano'),
    severityNumber: severityNumberOf(record),
    severityText: textOf(record, 'severityText'),
    line: text.add(textOfValue(toValue(memberOf(record, 'body') ?? null))),
    attributes: attributesOf(record),
    droppedAttributesCount: countOf(record, 'droppedAttributesCount'),
    flags: countOf(record, 'flags'),
    traceId: traceId.hex,
    spanId: spanId.hex,
    eventName: textOf(record, 'eventName'),
    fault: traceId.fault ?? spanId.fault ?? misspeltKey(record),
  }
}

function readId(record: JsonObject, name: 'traceId' | 'spanId', bytes: number): { hex: string; fault?: string } {
  const value = memberOf(record, name) ?? ''
  if (typeof value !== 'string') return { hex: '', fault: idFault(name, `the wrong kind (${jsonKind(value)})`) }
  const hex = idOfText(value, bytes)
  return hex === undefined ? { hex: '', fault: idFault(name, `${value.length} characters`) } : { hex }
}

/** Keys that clients use by mistake for a record's body and its time. */
const BODY_LIKE = new Set(['body', 'message', 'msg', 'line', 'log', 'text'])
const TIME_LIKE = new Set(['timeunixnano', 'timeunixnanos', 'timeunix', 'timestamp', 'time', 'ts'])

function misspeltKey(record: JsonObject): string | undefined {
  const body = hasMember(record, 'body') ? undefined : keyLike(record, BODY_LIKE)
  if (body !== undefined) return `log record has no "body"; found "${body}"`
  const hasTime = hasMember(record, 'timeUnixNano') || hasMember(record, 'observedTimeUnixNano')
  const time = hasTime ? undefined : keyLike(record, TIME_LIKE)
  if (time !== undefined) return `log record has no "timeUnixNano"; found "${time}"`
  const other = misspellingIn(record, RECORD_KEYS)
  return other === undefined ? undefined : `log record ${other}`
}

/** An AnyValue, or the bare value that a client sent instead. */
function toValue(value: JsonValue): JsonValue {
  if (!isJsonObject(value)) return value
  for (const [name, read] of VARIANTS) {
    const variant = memberOf(value, name)
    if (variant !== undefined) return read(variant, name, value)
  }
  return value.size === 0 || VARIANTS.some(([name]) => hasMember(value, name)) ? null : value
}

type VariantReader = (value: JsonValue, name: string, parent: JsonObject) => JsonValue

const VARIANTS: readonly (readonly [name: string, read: VariantReader])[] = [
  ['stringValue', (value, name) => (typeof value === 'string' ? value : refuse(name, value, 'a string'))],
  ['boolValue', (value, name) => (typeof value === 'boolean' ? value : refuse(name, value, 'true or false'))],
  ['intValue', toInteger],
  ['doubleValue', toDouble],
  ['arrayValue', (_value, name, parent) => itemsOf(objectOf(parent, name), 'values').map(toValue)],
  ['kvlistValue', (_value, name, parent) => toMap(listOf(objectOf(parent, name), 'values'))],
  ['bytesValue', (value, name) => (typeof value === 'string' ? value : refuse(name, value, 'base64 text'))],
]

const INTEGER = /^-?[0-9]{1,20}$/
const DOUBLE = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/

function toInteger(value: JsonValue, name: string): JsonValue {
  const text = value instanceof JsonNumber ? value.text : value
  if (typeof text === 'string' && INTEGER.test(text)) return new JsonNumber(String(BigInt(text)))
  return refuse(name, value, 'a whole number of 64 bits, or text of one')
}

/** `NaN`, `Infinity` and `-Infinity` are text in JSON, and remain text. */
function toDouble(value: JsonValue, name: string): JsonValue {
  if (value instanceof JsonNumber) return value
  if (typeof value !== 'string') return refuse(name, value, 'a number')
  return DOUBLE.test(value) ? new JsonNumber(value) : value
}

function attributesOf(object: JsonObject): JsonObject {
  const attributes = memberOf(object, 'attributes') ?? null
  if (!isJsonObject(attributes)) return toMap(listOf(object, 'attributes'))
  return new Map(Array.from(attributes, ([name, value]) => [name, toValue(value)]))
}

function toMap(pairs: readonly JsonObject[]): JsonObject {
  return new Map(pairs.map(toAttribute))
}

function toAttribute(pair: JsonObject): [name: string, value: JsonValue] {
  requireKey(pair, 'an attribute', 'key', ['value'])
  requireKey(pair, 'an attribute', 'value', ['key'])
  return [textOf(pair, 'key'), toValue(memberOf(pair, 'value') ?? null)]
}

/** Nanoseconds since the epoch as unsigned 64 bits, from a string or number, without converting to a double. */
function nsOf(object: JsonObject, name: string): bigint {
  const value = memberOf(object, name) ?? ''
  const text = value instanceof JsonNumber ? value.text : value
  if (text === '') return 0n
  const ns = typeof text === 'string' && /^[0-9]{1,20}$/.test(text) ? BigInt(text) : NS_LIMIT
  return ns < NS_LIMIT ? ns : refuse(name, value, 'nanoseconds since 1970 in digits')
}

const NS_LIMIT = 2n ** 64n

function countOf(object: JsonObject, name: string): number {
  const value = memberOf(object, name) ?? ''
  const text = value instanceof JsonNumber ? value.text : value
  if (text === '') return 0
  const count = typeof text === 'string' && /^[0-9]{1,10}$/.test(text) ? Number(text) : 2 ** 32
  return count < 2 ** 32 ? count : refuse(name, value, 'a whole number of 32 bits')
}

const SEVERITY_NAME = /^SEVERITY_NUMBER_(TRACE|DEBUG|INFO|WARN|ERROR|FATAL)([234]?)$/
const SEVERITY_WORDS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL']

/** 1 to 24, or the name: SEVERITY_NUMBER_INFO2 is 10. */
function severityNumberOf(object: JsonObject): number {
  const value = memberOf(object, 'severityNumber')
  if (value === 'SEVERITY_NUMBER_UNSPECIFIED') return 0
  const match = typeof value === 'string' ? SEVERITY_NAME.exec(value) : null
  if (match === null) return countOf(object, 'severityNumber')
  return SEVERITY_WORDS.indexOf(match[1] as string) * 4 + Number(match[2] || '1')
}

function textOf(object: JsonObject, name: string): string {
  const value = memberOf(object, name) ?? ''
  return typeof value === 'string' ? value : refuse(name, value, 'a string')
}
