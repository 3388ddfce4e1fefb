/**
 * The two passes over a JSON push, independent of the formats of labels and entries: records positions, then calls the
 * sink.
 */

import type { PushSink } from '../../domain/entries/push-sink.ts'
import { type Slices, Stride } from '../../kit/slices.ts'
import { BRACE, BRACE_END, BRACKET, BRACKET_END, JsonCursor, QUOTE, unescapeJson } from '../bytes/json-cursor.ts'
import { PushCounter, streamsMissing } from '../push-bounds.ts'
import { KeyList, missingKey, pushRefusal } from './push-json-refusal.ts'

/** The formats of labels and entries. */
export interface PushJsonForms {
  /** Validates labels and moves past them. */
  readonly passLabels: (decoder: PushJsonDecoder, key: string) => void
  /** Validates an entry, records it with `addEntry` and moves past it. */
  readonly passEntry: (decoder: PushJsonDecoder) => void
  /** Starts the stream with the labels at `labelsAt`; negative: it has none. */
  readonly beginStream: (decoder: PushJsonDecoder, labelsAt: number) => void
  readonly readTime: (decoder: PushJsonDecoder, start: number, end: number, isDatetime: boolean) => void
}

/** A stream in the body: the position of its labels (negative: none), and its entries on the tape. */
interface StreamPlace {
  labelsAt: number
  readonly firstEntry: number
  entriesEnd: number
}

/**
 * Numbers per entry on the tape: start and end of the time, start and end of the line, position of the metadata (0:
 * none). An end is inverted if there are escapes.
 */
const ENTRY_PLACES = 5
/** Number of entries between two yields, and bytes of the body, whichever comes first. */
const STRETCH = 1000
const STRETCH_BYTES = 256 * 1024
/** The same for streams, whose labels may have to be parsed. */
const STREAMS_STRETCH = 50

/**
 * Two passes. The first validates the whole body and records positions, because labels may come after entries; the
 * second calls the sink, and may overwrite the body.
 */
export class PushJsonDecoder {
  readonly cursor: JsonCursor
  readonly sink: PushSink
  readonly #body: Uint8Array
  readonly #forms: PushJsonForms
  readonly #counter = new PushCounter()
  readonly #streams: StreamPlace[] = []
  #tape = new Int32Array(256 * ENTRY_PLACES)
  #entries = 0
  #seconds = 0
  #nanos = 0

  constructor(body: Uint8Array, sink: PushSink, forms: PushJsonForms) {
    this.cursor = new JsonCursor(body)
    this.#body = body
    this.sink = sink
    this.#forms = forms
  }

  *decode(): Slices<void> {
    yield* this.#passRequest()
    if (this.#streams.length === 0) throw streamsMissing()
    this.sink.useText(this.#body)
    const stride = new Stride(STREAMS_STRETCH)
    for (const stream of this.#streams) {
      if (stream.entriesEnd > stream.firstEntry) yield* this.#emitStream(stream)
      if (stride.isDue()) yield
    }
  }

  /** Throws unless the next value starts with `first`. */
  require(first: number, what: string, wanted: string): void {
    if (this.cursor.peek() !== first) this.refuse(what, wanted)
  }

  /** Throws for the next value, which is not the expected one. */
  refuse(what: string, wanted: string): never {
    const kind = this.cursor.kind()
    if (kind === undefined) throw this.cursor.malformed(wanted)
    throw pushRefusal(`${what} is ${kind}; expected ${wanted}`, this.cursor.at)
  }

  /**
   * Records an entry. Ends of strings with escapes are inverted, and so is the start of an RFC 3339 time; `metadataAt`
   * is 0 for none.
   */
  addEntry(timeStart: number, timeEnd: number, lineStart: number, lineEnd: number, metadataAt: number): void {
    this.#counter.addEntry()
    const at = this.#entries++ * ENTRY_PLACES
    if (at === this.#tape.length) {
      const tape = new Int32Array(this.#tape.length * 2)
      tape.set(this.#tape)
      this.#tape = tape
    }
    const tape = this.#tape
    tape[at] = timeStart
    tape[at + 1] = timeEnd
    tape[at + 2] = lineStart
    tape[at + 3] = lineEnd
    tape[at + 4] = metadataAt
  }

  setTime(seconds: number, nanos: number): void {
    this.#seconds = seconds
    this.#nanos = nanos
  }

  byteAt(at: number): number {
    return this.#body[at] as number
  }

  *#passRequest(): Slices<void> {
    const { cursor } = this
    this.require(BRACE, 'the body', 'an object with "streams"')
    let hasStreams = false
    const others = new KeyList()
    for (let more = cursor.enter(BRACE, BRACE_END); more; more = cursor.continues(BRACE_END)) {
      const key = cursor.readKey()
      if (key.toLowerCase() === 'streams') {
        hasStreams = true
        yield* this.#passStreams()
      } else {
        others.add(key)
        cursor.passValue(1)
      }
    }
    if (!cursor.isAtEnd()) {
      throw pushRefusal('more follows its JSON document; send one document per request', cursor.at)
    }
    if (!hasStreams && !others.isEmpty) throw missingKey('the body', 'streams', others, 0)
  }

  *#passStreams(): Slices<void> {
    const { cursor } = this
    const stride = new Stride(STREAMS_STRETCH)
    if (cursor.takeNull()) return
    this.require(BRACKET, '"streams"', 'an array')
    for (let more = cursor.enter(BRACKET, BRACKET_END); more; more = cursor.continues(BRACKET_END)) {
      if (cursor.takeNull()) continue
      this.#counter.addStream()
      this.require(BRACE, 'a stream', 'an object')
      yield* this.#passStream()
      if (stride.isDue()) yield
    }
  }

  /** Labels are under `stream` or `labels`, entries under `values` or `entries`. All entries of a stream count. */
  *#passStream(): Slices<void> {
    const { cursor } = this
    const stream: StreamPlace = { labelsAt: -1, firstEntry: this.#entries, entriesEnd: this.#entries }
    this.#streams.push(stream)
    const startAt = cursor.at
    let hasEntries = false
    let hasLabels = false
    const others = new KeyList()
    for (let more = cursor.enter(BRACE, BRACE_END); more; more = cursor.continues(BRACE_END)) {
      const key = cursor.readKey()
      if (isLabelsKey(key)) {
        hasLabels = true
        this.#passLabels(stream, key)
      } else if (isEntriesKey(key)) {
        hasEntries = true
        yield* this.#passEntries(key)
      } else {
        others.add(key)
        cursor.passValue(3)
      }
    }
    stream.entriesEnd = this.#entries
    if (!hasEntries) throw missingKey('a stream', 'values', others, startAt)
    if (!hasLabels && !others.isEmpty) throw missingKey('a stream', 'stream', others, startAt)
  }

  #passLabels(stream: StreamPlace, key: string): void {
    const { cursor } = this
    stream.labelsAt = -1
    if (cursor.takeNull()) return
    cursor.peek()
    stream.labelsAt = cursor.at
    this.#forms.passLabels(this, key)
  }

  *#passEntries(key: string): Slices<void> {
    const { cursor } = this
    if (cursor.takeNull()) return
    this.require(BRACKET, `"${key}"`, 'an array')
    for (let more = cursor.enter(BRACKET, BRACKET_END); more; ) {
      more = this.#passSome()
      if (more) yield
    }
  }

