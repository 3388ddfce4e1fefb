/** Decodes Loki's protobuf pushes to a sink, without creating strings for lines. */

import type { PushSink } from '../../domain/entries/push-sink.ts'
import { GatewayError } from '../../domain/errors.ts'
import { finishSlices, type Slices, Stride } from '../../kit/slices.ts'
import { ProtobufCursor, WIRE_BYTES, WIRE_VARINT } from '../bytes/protobuf-cursor.ts'
import { PushCounter, streamsMissing } from '../push-bounds.ts'
import { beginStreamOfText } from './label-text.ts'

// Tags of proto/push.proto: field << 3 | wire type.
const REQUEST_STREAMS = (1 << 3) | WIRE_BYTES
const STREAM_LABELS = (1 << 3) | WIRE_BYTES
const STREAM_ENTRIES = (2 << 3) | WIRE_BYTES
const ENTRY_TIMESTAMP = (1 << 3) | WIRE_BYTES
const ENTRY_LINE = (2 << 3) | WIRE_BYTES
const ENTRY_METADATA = (3 << 3) | WIRE_BYTES
const PAIR_NAME = (1 << 3) | WIRE_BYTES
const PAIR_VALUE = (2 << 3) | WIRE_BYTES
const TIMESTAMP_SECONDS = (1 << 3) | WIRE_VARINT
const TIMESTAMP_NANOS = (2 << 3) | WIRE_VARINT
/** The year 1, Go's zero time, which Loki uses for an entry without a timestamp; sinks refuse it. */
const NO_TIME_SECONDS = -62_135_596_800
/** Number of fields of a stream that are read between two yields: entries, most of them. */
const STRETCH = 1000
/** The same for streams, whose labels may have to be parsed. */
const STREAMS_STRETCH = 50

/**
 * Decodes a PushRequest (the body after snappy). Lines are positions in `body`, with any bytes. Fields may be in any
 * order; of duplicate fields the last counts; unknown ones are skipped. Streams without entries are skipped.
 *
 * Throws body_malformed for an invalid message, streams_missing if it has no streams, body_too_large for label texts
 * over `labelTextBytesMax` and for too many streams or entries. After an error the sink must be dropped.
 */
export function* slicePushProtobuf(body: Uint8Array, sink: PushSink, limits: ProtobufLimits): Slices<void> {
  sink.useText(body)
  const decoder = new PushDecoder(body, sink, limits.labelTextBytesMax)
  yield* decoder.decodeRequest()
  if (!decoder.hasStreams) throw streamsMissing()
}

/** The same at once. */
export function decodePushProtobuf(body: Uint8Array, sink: PushSink, limits: ProtobufLimits): void {
  finishSlices(slicePushProtobuf(body, sink, limits))
}

export interface ProtobufLimits {
  readonly labelTextBytesMax: number
}

/** The labels of a stream: positions of their text. */
interface FoundLabels {
  labelsStart: number
  labelsEnd: number
  hasEntries: boolean
}

class PushDecoder {
  hasStreams = false
  readonly #body: Buffer
  readonly #sink: PushSink
  readonly #cursor: ProtobufCursor
  readonly #labelTextBytesMax: number
  readonly #counter = new PushCounter()
  // The current entry.
  #seconds = 0
  #nanos = 0

  constructor(body: Uint8Array, sink: PushSink, labelTextBytesMax: number) {
    this.#body = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
    this.#sink = sink
    this.#cursor = new ProtobufCursor(body)
    this.#labelTextBytesMax = labelTextBytesMax
  }

  *decodeRequest(): Slices<void> {
    const cursor = this.#cursor
    const end = this.#body.length
    const stride = new Stride(STREAMS_STRETCH)
    while (cursor.at < end) {
      if (stride.isDue()) yield
      const tag = cursor.readTag(end)
      if (tag !== REQUEST_STREAMS) {
        cursor.skipUnknown(tag, end, 1)
        continue
      }
      this.hasStreams = true
      const streamEnd = cursor.readEnd(end)
      yield* this.#decodeStream(streamEnd)
    }
  }

