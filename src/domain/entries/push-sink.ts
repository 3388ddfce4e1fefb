/** The interface between push decoders and validation. */

import type { Label } from '../labels.ts'
import type { RefusalReason } from './refusals.ts'

/**
 * A decoder calls `useText` once; then for each stream `beginStream` (or `beginUnreadableStream`), and for each of its
 * entries any number of `addMetadata…`, then `addEntry` or `refuseEntry`. A sink validates, keeps or counts entries; it
 * never throws for bad data, so that an invalid stream or line does not affect others.
 */
export interface PushSink {
  /** Sets the bytes that all line positions refer to. They must not change until the batch is stored. */
  useText(text: Uint8Array): void
  /**
   * Starts the stream of the following entries. Labels in any order; empty values are dropped. `isReused`: later pushes
   * with the same labels pass the same array, so that what is derived from it may be kept with it.
   */
  beginStream(labels: readonly Label[], isReused?: boolean): void
  /** Starts a stream whose labels cannot be parsed: its entries are counted and refused with Loki's error text. */
  beginUnreadableStream(labelText: string, error: string): void
  /** Adds a pair of structured metadata to the next entry, in any order. Names are converted to Prometheus names. */
  addMetadata(name: string, value: string): void
  /** The same from UTF-8 bytes, avoiding strings where possible. */
  addMetadataBytes(bytes: Uint8Array, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void
  /** Adds an entry: `seconds` and `nanos` since the epoch (nanos 0 to 999 999 999), the line text[start, end). */
  addEntry(seconds: number, nanos: number, start: number, end: number): void
  /** Replaces addEntry if the decoder cannot decode the entry; `text` is the reason. */
  refuseEntry(reason: RefusalReason, text: string): void
}
