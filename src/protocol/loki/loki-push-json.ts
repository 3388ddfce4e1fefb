/** Loki's push message in JSON, in its old and its new form, to a sink: lines stay the bytes that they are in the body. */

import type { PushSink } from '../../domain/entries/push-sink.ts'
import type { Label } from '../../domain/labels.ts'
import { NS_PER_SECOND, parseRfc3339 } from '../../domain/time.ts'
import { BRACE, BRACE_END, BRACKET, BRACKET_END, type JsonCursor, QUOTE } from '../bytes/json-cursor.ts'
import { beginStreamOfLabels, beginStreamOfText } from './label-text.ts'
import { PushJsonDecoder, type PushJsonForms } from './push-json-decoder.ts'
import { KeyList, missingKey, pushRefusal } from './push-json-refusal.ts'

/**
 * Decodes `{"streams":[{"stream":{labels},"values":[["ns","line",{metadata}]]}]}` and the form before version 1,
 * `{"streams":[{"labels":"{a=\\"b\\"}","entries":[{"ts":"RFC 3339","line":"…","structuredMetadata":{}}]}]}`, also mixed.
 *
 * Keys may come in any order. Of labels that come twice the last count; all entries count. Unknown keys are ignored
 * beside known ones, as is null in place of a stream, its entries or one entry. Labels and metadata whose value is no
 * string take its JSON text. Streams without entries are left out.
 *
 * `body` becomes the sink's text and is overwritten: escapes in lines are undone in place. Throws body_malformed for
 * anything else, also for a stream or an entry whose keys are unknown and for bytes after the document; streams_missing;
 * body_too_large for what passes push-bounds.ts. The sink must be dropped then.
 *
 * See "Ingest logs" in Loki's HTTP API, and pkg/util/unmarshal of grafana/loki for what it takes beyond that.
 */
export function decodePushJson(body: Uint8Array, sink: PushSink): void {
  new PushJsonDecoder(body, sink, FORMS).decode()
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

/** `["ns", "line"]`, perhaps with an object of metadata; what follows is ignored, as in Loki. */
function passArrayEntry(decoder: PushJsonDecoder): void {
  const { cursor } = decoder
  if (!cursor.enter(BRACKET, BRACKET_END)) throw pushRefusal('an entry is empty; wanted [timestamp, line]', cursor.at)
  decoder.require(QUOTE, 'a timestamp', 'a string of decimal nanoseconds')
  cursor.passString()
  const timeStart = cursor.start
  const timeEnd = markedEnd(cursor)
  if (!cursor.continues(BRACKET_END)) throw pushRefusal('an entry has no line; wanted [timestamp, line]', cursor.at)
  decoder.require(QUOTE, 'a line', 'a string')
  cursor.passString()
  const lineStart = cursor.start
  const lineEnd = markedEnd(cursor)
  decoder.addEntry(timeStart, timeEnd, lineStart, lineEnd, passRest(decoder))
}

/** `{"ts": "RFC 3339", "line": "…"}`, perhaps with `structuredMetadata`. */
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

/** Where a string lies; for null, nowhere. */
function passStringOrNull(decoder: PushJsonDecoder, key: string): [start: number, end: number] {
  const { cursor } = decoder
  if (cursor.takeNull()) return [0, 0]
  decoder.require(QUOTE, `"${key}"`, 'a string')
  cursor.passString()
  return [cursor.start, markedEnd(cursor)]
}

/** Goes on behind a line to the end of its entry; gives where the metadata lies, 0 for nowhere. */
function passRest(decoder: PushJsonDecoder): number {
  const { cursor } = decoder
  if (!cursor.continues(BRACKET_END)) return 0
  const metadataAt = passMetadata(decoder)
  while (cursor.continues(BRACKET_END)) cursor.passValue(5)
  return metadataAt
}

/** Where an object of metadata lies; 0 for null. */
function passMetadata(decoder: PushJsonDecoder): number {
  const { cursor } = decoder
  if (cursor.takeNull()) return 0
  decoder.require(BRACE, 'structured metadata', 'an object')
  const metadataAt = cursor.at
  cursor.passValue(5)
  return metadataAt
}

/** Labels of an object that was checked. */
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

/** The end of the string passed last, inverted when it holds escapes. */
function markedEnd(cursor: JsonCursor): number {
  return cursor.hasEscapes ? ~cursor.end : cursor.end
}

const NANO_DIGITS = 9
/** What a signed 64-bit count of nanoseconds holds: seconds, and nanoseconds of the last one. */
const LAST_SECOND = 9_223_372_036
const LAST_NANOS = 854_775_807

/** A decimal int64 of nanoseconds, as strconv.ParseInt of Go takes it. Seconds and nanoseconds are exact apart. */
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
      `a timestamp is a string of ${end - start} bytes that is no int64; wanted decimal nanoseconds since 1970`,
      start,
    )
  }
  if (!isNegative) decoder.setTime(seconds, nanos)
  else if (nanos === 0) decoder.setTime(0 - seconds, 0)
  else decoder.setTime(-1 - seconds, 1e9 - nanos)
}

/** A number of decimal digits; infinite when they are too many, or others are among them. */
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

/** Go's zero time, what a missing `ts` means there: no clock shows it, so the sink refuses the entry. */
const ZERO_TIME_SECONDS = -62_135_596_800
/** An RFC 3339 text with a fraction of more digits than anyone writes. */
const RFC3339_BYTES_MAX = 64

function readRfc3339(decoder: PushJsonDecoder, start: number, end: number): void {
  if (end === 0) {
    decoder.setTime(ZERO_TIME_SECONDS, 0)
    return
  }
  const text = end - start <= RFC3339_BYTES_MAX ? decoder.cursor.readRaw(start, end) : ''
  const ns = parseRfc3339(text)
  if (ns === undefined) {
    throw pushRefusal(`a "ts" is a string of ${end - start} bytes that is no time; wanted RFC 3339`, start)
  }
  const nanos = ((ns % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND
  decoder.setTime(Number((ns - nanos) / NS_PER_SECOND), Number(nanos))
}