  /** Reads the stream twice: its labels may come after its entries, but the sink needs them first. */
  *#decodeStream(end: number): Slices<void> {
    const cursor = this.#cursor
    const start = cursor.at
    const found = { labelsStart: 0, labelsEnd: 0, hasEntries: false }
    for (this.#findLabels(found, end); cursor.at < end; this.#findLabels(found, end)) yield
    if (!this.#beginStream(found)) return
    cursor.at = start
    for (this.#decodeEntries(end); cursor.at < end; this.#decodeEntries(end)) yield
  }

  /** Passes up to STRETCH fields of a stream, counts its entries, and notes where its labels are. */
  #findLabels(found: FoundLabels, end: number): void {
    const cursor = this.#cursor
    for (let fields = 0; fields < STRETCH && cursor.at < end; fields++) {
      const tag = cursor.readTag(end)
      if (tag === STREAM_ENTRIES) {
        this.#counter.addEntry()
        found.hasEntries = true
        cursor.at = cursor.readEnd(end)
      } else if (tag === STREAM_LABELS) {
        found.labelsEnd = cursor.readEnd(end)
        found.labelsStart = cursor.at
        cursor.at = found.labelsEnd
      } else cursor.skipUnknown(tag, end, 2)
    }
  }

  /** Starts the stream; false if it has no entries. */
  #beginStream({ labelsStart, labelsEnd, hasEntries }: FoundLabels): boolean {
    this.#checkLabelText(labelsEnd - labelsStart)
    if (!hasEntries) return false
    this.#counter.addStream()
    beginStreamOfText(this.#body.toString('utf8', labelsStart, labelsEnd), this.#sink)
    return true
  }

  /** Decodes up to STRETCH fields of a stream. */
  #decodeEntries(end: number): void {
    const cursor = this.#cursor
    for (let fields = 0; fields < STRETCH && cursor.at < end; fields++) {
      const tag = cursor.readTag(end)
      if (tag === STREAM_ENTRIES) this.#decodeEntry(cursor.readEnd(end))
      else cursor.skip(tag, end)
    }
  }

  #checkLabelText(bytes: number): void {
    if (bytes <= this.#labelTextBytesMax) return
    throw new GatewayError(
      'body_too_large',
      `request body too large: a stream's label text has ${bytes} bytes, the limit is ${this.#labelTextBytesMax}; send shorter labels`,
    )
  }

  #decodeEntry(end: number): void {
    const cursor = this.#cursor
    let lineStart = end
    let lineEnd = end
    this.#seconds = NO_TIME_SECONDS
    this.#nanos = 0
    while (cursor.at < end) {
      const tag = cursor.readTag(end)
      if (tag === ENTRY_LINE) {
        lineEnd = cursor.readEnd(end)
        lineStart = cursor.at
        cursor.at = lineEnd
      } else if (tag === ENTRY_TIMESTAMP) this.#decodeTimestamp(cursor.readEnd(end))
      else if (tag === ENTRY_METADATA) this.#decodePair(cursor.readEnd(end))
      else cursor.skipUnknown(tag, end, 3)
    }
    this.#sink.addEntry(this.#seconds, this.#nanos, lineStart, lineEnd)
  }

  #decodeTimestamp(end: number): void {
    const cursor = this.#cursor
    if (this.#seconds === NO_TIME_SECONDS) this.#seconds = 0
    while (cursor.at < end) {
      const tag = cursor.readTag(end)
      if (tag === TIMESTAMP_SECONDS) this.#seconds = cursor.readInt64(end)
      else if (tag === TIMESTAMP_NANOS) this.#nanos = cursor.readInt32(end)
      else cursor.skipUnknown(tag, end, 2)
    }
  }

  #decodePair(end: number): void {
    this.#counter.addPair()
    const cursor = this.#cursor
    let nameStart = end
    let nameEnd = end
    let valueStart = end
    let valueEnd = end
    while (cursor.at < end) {
      const tag = cursor.readTag(end)
      if (tag === PAIR_NAME) {
        nameEnd = cursor.readEnd(end)
        nameStart = cursor.at
        cursor.at = nameEnd
      } else if (tag === PAIR_VALUE) {
        valueEnd = cursor.readEnd(end)
        valueStart = cursor.at
        cursor.at = valueEnd
      } else cursor.skipUnknown(tag, end, 2)
    }
    this.#sink.addMetadataBytes(this.#body, nameStart, nameEnd, valueStart, valueEnd)
  }
}
