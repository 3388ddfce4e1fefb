/** A live tail: the newest stored lines, then each line as it is accepted, in bounded memory. */

import { type Batch, type BatchStream, metadataWithLevel } from '../../domain/entries/batch.ts'
import { startOf } from '../../domain/entries/block.ts'
import { formatLabels, type Labels } from '../../domain/labels.ts'
import type { ResultEntry } from '../../domain/query-result.ts'
import { type Matcher, matchesAll } from '../../domain/selector.ts'
import { NS_MAX } from '../../domain/time.ts'
import { type Slices, sortSlices } from '../../kit/slices.ts'
import { LogQuery } from '../../logql/log-query.ts'
import type { LogExpr } from '../../logql/parse/syntax.ts'
import { LabelSet } from '../../logql/pipeline/label-set.ts'
import { compileStages } from '../../logql/pipeline/stages.ts'
import type { Stage } from '../../logql/stage.ts'
import type { LogStore } from '../../ports/log-store.ts'
import { copyFrom, type PendingLines, pendingBytes } from './pending-lines.ts'
import { type QueryTurn, UNSHARED } from './query-turns.ts'

export interface TailRequest {
  readonly tenant: string
  readonly query: LogExpr
  /** Start of the initial lines, ns. */
  readonly start: bigint
  /** Number of initial lines, the newest ones. */
  readonly limit: number
  /** How long a line is held back, so that late lines can be ordered before it. */
  readonly delayMs: number
  /** The time of the start, for the template function `now`; ms since the epoch. */
  readonly nowMs: number
}

export interface TailEntry extends ResultEntry {
  readonly labels: Labels
}

/** A line that was dropped because the reader was too slow. */
export interface DroppedEntry {
  readonly ns: bigint
  readonly labels: Labels
}

export interface TailFrame {
  readonly entries: readonly TailEntry[]
  readonly dropped: readonly DroppedEntry[]
}

/** Entries per frame, and frames waiting for a slow reader: Loki's numbers. */
export const FRAME_ENTRIES_MAX = 100
const FRAMES_WAITING_MAX = 10
/** Maximum UTF-16 units of the lines of a frame, unless it has only one line: a frame is written at once. */
const FRAME_CHARS_MAX = 1024 * 1024
/** Maximum size of the batches that a tail has not processed yet. */
const PENDING_BYTES_MAX = 8 * 1024 * 1024
/** Maximum size of the waiting lines in UTF-16 units. */
const WAITING_CHARS_MAX = 8 * 1024 * 1024
/** Maximum number of dropped lines reported in a frame. */
const DROPPED_MAX = 1000
/** Maximum number of streams whose match result is cached. */
const REMEMBERED_MAX = 10_000
/** How long initial lines are remembered, so that they are not sent again as live lines. */
const OVERLAP_MS = 5_000

interface Waiting {
  readonly entry: TailEntry
  readonly arrivedMs: number
}

/**
 * Subscribe `offer` to the feed, then load the initial lines, then take frames. Throws query_malformed or
 * query_unsupported for a pipeline that cannot be compiled.
 */
export class TailSession {
  readonly #request: TailRequest
  readonly #matchers: readonly Matcher[]
  readonly #stage: Stage
  readonly #labels = new LabelSet()
  readonly #wanted = new Map<string, boolean>()
  #past: TailEntry[] = []
  /** Keys of the initial lines, until `overlapEndMs`. */
  #overlap: Set<string> | undefined = new Set()
  #overlapEndMs = Number.POSITIVE_INFINITY
  #isLoaded = false
  readonly #waiting: Waiting[] = []
  #waitingChars = 0
  #dropped: DroppedEntry[] = []
  readonly #pending: PendingLines[] = []
  #pendingBytes = 0
  /** Number of matching lines since the start. */
  #matched = 0

  constructor(request: TailRequest) {
    this.#request = request
    this.#matchers = request.query.matchers
    this.#stage = compileStages(request.query.stages, { nowMs: request.nowMs })
  }

  /** Loads the initial lines. `atMs`, here and below, is a reading of Clock.monotonicMs. Throws like a log query. */
  async load(store: LogStore, atMs: number, turn: QueryTurn = UNSHARED): Promise<void> {
    const { tenant, query, start, limit, nowMs } = this.#request
    const past = new LogQuery(query, { direction: 'backward', limit, intervalNs: 0n, nowMs })
    const wants = (oldest: bigint, newest: bigint): boolean => past.wants(oldest, newest)
    // No upper bound: lines may have a time slightly in the future.
    const range = { tenant, matchers: past.matchers, start, end: NS_MAX, pause: turn.pause }
    const blocks = store.read({ ...range, direction: 'backward', wants }, turn.signal)
    for await (const { block, runs, sequence } of blocks) await turn.run(past.add(block, runs, sequence))
    const streams = await turn.run(past.result())
    // Within a stream they are newest first; equal times keep the order of arrival.
    const entries = streams.flatMap(({ labels, entries }) => entries.map((entry) => ({ ...entry, labels }))).reverse()
    this.#past = await turn.run(sortSlices(entries, byTime))
    this.#overlap = new Set(this.#past.map(keyOf))
    this.#overlapEndMs = atMs + OVERLAP_MS
    this.#isLoaded = true
  }

