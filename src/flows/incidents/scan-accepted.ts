/** Looks at accepted lines beside the pushes, and after a crash at those that nobody had looked at. */

import { type Batch, metadataWithLevel, readMetadata } from '../../domain/entries/batch.ts'
import { type Block, startOf } from '../../domain/entries/block.ts'
import type { Labels } from '../../domain/labels.ts'
import { CircuitBreaker } from '../../kit/circuit-breaker.ts'
import { murmur128 } from '../../kit/murmur3.ts'
import type { AuditTrail, CommittedBlocks, IncidentSink, IncidentStore } from '../../ports/incidents.ts'
import type { Clock } from '../../ports/log-store.ts'
import { LineGrouper, type LineReport, type LineRules, raiseReports } from './find-errors.ts'

export interface ScannerParts {
  readonly rules: LineRules
  readonly sink: IncidentSink
  readonly audit: AuditTrail | undefined
  /** Keeps the position. */
  readonly store: Pick<IncidentStore, 'readCursor' | 'writeCursor'>
  readonly blocks: CommittedBlocks
  readonly clock: Clock
  /** Lets others have their turn. */
  readonly pause: () => Promise<void>
  /** Told of a round that failed: what it held is tried again. Must not throw. */
  readonly onFailure: (cause: unknown) => void
}

/** A copy of what is needed of a line: the batch's memory is used again. */
interface KeptLine {
  readonly tenant: string
  readonly key: string
  readonly labels: Labels
  readonly ns: bigint
  readonly level: number
  readonly line: Uint8Array
  readonly metadata: Uint8Array
}

const CURSOR = 'accepted-lines'
/** Bytes of lines that wait; beyond, they are read back from the store instead. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024
/** What a line costs beside its bytes. */
const LINE_COST_BYTES = 200
/** Lines looked at before others have a turn. */
const TURN_LINES = 200
/** Lines of one round, so that what is known of them is soon written. */
const ROUND_LINES_MAX = 20_000
/**
 * A batch is told after its commit: whatever was committed this long before a round was told before the round. Lines
 * that are read twice so are known by their event ids.
 */
const MARGIN_MS = 60_000
/** After a longer stop, or while incidents were switched off, what is older is nobody's news. */
const BEHIND_MS_MAX = 24 * 3600_000
/** How often the position is written. */
const POSITION_MS = 10_000

export class LineScanner {
  readonly #parts: ScannerParts
  readonly #grouper: LineGrouper
  /** Of the store: one that is down is not asked, and told of, four times a second. */
  readonly #breaker = new CircuitBreaker()
  #waiting: KeptLine[] = []
  #waitingBytes = 0
  /** What could not be written yet. */
  #failed: readonly LineReport[] = []
  /** When the position was written last. */
  #writtenMs = 0
  /** Lines did not fit, or were not looked at before a crash: they are read from the store. */
  #isBehind = false

  constructor(parts: ScannerParts) {
    this.#parts = parts
    this.#grouper = new LineGrouper(parts.rules, parts.clock.nowMs())
  }

  /**
   * A BatchListener: keeps the lines that may count. A look at one byte for each of the others.
   */
  offer(batch: Batch): void {
    const { levelMin } = this.#parts.rules
    const { levels, count } = batch
    for (let i = 0; i < count; i++) if ((levels[i] as number) >= levelMin) this.#keep(batch, i)
  }

  /** Finds where the last process stopped; from then on rounds catch up. Rejects with store_unavailable. */
  async begin(): Promise<void> {
    const { store, clock } = this.#parts
    const position = await store.readCursor(CURSOR)
    // The first start: nothing was promised for what came before.
    if (position === undefined) await store.writeCursor(CURSOR, String(clock.nowMs() - MARGIN_MS))
    else this.#isBehind = true
  }