  /** Passes a stretch of entries; true if more follow. */
  #passSome(): boolean {
    const { cursor } = this
    const { passEntry } = this.#forms
    const stop = cursor.at + STRETCH_BYTES
    for (let passed = 0; passed < STRETCH && cursor.at < stop; passed++) {
      if (!cursor.takeNull()) passEntry(this)
      if (!cursor.continues(BRACKET_END)) return false
    }
    return true
  }

  *#emitStream({ labelsAt, firstEntry, entriesEnd }: StreamPlace): Slices<void> {
    this.#forms.beginStream(this, labelsAt)
    for (let entry = firstEntry; ; ) {
      entry = this.#emitSome(entry, entriesEnd)
      if (entry === entriesEnd) return
      yield
    }
  }

  /** Emits a stretch of entries; returns the next one. */
  #emitSome(first: number, entriesEnd: number): number {
    const { readTime } = this.#forms
    const tape = this.#tape
    const end = Math.min(first + STRETCH, entriesEnd)
    const stop = (tape[first * ENTRY_PLACES + 2] as number) + STRETCH_BYTES
    let entry = first
    for (; entry < end && (tape[entry * ENTRY_PLACES + 2] as number) < stop; entry++) {
      const at = entry * ENTRY_PLACES
      const marked = tape[at] as number
      const timeStart = marked < 0 ? ~marked : marked
      readTime(this, timeStart, this.#plainEnd(timeStart, tape[at + 1] as number), marked < 0)
      const metadataAt = tape[at + 4] as number
      if (metadataAt !== 0) this.#emitMetadata(metadataAt)
      const lineStart = tape[at + 2] as number
      const lineEnd = this.#plainEnd(lineStart, tape[at + 3] as number)
      this.sink.addEntry(this.#seconds, this.#nanos, lineStart, lineEnd)
    }
    return entry
  }

  #emitMetadata(metadataAt: number): void {
    const { cursor } = this
    const body = this.#body
    cursor.at = metadataAt
    for (let more = cursor.enter(BRACE, BRACE_END); more; more = cursor.continues(BRACE_END)) {
      this.#counter.addPair()
      cursor.passKey()
      const nameStart = cursor.start
      const nameEnd = cursor.hasEscapes ? unescapeJson(body, nameStart, cursor.end) : cursor.end
      const isString = cursor.peek() === QUOTE
      let valueStart = cursor.at
      cursor.passValue(5)
      let valueEnd = cursor.at
      if (isString) {
        valueStart = cursor.start
        valueEnd = cursor.hasEscapes ? unescapeJson(body, valueStart, cursor.end) : cursor.end
      }
      this.sink.addMetadataBytes(body, nameStart, nameEnd, valueStart, valueEnd)
    }
  }

  /** The end of a string after decoding its escapes, if any. */
  #plainEnd(start: number, end: number): number {
    return end < 0 ? unescapeJson(this.#body, start, ~end) : end
  }
}

/** In Loki the keys of the format before version 1 are case-insensitive, `stream` and `values` are not. */
function isLabelsKey(key: string): boolean {
  return key === 'stream' || key.toLowerCase() === 'labels'
}

function isEntriesKey(key: string): boolean {
  return key === 'values' || key.toLowerCase() === 'entries'
}
