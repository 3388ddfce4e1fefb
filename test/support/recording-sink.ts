/** A PushSink that records the calls of a decoder in a form that tests can compare. */

import type { PushSink } from '../../src/domain/entries/push-sink.ts'
import { formatLabels, type Label, sortLabels } from '../../src/domain/labels.ts'

export interface RecordedStream {
  /** formatLabels of the labels, or the text that could not be parsed. */
  readonly labels: string
  /** Why the labels could not be parsed. */
  readonly error?: string
  readonly entries: readonly RecordedEntry[]
}

export interface RecordedEntry {
  readonly ns: bigint
  /** The line as UTF-8; invalid bytes as U+FFFD. */
  readonly line: string
  /** In order of arrival. */
  readonly metadata: readonly (readonly [name: string, value: string])[]
}

interface Entry {
  readonly seconds: number
  readonly nanos: number
  readonly start: number
  readonly end: number
  readonly metadata: [string, string][]
}

export class RecordingSink implements PushSink {
  #text: Uint8Array | undefined
  readonly #streams: { labels: string; error?: string; entries: Entry[] }[] = []
  #metadata: [string, string][] = []
  readonly refused: { readonly reason: string; readonly text: string }[] = []

  useText(text: Uint8Array): void {
    if (this.#text !== undefined) throw new Error('BUG: useText was called twice')
    this.#text = text
  }

  beginStream(labels: readonly Label[]): void {
    this.#streams.push({ labels: formatLabels(sortLabels(labels)), entries: [] })
  }

  beginUnreadableStream(labels: string, error: string): void {
    this.#streams.push({ labels, error, entries: [] })
  }

  addMetadata(name: string, value: string): void {
    this.#metadata.push([name, value])
  }

  addMetadataBytes(bytes: Uint8Array, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    this.addMetadata(decode(bytes, nameStart, nameEnd), decode(bytes, valueStart, valueEnd))
  }

  addEntry(seconds: number, nanos: number, start: number, end: number): void {
    const stream = this.#streams.at(-1)
    if (stream === undefined) throw new Error('BUG: an entry came before its stream')
    stream.entries.push({ seconds, nanos, start, end, metadata: this.#metadata })
    this.#metadata = []
  }

  refuseEntry(reason: string, text: string): void {
    this.refused.push({ reason, text })
    this.#metadata = []
  }

  /** Read after the decoder has finished, so that a line that was overwritten later is noticed. */
  get streams(): RecordedStream[] {
    return this.#streams.map(({ entries, ...stream }) => ({
      ...stream,
      entries: entries.map(({ seconds, nanos, start, end, metadata }) => ({
        ns: BigInt(seconds) * 1_000_000_000n + BigInt(nanos),
        line: decode(this.#text as Uint8Array, start, end),
        metadata,
      })),
    }))
  }

  /** The bytes of one line. */
  lineBytes(stream: number, entry: number): Uint8Array {
    const found = this.#streams[stream]?.entries[entry]
    if (found === undefined) throw new Error('BUG: there is no such entry')
    return (this.#text as Uint8Array).slice(found.start, found.end)
  }
}

function decode(bytes: Uint8Array, start: number, end: number): string {
  if (!(start >= 0 && start <= end && end <= bytes.length)) throw new Error(`BUG: ${start} to ${end} lies outside`)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8', start, end)
}
