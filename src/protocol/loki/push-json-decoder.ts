/** Where streams, entries and lines lie in a push of JSON: what both of Loki's versions share. */

import type { PushSink } from '../../domain/entries/push-sink.ts'
import { GatewayError } from '../../domain/errors.ts'
import type { Label } from '../../domain/labels.ts'
import { BRACE, BRACE_END, BRACKET, BRACKET_END, JsonCursor, QUOTE, unescapeJson } from '../bytes/json-cursor.ts'
import { PushCounter, streamsMissing } from '../push-bounds.ts'
import { beginStreamOfText } from './label-text.ts'

/** What differs between the versions. */
export interface PushJsonVersion {
  readonly labelsKey: string
  readonly entriesKey: string
  readonly passLabels: (decoder: PushJsonDecoder) => void
  readonly passEntry: (decoder: PushJsonDecoder) => void
  readonly beginStream: (decoder: PushJsonDecoder, labelsAt: number) => void
  readonly readTime: (decoder: PushJsonDecoder, start: number, end: number) => void
}

/** A stream found: where its labels lie (below zero: nowhere), and its entries on the tape. */
interface FoundStream {
  labelsAt: number
  readonly firstEntry: number
  entriesEnd: number
}

/** Places of one entry on the tape: time, line, the object of its metadata (0: none). An end is inverted for escapes. */
const ENTRY_PLACES = 5

/**
 * Two passes. The first checks the whole body and notes where things lie, so that a key's second coming can undo its
 * first; the second hands over what was found, and may overwrite the body.
 */
export class PushJsonDecoder {
  readonly cursor: JsonCursor
  readonly #body: Uint8Array
  readonly #sink: PushSink
  readonly #version: PushJsonVersion
  readonly #counter = new PushCounter()
  #streams: FoundStream[] = []
  #tape = new Int32Array(256 * ENTRY_PLACES)
  #entries = 0
  #seconds = 0
  #nanos = 0

  constructor(body: Uint8Array, sink: PushSink, version: PushJsonVersion) {
    this.cursor = new JsonCursor(body)
    this.#body = body
    this.#sink = sink
    this.#version = version
  }

  decode(): void {
    this.#passRequest()
    if (this.#streams.length === 0) throw streamsMissing()
    this.#sink.useText(this.#body)
    for (const stream of this.#streams) if (stream.entriesEnd > stream.firstEntry) this.#emitStream(stream)
  }

  /** Throws unless a value that begins with `first` is next. */
  require(first: number, what: string, wanted: string): void {
    const { cursor } = this
    if (cursor.peek() === first) return
    const found = cursor.kind()
    if (found === undefined) throw cursor.malformed(wanted)
    throw pushRefusal(`${what} is ${found}; wanted ${wanted}`, cursor.at)
  }

  /** Notes an entry; `metadataAt` 0 for none. */
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

  beginStream(labels: readonly Label[]): void {
    this.#sink.beginStream(labels)
  }

  beginStreamOfText(text: string): void {
    beginStreamOfText(text, this.#sink)
  }

  setTime(seconds: number, nanos: number): void {
    this.#seconds = seconds
    this.#nanos = nanos
  }

  byteAt(at: number): number {
    return this.#body[at] as number
  }

  #passRequest(): void {
    const { cursor } = this
    this.require(BRACE, 'the body', 'an object with "streams"')
    for (let more = cursor.enter(BRACE, BRACE_END); more; more = cursor.continues(BRACE_END)) {
      if (cursor.readKey() === 'streams') this.#passStreams()
      else cursor.passValue(1)
    }
    cursor.passEnd()
  }

  #passStreams(): void {
    const { cursor } = this
    this.#streams = []
    this.#entries = 0
    if (cursor.takeNull()) return
    this.require(BRACKET, '"streams"', 'an array')
    for (let more = cursor.enter(BRACKET, BRACKET_END); more; more = cursor.continues(BRACKET_END)) {
      if (cursor.takeNull()) continue
      this.#counter.addStream()
      this.require(BRACE, 'a stream', 'an object')
      this.#passStream()
    }
  }

  #passStream(): void {
    const { cursor } = this
    const { labelsKey, entriesKey, passLabels } = this.#version
    const stream: FoundStream = { labelsAt: -1, firstEntry: this.#entries, entriesEnd: this.#entries }
    this.#streams.push(stream)
    for (let more = cursor.enter(BRACE, BRACE_END); more; more = cursor.continues(BRACE_END)) {
      const key = cursor.readKey()
      if (key === labelsKey) {
        stream.labelsAt = -1
        if (cursor.takeNull()) continue
        cursor.peek()
        stream.labelsAt = cursor.at
        passLabels(this)
      } else if (key === entriesKey) {
        this.#entries = stream.firstEntry
        this.#passEntries(entriesKey)
        stream.entriesEnd = this.#entries
      } else cursor.passValue(3)
    }
  }

  #passEntries(key: string): void {
    const { cursor } = this
    const { passEntry } = this.#version
    if (cursor.takeNull()) return
    this.require(BRACKET, `"${key}"`, 'an array')
    for (let more = cursor.enter(BRACKET, BRACKET_END); more; more = cursor.continues(BRACKET_END)) {
      if (!cursor.takeNull()) passEntry(this)
    }
  }

  #emitStream(stream: FoundStream): void {
    const { beginStream, readTime } = this.#version
    beginStream(this, stream.labelsAt)
    const tape = this.#tape
    for (let at = stream.firstEntry * ENTRY_PLACES; at < stream.entriesEnd * ENTRY_PLACES; at += ENTRY_PLACES) {
      const timeStart = tape[at] as number
      readTime(this, timeStart, this.#plainEnd(timeStart, tape[at + 1] as number))
      const metadataAt = tape[at + 4] as number
      if (metadataAt !== 0) this.#emitMetadata(metadataAt)
      const lineStart = tape[at + 2] as number
      const lineEnd = this.#plainEnd(lineStart, tape[at + 3] as number)
      this.#sink.addEntry(this.#seconds, this.#nanos, lineStart, lineEnd)
    }
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
      this.#sink.addMetadataBytes(body, nameStart, nameEnd, valueStart, valueEnd)
    }
  }

  /** A string's end after its escapes, if it has any, are undone. */
  #plainEnd(start: number, end: number): number {
    return end < 0 ? unescapeJson(this.#body, start, ~end) : end
  }
}

/** A body that is JSON, but no push. */
export function pushRefusal(fault: string, at: number): GatewayError {
  return new GatewayError('body_malformed', `push body does not fit: ${fault} (byte ${at})`)
}
