/** Common test helpers: a fixed clock, batches from plain values, a store in a temporary folder. */

import type { Test } from 'tap'
import { SqliteLogStore, type StoreEvents, type StoreSettings } from '../../src/adapters/embedded/sqlite-log-store.ts'
import { type Batch, type Metadata, metadataWithLevel } from '../../src/domain/entries/batch.ts'
import { type Admission, BatchBuilder } from '../../src/domain/entries/batch-builder.ts'
import { startOf } from '../../src/domain/entries/block.ts'
import { compareText, formatLabels, type Label } from '../../src/domain/labels.ts'
import { PUSH_LIMITS } from '../../src/domain/limits.ts'
import { equalityMatcher } from '../../src/domain/selector.ts'
import { NS_MAX, NS_MIN } from '../../src/domain/time.ts'
import type { Clock, LogStore, ReadRequest } from '../../src/ports/log-store.ts'
import { testFolder } from './test-folder.ts'

/** A clock that moves only when set. Starts at 2026-11-21T12:00:00Z. */
export class FixedClock implements Clock {
  #ms: number
  #passedMs = 0

  constructor(ms = Date.UTC(2026, 10, 21, 12)) {
    this.#ms = ms
  }

  get ms(): number {
    return this.#ms
  }

  /** A later time counts as elapsed time; an earlier one means that the wall clock was set back. */
  set ms(ms: number) {
    this.#passedMs += Math.max(0, ms - this.#ms)
    this.#ms = ms
  }

  nowMs(): number {
    return this.#ms
  }

  monotonicMs(): number {
    return this.#passedMs
  }

  get nowNs(): bigint {
    return BigInt(this.ms) * 1_000_000n
  }
}

export interface PlainEntry {
  readonly ns: bigint
  readonly line: string
  readonly metadata?: Readonly<Record<string, string>>
  readonly id?: string
}

export interface PlainStream {
  readonly labels: Readonly<Record<string, string>>
  readonly entries: readonly PlainEntry[]
}

export function toLabels(record: Readonly<Record<string, string>>): Label[] {
  return Object.entries(record).map(([name, value]) => ({ name, value }))
}

/** Beyond the last time that fits into nanoseconds. */
const FAR_MS = 2 ** 45

/** An admission that accepts everything unchanged. */
export function openAdmission(clock: Clock, tenant = 'fake'): Admission {
  return {
    tenant,
    limits: { ...PUSH_LIMITS, ageMsMax: undefined, futureMsMax: FAR_MS, lineBytesMax: 2 ** 30 },
    nowMs: clock.nowMs(),
    discoverServiceName: false,
    discoverLevels: false,
    labelCountMax: 15,
    acceptsAnyAge: false,
    dropped: [],
    streams: { admitStream: () => true, admitBytes: () => true },
  }
}

/** A batch from plain values. */
export function makeBatch(streams: readonly PlainStream[], admission: Admission): Batch {
  const builder = new BatchBuilder(admission)
  feed(builder, streams)
  return builder.build()
}

/** Passes plain values to a builder, like a decoder. */
export function feed(builder: BatchBuilder, streams: readonly PlainStream[]): void {
  const lines = streams.flatMap((stream) => stream.entries.map((entry) => Buffer.from(entry.line)))
  const text = Buffer.concat(lines)
  builder.useText(text)
  let at = 0
  let line = 0
  for (const { labels, entries } of streams) {
    builder.beginStream(toLabels(labels))
    for (const { ns, metadata, id } of entries) {
      for (const [name, value] of Object.entries(metadata ?? {})) builder.addMetadata(name, value)
      const length = (lines[line++] as Buffer).length
      const seconds = ns >= 0n ? ns / 1_000_000_000n : -((-ns + 999_999_999n) / 1_000_000_000n)
      builder.addEntry(Number(seconds), Number(ns - seconds * 1_000_000_000n), at, at + length)
      at += length
      if (id !== undefined) builder.identifyLast(id)
    }
  }
}

