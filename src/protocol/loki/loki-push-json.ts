/** Decodes Loki's JSON pushes, in the old and the current format, to a sink; lines remain bytes of the body. */

import type { PushSink } from '../../domain/entries/push-sink.ts'
import type { Label } from '../../domain/labels.ts'
import { NS_PER_SECOND, parseRfc3339 } from '../../domain/time.ts'
import { finishSlices, type Slices } from '../../kit/slices.ts'
import { BRACE, BRACE_END, BRACKET, BRACKET_END, type JsonCursor, QUOTE } from '../bytes/json-cursor.ts'
import { beginStreamOfLabels, beginStreamOfText } from './label-text.ts'
import { PushJsonDecoder, type PushJsonForms } from './push-json-decoder.ts'
import { KeyList, missingKey, pushRefusal } from './push-json-refusal.ts'

/**
 * Decodes `{"streams":[{"stream":{labels},"values":[["ns","line",{metadata}]]}]}` and the format before version 1,
 * `{"streams":[{"labels":"{a=\\"b\\"}","entries":[{"ts":"RFC 3339","line":"…","structuredMetadata":{}}]}]}`, also
 * mixed.
 *
 * Keys may be in any order. Of duplicate labels the last counts; all entries count. Unknown keys are ignored beside
 * known ones, as is null for a stream, its entries or one entry. Labels and metadata with other values than strings get
 * their JSON text. Streams without entries are skipped.
 *
 * `body` becomes the sink's text and is overwritten, because escapes in lines are decoded in place. Throws
 * body_malformed for anything else, including a stream or an entry with only unknown keys and bytes after the document;
 * streams_missing; body_too_large beyond push-bounds.ts. After an error the sink must be dropped.
 *
 * See "Ingest logs" in Loki's HTTP API, and pkg/util/unmarshal of grafana/loki for what else it accepts.
 */
export function slicePushJson(body: Uint8Array, sink: PushSink): Slices<void> {
  return new PushJsonDecoder(body, sink, FORMS).decode()
}

/** The same at once. */
export function decodePushJson(body: Uint8Array, sink: PushSink): void {
  finishSlices(slicePushJson(body, sink))
}

const FORMS: PushJsonForms = {
  passLabels(decoder, key) {
    const first = decoder.cursor.peek()
    if (first === BRACE) decoder.cursor.passValue(3)
    else if (first === QUOTE) decoder.cursor.passString()
    else decoder.refuse(`"${key}"`, 'an object of labels')
  },
  passEntry(decoder) {
    const first = decoder.cursor.peek()
    if (first === BRACKET) passArrayEntry(decoder)
    else if (first === BRACE) passObjectEntry(decoder)
    else decoder.refuse('an entry', 'an array [timestamp, line]')
  },
  beginStream(decoder, labelsAt) {
    const { cursor, sink } = decoder
    if (labelsAt < 0) beginStreamOfText('', sink)
    else if (decoder.byteAt(labelsAt) === BRACE) beginStreamOfLabels(readLabels(cursor, labelsAt), sink)
    else {
      cursor.at = labelsAt
      cursor.passString()
      beginStreamOfText(cursor.readString(), sink)
    }
  },
  readTime(decoder, start, end, isDatetime) {
    if (isDatetime) readRfc3339(decoder, start, end)
    else readNanoseconds(decoder, start, end)
  },
}

/** `["ns", "line"]`, optionally with an object of metadata; further elements are ignored, as in Loki. */
function passArrayEntry(decoder: PushJsonDecoder): void {
  const { cursor } = decoder
  if (!cursor.enter(BRACKET, BRACKET_END)) throw pushRefusal('an entry is empty; expected [timestamp, line]', cursor.at)
  decoder.require(QUOTE, 'a timestamp', 'a string of decimal nanoseconds')
  cursor.passString()
  const timeStart = cursor.start
  const timeEnd = markedEnd(cursor)
  if (!cursor.continues(BRACKET_END)) throw pushRefusal('an entry has no line; expected [timestamp, line]', cursor.at)
  decoder.require(QUOTE, 'a line', 'a string')
  cursor.passString()
  const lineStart = cursor.start
  const lineEnd = markedEnd(cursor)
  decoder.addEntry(timeStart, timeEnd, lineStart, lineEnd, passRest(decoder))
}

/** `{"ts": "RFC 3339", "line": "…"}`, optionally with `structuredMetadata`. */
function passObjectEntry(decoder: PushJsonDecoder): void {
  const { cursor } = decoder
  const entryAt = cursor.at
  const others = new KeyList()
  let [timeStart, timeEnd, lineStart, lineEnd, metadataAt] = [-1, -1, -1, -1, 0]
  for (let more = cursor.enter(BRACE, BRACE_END); more; more = cursor.continues(BRACE_END)) {
    const key = cursor.readKey()
    const name = key.toLowerCase()
    if (name === 'ts') [timeStart, timeEnd] = passStringOrNull(decoder, key)
    else if (name === 'line') [lineStart, lineEnd] = passStringOrNull(decoder, key)
    else if (name === 'structuredmetadata') metadataAt = passMetadata(decoder)
    else {
      others.add(key)
      cursor.passValue(5)
    }
  }
  if (timeStart < 0) throw missingKey('an entry', 'ts', others, entryAt)
  if (lineStart < 0) throw missingKey('an entry', 'line', others, entryAt)
  decoder.addEntry(~timeStart, timeEnd, lineStart, lineEnd, metadataAt)
}

