/** Converts entries to CloudWatch Logs events, and splits events into batches for PutLogEvents. */

import type { SourceEntry } from '../../../domain/sources/source-entry.ts'

export interface LogEvent {
  /** The id of the entry. */
  readonly id: string
  /** Identifies the event when looking for stored ones: the id, for a part of an entry with the part number. */
  readonly key: string
  readonly timestampMs: number
  readonly message: string
  /** Billed size of the event: its message in UTF-8 plus 26 bytes. */
  readonly bytes: number
}

/** Limits per call. See PutLogEvents in the API reference of CloudWatch Logs. */
const BATCH_EVENTS_MAX = 10_000
const BATCH_BYTES_MAX = 1_048_576
const EVENT_OVERHEAD_BYTES = 26
const BATCH_SPAN_MS = 24 * 3600_000
/** UTF-16 units of the text of a part: each takes at most six bytes in JSON, and the part has a frame. */
const PART_UNITS = 170_000

/**
 * The entry's JSON; if it exceeds the limit of a call, parts of it:
 * `{"_id":…,"timestamp":…,"millracePart":"1/3","text":…}`, whose concatenated texts are the JSON.
 */
export function toEvents({ id, timestampMs, json }: SourceEntry): LogEvent[] {
  const bytes = eventBytes(json)
  if (bytes <= BATCH_BYTES_MAX) return [{ id, key: id, timestampMs, message: json, bytes }]
  const count = Math.ceil(json.length / PART_UNITS)
  return Array.from({ length: count }, (_, i) => {
    const part = `${i + 1}/${count}`
    const text = json.slice(i * PART_UNITS, (i + 1) * PART_UNITS)
    const timestamp = new Date(timestampMs).toISOString()
    const message = JSON.stringify({ _id: id, timestamp, millracePart: part, text })
    return { id, key: `${id} ${part}`, timestampMs, message, bytes: eventBytes(message) }
  })
}

/** Splits events, oldest first, into batches of at most 10,000 events, 1 MiB and less than 24 hours. */
export function* splitBatches(events: readonly LogEvent[]): Generator<readonly LogEvent[]> {
  let start = 0
  let bytes = 0
  for (const [i, event] of events.entries()) {
    const spanMs = event.timestampMs - (events[start] as LogEvent).timestampMs
    const isFull = i - start >= BATCH_EVENTS_MAX || bytes + event.bytes > BATCH_BYTES_MAX || spanMs >= BATCH_SPAN_MS
    if (isFull && i > start) {
      yield events.slice(start, i)
      start = i
      bytes = 0
    }
    bytes += event.bytes
  }
  if (start < events.length) yield events.slice(start)
}

function eventBytes(message: string): number {
  return Buffer.byteLength(message) + EVENT_OVERHEAD_BYTES
}