  /**
   * Searches a batch that was just accepted, and copies matching lines. Once `isOver` returns true, the rest of the
   * batch is copied for `readPending`. True if there are, or may be, matching lines.
   */
  offer(batch: Batch, atMs: number, isOver: () => boolean = () => false): boolean {
    if (!batch.streams.some((stream) => this.#wants(stream))) return false
    const lines = { batch, bytes: 0, at: 0, arrivedMs: atMs }
    if (this.#pending.length > 0) return this.#keepPending(lines)
    const before = this.#matched
    const work = this.#readLines(lines)
    while (work.next().done !== true) if (isOver()) return this.#keepPending(lines)
    return this.#matched > before
  }

  get hasPending(): boolean {
    return this.#pending.length > 0
  }

  /** Processes the batches that `offer` has copied. */
  *readPending(): Slices<void> {
    for (let lines = this.#pending[0]; lines !== undefined; lines = this.#pending[0]) {
      yield* this.#readLines(lines)
      this.#pending.shift()
      this.#pendingBytes -= lines.bytes
    }
  }

  *#readLines(lines: PendingLines): Slices<void> {
    const { batch, arrivedMs } = lines
    const wanted = batch.streams.map((stream) => this.#wants(stream))
    while (lines.at < batch.count) {
      const i = lines.at++
      const index = batch.streamIndexes[i] as number
      if (wanted[index] !== true) continue
      const entry = this.#read(batch, i, batch.streams[index] as BatchStream)
      if (entry !== undefined) {
        this.#matched++
        this.#wait(entry, arrivedMs)
      }
      yield
    }
  }

  /** Copies the rest of a batch; if too much is pending, reports its lines as dropped. */
  #keepPending({ batch, at, arrivedMs }: PendingLines): true {
    if (at >= batch.count) return true
    const bytes = pendingBytes(batch, at)
    if (this.#pendingBytes + bytes <= PENDING_BYTES_MAX) {
      this.#pending.push({ batch: copyFrom(batch, at), bytes, at: 0, arrivedMs })
      this.#pendingBytes += bytes
      return true
    }
    for (let i = at; i < batch.count && this.#dropped.length < DROPPED_MAX; i++) {
      const stream = batch.streams[batch.streamIndexes[i] as number] as BatchStream
      if (this.#wants(stream)) this.#drop(batch.timestamps.values[i] as bigint, stream.labels)
    }
    return true
  }

  /** The next frame to send, or undefined. */
  takeFrame(atMs: number): TailFrame | undefined {
    if (!this.#isLoaded) return undefined
    if (this.#past.length > 0) return { entries: this.#past.splice(0, fitting(this.#past)), dropped: [] }
    const count = this.#dueCount(atMs)
    if (count === 0 && this.#dropped.length === 0) return undefined
    const taken = this.#waiting.splice(0, count).map(({ entry }) => entry)
    for (const { line } of taken) this.#waitingChars -= line.length
    if (atMs > this.#overlapEndMs) this.#overlap = undefined
    const overlap = this.#overlap
    const entries = overlap === undefined ? taken : taken.filter((entry) => !overlap.has(keyOf(entry)))
    entries.sort(byTime)
    const dropped = this.#dropped
    this.#dropped = []
    // All of them were sent as initial lines; the next ones may be new.
    if (entries.length === 0 && dropped.length === 0) return this.takeFrame(atMs)
    return { entries, dropped }
  }

  /** Number of waiting lines for the next frame. */
  #dueCount(atMs: number): number {
    const early = this.#waiting.findIndex(({ arrivedMs }) => !this.#isDue(arrivedMs, atMs))
    const due = this.#waiting.slice(0, early < 0 ? FRAME_ENTRIES_MAX : Math.min(early, FRAME_ENTRIES_MAX))
    return fitting(due.map(({ entry }) => entry))
  }

  #isDue(arrivedMs: number, atMs: number): boolean {
    return atMs >= arrivedMs + this.#request.delayMs
  }

  #wants({ key, labels }: BatchStream): boolean {
    const known = this.#wanted.get(key)
    if (known !== undefined) return known
    const answer = matchesAll(this.#matchers, labels)
    if (this.#wanted.size >= REMEMBERED_MAX) this.#wanted.clear()
    this.#wanted.set(key, answer)
    return answer
  }

  #read(batch: Batch, i: number, stream: BatchStream): TailEntry | undefined {
    const ns = batch.timestamps.values[i] as bigint
    const line = UTF8.decode(batch.text.subarray(batch.starts[i], batch.ends[i]))
    const metadataStart = startOf(batch.metadataEnds, i)
    const metadataEnd = batch.metadataEnds[i] as number
    const level = batch.levels[i] as number
    this.#labels.reset(stream.labels, metadataWithLevel(batch.metadata, metadataStart, metadataEnd, level))
    const entry = { ns, line, labels: this.#labels }
    if (!this.#stage(entry)) return undefined
    const { stream: labels, metadata, parsed } = this.#labels.parts()
    return { ns, line: entry.line, labels, metadata, parsed }
  }

  #wait(entry: TailEntry, atMs: number): void {
    const isFull =
      this.#waiting.length >= FRAMES_WAITING_MAX * FRAME_ENTRIES_MAX || this.#waitingChars > WAITING_CHARS_MAX
    if (!isFull) {
      this.#waiting.push({ entry, arrivedMs: atMs })
      this.#waitingChars += entry.line.length
    } else this.#drop(entry.ns, entry.labels)
  }

  #drop(ns: bigint, labels: Labels): void {
    if (this.#dropped.length < DROPPED_MAX) this.#dropped.push({ ns, labels })
  }
}

/** Number of leading entries that fit into one frame; at least one. */
function fitting(entries: readonly TailEntry[]): number {
  let chars = 0
  for (const [i, { line }] of entries.entries()) {
    chars += line.length
    if (i === FRAME_ENTRIES_MAX || (i > 0 && chars > FRAME_CHARS_MAX)) return i
  }
  return entries.length
}

function byTime(a: TailEntry, b: TailEntry): number {
  return a.ns < b.ns ? -1 : a.ns > b.ns ? 1 : 0
}

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })

function keyOf({ ns, labels, line }: TailEntry): string {
  return `${ns} ${formatLabels(labels)} ${line}`
}