/** The position of a string; null has none. */
function passStringOrNull(decoder: PushJsonDecoder, key: string): [start: number, end: number] {
  const { cursor } = decoder
  if (cursor.takeNull()) return [0, 0]
  decoder.require(QUOTE, `"${key}"`, 'a string')
  cursor.passString()
  return [cursor.start, markedEnd(cursor)]
}

/** Passes the rest of an entry after its line; returns the position of the metadata, 0 for none. */
function passRest(decoder: PushJsonDecoder): number {
  const { cursor } = decoder
  if (!cursor.continues(BRACKET_END)) return 0
  const metadataAt = passMetadata(decoder)
  while (cursor.continues(BRACKET_END)) cursor.passValue(5)
  return metadataAt
}

/** The position of an object of metadata; 0 for null. */
function passMetadata(decoder: PushJsonDecoder): number {
  const { cursor } = decoder
  if (cursor.takeNull()) return 0
  decoder.require(BRACE, 'structured metadata', 'an object')
  const metadataAt = cursor.at
  cursor.passValue(5)
  return metadataAt
}

/** The labels of a validated object. */
function readLabels(cursor: JsonCursor, labelsAt: number): Label[] {
  const values = new Map<string, string>()
  cursor.at = labelsAt
  for (let more = cursor.enter(BRACE, BRACE_END); more; more = cursor.continues(BRACE_END)) {
    const name = cursor.readKey()
    const isString = cursor.peek() === QUOTE
    const start = cursor.at
    cursor.passValue(4)
    values.set(name, isString ? cursor.readString() : cursor.readRaw(start, cursor.at))
  }
  return Array.from(values, ([name, value]) => ({ name, value }))
}

/** The end of the last string passed, inverted if it contains escapes. */
function markedEnd(cursor: JsonCursor): number {
  return cursor.hasEscapes ? ~cursor.end : cursor.end
}

const NANO_DIGITS = 9
/** The maximum signed 64-bit nanoseconds: its seconds, and the nanoseconds of the last second. */
const LAST_SECOND = 9_223_372_036
const LAST_NANOS = 854_775_807

/**
 * A decimal int64 of nanoseconds, with the syntax of Go's strconv.ParseInt. Seconds and nanoseconds are exact
 * separately.
 */
function readNanoseconds(decoder: PushJsonDecoder, start: number, end: number): void {
  const sign = start < end ? decoder.byteAt(start) : 0
  const isNegative = sign === 0x2d
  let first = isNegative || sign === 0x2b ? start + 1 : start
  const hasDigits = first < end
  while (end - first > NANO_DIGITS && decoder.byteAt(first) === 0x30) first++
  const seconds = readDigits(decoder, first, Math.max(first, end - NANO_DIGITS))
  const nanos = readDigits(decoder, Math.max(first, end - NANO_DIGITS), end)
  const nanosMax = seconds < LAST_SECOND ? 999_999_999 : LAST_NANOS + (isNegative ? 1 : 0)
  if (!hasDigits || seconds > LAST_SECOND || nanos > nanosMax) {
    throw pushRefusal(
      `a timestamp is a string of ${end - start} bytes that is not an int64; expected decimal nanoseconds since 1970`,
      start,
    )
  }
  if (!isNegative) decoder.setTime(seconds, nanos)
  else if (nanos === 0) decoder.setTime(0 - seconds, 0)
  else decoder.setTime(-1 - seconds, 1e9 - nanos)
}

/** A number of decimal digits; infinite if there are too many, or other characters. */
function readDigits(decoder: PushJsonDecoder, start: number, end: number): number {
  if (end - start > 10) return Number.POSITIVE_INFINITY
  let value = 0
  for (let at = start; at < end; at++) {
    const digit = decoder.byteAt(at) - 0x30
    if (digit < 0 || digit > 9) return Number.POSITIVE_INFINITY
    value = value * 10 + digit
  }
  return value
}

/** Go's zero time, the value of a missing `ts`: the sink refuses the entry. */
const ZERO_TIME_SECONDS = -62_135_596_800
/** Maximum length of an RFC 3339 text, with more fraction digits than clients send. */
const RFC3339_BYTES_MAX = 64

function readRfc3339(decoder: PushJsonDecoder, start: number, end: number): void {
  if (end === 0) {
    decoder.setTime(ZERO_TIME_SECONDS, 0)
    return
  }
  const text = end - start <= RFC3339_BYTES_MAX ? decoder.cursor.readRaw(start, end) : ''
  const ns = parseRfc3339(text)
  if (ns === undefined) {
    throw pushRefusal(`a "ts" is a string of ${end - start} bytes that is not a time; expected RFC 3339`, start)
  }
  const nanos = ((ns % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND
  decoder.setTime(Number((ns - nanos) / NS_PER_SECOND), Number(nanos))
}