  /** One round: all that waits, unless the store failed again and again just now. Calls must not overlap. Never rejects. */
  async round(): Promise<void> {
    const { clock, onFailure } = this.#parts
    const startedMs = clock.nowMs()
    if (!this.#breaker.admits(clock.monotonicMs(), 0)) return
    try {
      await this.#raise(this.#failed)
      while (this.#waiting.length > 0) await this.#raiseWaiting()
      if (this.#isBehind) await this.#catchUp()
      // A clock that was set back takes the position with it.
      else if (Math.abs(startedMs - this.#writtenMs) >= POSITION_MS) await this.#writePosition(startedMs)
      this.#breaker.succeed()
    } catch (cause) {
      this.#breaker.fail(clock.monotonicMs())
      onFailure(cause)
    }
  }

  #keep(batch: Batch, i: number): void {
    const start = batch.starts[i] as number
    const end = batch.ends[i] as number
    const metadataStart = startOf(batch.metadataEnds, i)
    const metadataEnd = batch.metadataEnds[i] as number
    const bytes = end - start + metadataEnd - metadataStart + LINE_COST_BYTES
    if (this.#waitingBytes + bytes > WAITING_BYTES_MAX) {
      this.#isBehind = true
      return
    }
    const stream = batch.streams[batch.streamIndexes[i] as number] as Batch['streams'][number]
    this.#waitingBytes += bytes
    this.#waiting.push({
      tenant: batch.tenant,
      key: stream.key,
      labels: stream.labels,
      ns: batch.timestamps.values[i] as bigint,
      level: batch.levels[i] as number,
      line: batch.text.slice(start, end),
      metadata: batch.metadata.slice(metadataStart, metadataEnd),
    })
  }

  async #raiseWaiting(): Promise<void> {
    const lines = this.#waiting.splice(0, ROUND_LINES_MAX)
    this.#waitingBytes = this.#waiting.length === 0 ? 0 : this.#waitingBytes
    for (const [i, line] of lines.entries()) {
      this.#add(line)
      if (i % TURN_LINES === TURN_LINES - 1) await this.#parts.pause()
    }
    await this.#raise(this.#grouper.take(this.#parts.clock.nowMs()))
  }

  async #raise(reports: readonly LineReport[]): Promise<void> {
    // Until it is written it counts as failed: lines are never lost to an error.
    this.#failed = reports
    if (reports.length === 0) return
    await raiseReports(this.#parts, reports, this.#parts.clock.nowMs())
    this.#failed = []
  }

  #add({ tenant, key, labels, ns, level, line, metadata }: KeptLine): void {
    const head = UTF8_BYTES.encode(`${key}\n${ns}\n${line.length}\n`)
    const identity = new Uint8Array(head.length + line.length + metadata.length)
    identity.set(head)
    identity.set(line, head.length)
    identity.set(metadata, head.length + line.length)
    this.#grouper.add({
      tenant,
      labels,
      metadata:
        level === 0
          ? readMetadata(metadata, 0, metadata.length)
          : metadataWithLevel(metadata, 0, metadata.length, level),
      ns,
      line: UTF8.decode(line),
      level,
      eventId: murmur128(identity),
    })
  }

  /** Reads what was committed since the position; what was looked at already is known by its event ids. */
  async #catchUp(): Promise<void> {
    const { store, blocks, clock } = this.#parts
    const startedMs = clock.nowMs()
    this.#isBehind = false
    try {
      const written = Number((await store.readCursor(CURSOR)) ?? startedMs)
      const position = Math.max(written, startedMs - BEHIND_MS_MAX)
      for await (const { tenant, block } of blocks.since(position)) {
        await this.#addBlock(tenant, block)
        await this.#raise(this.#grouper.take(clock.nowMs()))
      }
      await this.#writePosition(startedMs)
    } catch (cause) {
      this.#isBehind = true
      throw cause
    }
  }

  async #addBlock(tenant: string, block: Block): Promise<void> {
    const { levelMin } = this.#parts.rules
    let done = 0
    for (const { key, labels, start, end } of block.runs) {
      for (let i = start; i < end; i++) {
        const level = block.levels[i] as number
        if (level < levelMin) continue
        const line = block.text.subarray(startOf(block.lineEnds, i), block.lineEnds[i])
        const metadata = block.metadata.subarray(startOf(block.metadataEnds, i), block.metadataEnds[i])
        this.#add({ tenant, key, labels, ns: block.timestamps.values[i] as bigint, level, line, metadata })
        if (++done % TURN_LINES === 0) await this.#parts.pause()
      }
    }
  }

  async #writePosition(startedMs: number): Promise<void> {
    await this.#parts.store.writeCursor(CURSOR, String(startedMs - MARGIN_MS))
    this.#writtenMs = startedMs
  }
}

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })
const UTF8_BYTES = new TextEncoder()
