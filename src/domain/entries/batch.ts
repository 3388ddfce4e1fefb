/** The accepted entries of one push and tenant, as columns over the bytes of the body. */

import type { Labels } from '../labels.ts'
import { DETECTED_LEVEL, LEVELS } from '../levels/level.ts'
import { makeNsColumn, type NsColumn } from '../time.ts'

/** A stream of a batch; `key` is formatLabels(labels), its identity. */
export interface BatchStream {
  readonly key: string
  readonly labels: Labels
}

/**
 * Entries in order of arrival. Entry i belongs to streams[streamIndexes[i]], has the line text[starts[i], ends[i]), the
 * metadata bytes [metadataEnds[i - 1], metadataEnds[i]) and the level LEVELS[levels[i]].
 */
export interface Batch {
  readonly tenant: string
  readonly streams: readonly BatchStream[]
  readonly count: number
  readonly text: Uint8Array
  readonly streamIndexes: Uint32Array
  readonly timestamps: NsColumn
  readonly starts: Uint32Array
  readonly ends: Uint32Array
  readonly levels: Uint8Array
  readonly metadata: Uint8Array
  readonly metadataEnds: Uint32Array
  /** Total bytes of all lines. */
  readonly lineBytes: number
  /** Ids chosen by the client, which make a retry idempotent; in ascending order of entry index. */
  readonly ids: readonly EntryId[]
}

export interface EntryId {
  readonly entry: number
  readonly id: string
}

/** Structured metadata as pairs, sorted by name. */
export type Metadata = readonly (readonly [name: string, value: string])[]

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * Metadata bytes to pairs. Format: for each pair, sorted by name, the length of the name, the name, the length of the
 * value, the value; lengths as LEB128 varints.
 */
export function readMetadata(bytes: Uint8Array, start: number, end: number): [name: string, value: string][] {
  const pairs: [string, string][] = []
  let at = start
  const text = (): string => {
    let length = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] as number
      length |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    at += length
    return UTF8.decode(bytes.subarray(at - length, at))
  }
  while (at < end) pairs.push([text(), text()])
  return pairs
}

/** The complete structured metadata of an entry, including detected_level, sorted by name. */
export function metadataWithLevel(bytes: Uint8Array, start: number, end: number, level: number): Metadata {
  const pairs = readMetadata(bytes, start, end)
  if (level === 0) return pairs
  const at = pairs.findIndex(([name]) => name > DETECTED_LEVEL)
  pairs.splice(at < 0 ? pairs.length : at, 0, [DETECTED_LEVEL, LEVELS[level] as string])
  return pairs
}

/** Appends a varint and returns the next position; `bytes` must have room for 5 bytes. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  while (value >= 0x80) {
    bytes[at++] = (value & 0x7f) | 0x80
    value >>>= 7
  }
  bytes[at++] = value
  return at
}

/** The growable columns of a batch under construction; set `count` to 0 to reuse them for another batch. */
export class BatchColumns {
  count = 0
  streamIndexes: Uint32Array = new Uint32Array(32)
  timestamps: NsColumn = makeNsColumn(32)
  starts: Uint32Array = new Uint32Array(32)
  ends: Uint32Array = new Uint32Array(32)
  levels: Uint8Array = new Uint8Array(32)
  metadataEnds: Uint32Array = new Uint32Array(32)
  metadata: Uint8Array = new Uint8Array(256)

  /** Makes room for one more entry. */
  reserveEntry(): void {
    const capacity = this.levels.length
    if (this.count < capacity) return
    const timestamps = makeNsColumn(capacity * 4)
    timestamps.words.set(this.timestamps.words)
    this.timestamps = timestamps
    this.streamIndexes = grown(this.streamIndexes, capacity * 4)
    this.starts = grown(this.starts, capacity * 4)
    this.ends = grown(this.ends, capacity * 4)
    this.metadataEnds = grown(this.metadataEnds, capacity * 4)
    const levels = new Uint8Array(capacity * 4)
    levels.set(this.levels)
    this.levels = levels
  }

  /** Makes room for metadata up to `end`. */
  reserveMetadata(end: number): void {
    if (end <= this.metadata.length) return
    const metadata = new Uint8Array(Math.max(end, this.metadata.length * 2))
    metadata.set(this.metadata)
    this.metadata = metadata
  }
}

function grown(column: Uint32Array, capacity: number): Uint32Array {
  const larger = new Uint32Array(capacity)
  larger.set(column)
  return larger
}
