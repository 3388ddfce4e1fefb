/** What a push decoder hands its findings to: the seam between wire forms and the checks. */

import type { Label } from '../labels.ts'
import type { RefusalReason } from './refusals.ts'

/**
 * A decoder calls: `useText` once; then for each stream `beginStream` (or `beginUnreadableStream`), and for each of its entries
 * any number of `addMetadata…`, then `addEntry` or `refuseEntry`. A sink checks, keeps or counts; it never throws for bad data, so that
 * one bad stream or line does not take the others with it.
 */
export interface PushSink {
  /** Names the bytes that all line positions refer to. They must not change until the batch is stored. */
  useText(text: Uint8Array): void
  /** Begins the stream that the following entries belong to. Labels in any order; empty values are dropped. */
  beginStream(labels: readonly Label[]): void
  /** Begins a stream whose labels cannot be read: its entries are counted and refused with Loki's words. */
  beginUnreadableStream(labelText: string, error: string): void
  /** One pair of structured metadata of the entry to come. Names are made Prometheus names; any order. */
  addMetadata(name: string, value: string): void
  /** The same from bytes of UTF-8, without making strings where none are needed. */
  addMetadataBytes(bytes: Uint8Array, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void
  /** One entry: `seconds` and `nanos` since the epoch (nanos 0 to 999 999 999), the line text[start, end). */
  addEntry(seconds: number, nanos: number, start: number, end: number): void
  /** In place of addEntry: the decoder cannot take this entry, and `text` says why. */
  refuseEntry(reason: RefusalReason, text: string): void
}
