/**
 * An OTLP ExportLogsServiceRequest in JSON to streams and entries.
 *
 * The form is protobuf's JSON with OTLP's two changes: ids are hex, enums are numbers
 * (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding). Taken as well: snake_case names, enum names, 64-bit
 * integers as numbers or text, null for nothing, and a bare string, number or boolean where an AnyValue belongs.
 */

import type { PushSink } from '../../domain/entries/push-sink.ts'
import { GatewayError } from '../../domain/errors.ts'
import {
  isJsonObject,
  JSON_VALUES_MAX,
  JsonNumber,
  type JsonObject,
  type JsonValue,
  jsonKind,
  parseJson,
  textOfBody,
} from '../bytes/exact-json.ts'
import { LineText } from './otlp-line-text.ts'
import {
  type LogRecord,
  type OtlpOptions,
  type ResourceLogs,
  recordsToSink,
  type ScopeLogs,
  textOfValue,
} from './otlp-records.ts'

/**
 * Reads a decompressed body. Unknown keys are ignored.
 *
 * Throws body_malformed for no JSON or a value of a wrong kind, streams_missing for no record, body_too_large for too
 * many values or too much metadata. What the sink got before must then be dropped.
 */
export function decodeOtlpJson(body: Uint8Array, sink: PushSink, options: OtlpOptions): void {
  const request = parseJson(textOfBody(body), { left: JSON_VALUES_MAX })
  const text = new LineText(new Uint8Array(0))
  if (!isJsonObject(request)) refuse('body', request, 'an object with resourceLogs')
  const resources = listOf(request, 'resourceLogs').map((logs) => toResourceLogs(logs, text))
  recordsToSink(resources, text.bytes(), options, sink)
}

function toResourceLogs(logs: JsonObject, text: LineText): ResourceLogs {
  const resource = objectOf(logs, 'resource')
  return {
    attributes: attributesOf(resource),
    droppedAttributesCount: countOf(resource, 'droppedAttributesCount'),
    scopes: listOf(logs, 'scopeLogs').map((scopeLogs) => toScopeLogs(scopeLogs, text)),
  }
}

function toScopeLogs(logs: JsonObject, text: LineText): ScopeLogs {
  const scope = objectOf(logs, 'scope')
  return {
    name: textOf(scope, 'name'),
    version: textOf(scope, 'version'),
    attributes: attributesOf(scope),
    droppedAttributesCount: countOf(scope, 'droppedAttributesCount'),
    records: listOf(logs, 'logRecords').map((record) => toRecord(record, text)),
  }
}

function toRecord(record: JsonObject, text: LineText): LogRecord {
  return {
    timeNs: nsOf(record, 'timeUnixNano'),
    observedNs: nsOf(record, 'observedTimeUnixNano'),
    severityNumber: severityNumberOf(record),
    severityText: textOf(record, 'severityText'),
    line: text.add(textOfValue(toValue(memberOf(record, 'body') ?? null))),
    attributes: attributesOf(record),
    droppedAttributesCount: countOf(record, 'droppedAttributesCount'),
    flags: countOf(record, 'flags'),
    traceId: textOf(record, 'traceId').toLowerCase(),
    spanId: textOf(record, 'spanId').toLowerCase(),
    eventName: textOf(record, 'eventName'),
  }
}

/** An AnyValue. One without a variant that we know is empty. */
function toValue(value: JsonValue): JsonValue {
  if (Array.isArray(value)) refuse('an attribute value or body', value, 'an AnyValue such as {"stringValue": "..."}')
  if (!isJsonObject(value)) return value
  for (const [name, read] of VARIANTS) {
    const variant = memberOf(value, name)
    if (variant !== undefined) return read(variant, name, value)
  }
  return null
}

type VariantReader = (value: JsonValue, name: string, parent: JsonObject) => JsonValue

const VARIANTS: readonly (readonly [name: string, read: VariantReader])[] = [
  ['stringValue', (value, name) => (typeof value === 'string' ? value : refuse(name, value, 'a string'))],
  ['boolValue', (value, name) => (typeof value === 'boolean' ? value : refuse(name, value, 'true or false'))],
  ['intValue', toInteger],
  ['doubleValue', toDouble],
  ['arrayValue', (_value, name, parent) => valuesOf(objectOf(parent, name)).map(toValue)],
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

/** `NaN`, `Infinity` and `-Infinity` are text in JSON, and stay so. */
function toDouble(value: JsonValue, name: string): JsonValue {
  if (value instanceof JsonNumber) return value
  if (typeof value !== 'string') return refuse(name, value, 'a number')
  return DOUBLE.test(value) ? new JsonNumber(value) : value
}

function attributesOf(object: JsonObject): JsonObject {
  return toMap(listOf(object, 'attributes'))
}

function toMap(pairs: readonly JsonObject[]): JsonObject {
  return new Map(pairs.map((pair) => [textOf(pair, 'key'), toValue(memberOf(pair, 'value') ?? null)]))
}

/** Nanoseconds since the epoch as unsigned 64 bits: text or number of digits, never by way of a double. */
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

function objectOf(object: JsonObject, name: string): JsonObject {
  const value = memberOf(object, name) ?? NOTHING
  return isJsonObject(value) ? value : refuse(name, value, 'an object')
}

const NOTHING: JsonObject = new Map()

function listOf(object: JsonObject, name: string): readonly JsonObject[] {
  return itemsOf(object, name).map((item) =>
    isJsonObject(item) ? item : refuse(`an item of ${name}`, item, 'an object'),
  )
}

function valuesOf(object: JsonObject): readonly JsonValue[] {
  return itemsOf(object, 'values')
}

function itemsOf(object: JsonObject, name: string): readonly JsonValue[] {
  const value = memberOf(object, name) ?? []
  return Array.isArray(value) ? value : refuse(name, value, 'an array')
}

/** The member under its lowerCamelCase or its snake_case name; undefined where it is absent or null. */
function memberOf(object: JsonObject, name: string): JsonValue | undefined {
  return object.get(name) ?? object.get(snakeCase(name)) ?? undefined
}

const SNAKE_CASE = new Map<string, string>()

function snakeCase(name: string): string {
  let snake = SNAKE_CASE.get(name)
  if (snake === undefined) {
    snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    SNAKE_CASE.set(name, snake)
  }
  return snake
}

function refuse(name: string, value: JsonValue, wanted: string): never {
  throw new GatewayError('body_malformed', `OTLP JSON: ${name} is ${jsonKind(value)}; send ${wanted}`)
}