/** The entries of a read, one by one, in the order of the blocks. */
export interface FlatEntry {
  readonly key: string
  readonly ns: bigint
  readonly line: string
  readonly metadata: Metadata
  /** The position of the block among those of equal times, and of the entry in the block. */
  readonly sequence: number
  readonly index: number
}

export async function readAll(store: LogStore, request: Partial<ReadRequest> = {}): Promise<FlatEntry[]> {
  const entries: FlatEntry[] = []
  const whole = { tenant: 'fake', matchers: [], start: NS_MIN, end: NS_MAX, direction: 'forward' as const }
  for await (const { block, runs, sequence } of store.read({ ...whole, ...request })) {
    for (const run of runs) {
      for (let i = run.start; i < run.end; i++) {
        entries.push({
          key: run.key,
          ns: block.timestamps.values[i] as bigint,
          line: Buffer.from(block.text.subarray(startOf(block.lineEnds, i), block.lineEnds[i])).toString(),
          metadata: metadataWithLevel(
            block.metadata,
            startOf(block.metadataEnds, i),
            block.metadataEnds[i] as number,
            block.levels[i] as number,
          ),
          sequence,
          index: i,
        })
      }
    }
  }
  return entries
}

/** Entries stream by stream, each by time, equal times in the order of the store, as a query engine reads them. */
export function inOrder(entries: readonly FlatEntry[]): string[] {
  return entries
    .toSorted(
      (a, b) => compareText(a.key, b.key) || Number(a.ns - b.ns) || a.sequence - b.sequence || a.index - b.index,
    )
    .map(({ key, ns, line, metadata }) => `${key} ${ns} ${line} ${JSON.stringify(metadata)}`)
}

/** The same entries as sorted text, for comparing stored with sent entries. */
export function asSorted(entries: readonly FlatEntry[]): string[] {
  return entries.map(({ key, ns, line, metadata }) => `${key} ${ns} ${line} ${JSON.stringify(metadata)}`).sort()
}

export function asStored(streams: readonly PlainStream[]): string[] {
  return streams
    .flatMap(({ labels, entries }) => {
      const key = formatLabels(toLabels(labels).sort((a, b) => (a.name < b.name ? -1 : 1)))
      return entries.map(({ ns, line, metadata }) => {
        const pairs = Object.entries(metadata ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
        return `${key} ${ns} ${line} ${JSON.stringify(pairs)}`
      })
    })
    .sort()
}

export const STORE_SETTINGS: Omit<StoreSettings, 'dataDir'> = {
  blockBytes: 1024 * 1024,
  duplicateWindowMs: 3600_000,
  queueBytesMax: 64 * 1024 * 1024,
  retentionMs: undefined,
  retentionBytes: undefined,
  queryTimeoutMs: 60_000,
}

/** Records store events. */
export class RecordedEvents implements StoreEvents {
  readonly failures: unknown[] = []
  readonly damaged: number[] = []
  readonly maintenanceFailures: unknown[] = []
  commits = 0

  committed(): void {
    this.commits++
  }

  writeFailed(cause: unknown): void {
    this.failures.push(cause)
  }

  blockDamaged(blockId: number): void {
    this.damaged.push(blockId)
  }

  maintenanceFailed(cause: unknown): void {
    this.maintenanceFailures.push(cause)
  }
}

/** A store in the test's own folder, closed when the test ends. */
export function openStore(
  t: Test,
  clock: Clock,
  settings: Partial<StoreSettings> = {},
  events: StoreEvents = new RecordedEvents(),
): SqliteLogStore {
  // testFolder() empties the test's folder, so it is not called if the caller has one.
  const dataDir = settings.dataDir ?? testFolder(t)
  const store = new SqliteLogStore({ ...STORE_SETTINGS, ...settings, dataDir }, clock, events)
  t.teardown(() => store.close())
  return store
}

export const EVERYTHING = [equalityMatcher('__nothing__', '=', '')]
