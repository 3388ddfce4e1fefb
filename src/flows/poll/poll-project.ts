/** A run over one project: reads new entries, stores them, then moves the cursor. */

import { GatewayError } from '../../domain/errors.ts'
import {
  advanceCursor,
  firstCursor,
  moveBackward,
  type SourceCursor,
  withDoubt,
} from '../../domain/sources/source-cursor.ts'
import type { SourceEntry } from '../../domain/sources/source-entry.ts'
import type { Clock } from '../../ports/log-store.ts'
import type {
  CursorStore,
  Lease,
  LogSink,
  LogSource,
  RequestBudget,
  SourcePage,
  SourceProject,
  StoredCursor,
} from '../../ports/sources.ts'
import { CHUNK_ENTRIES_MAX, HeldEntries } from './held-entries.ts'
import type { PollSettings, ProjectOutcome } from './poll-outcome.ts'

export interface ProjectParts {
  readonly source: LogSource
  readonly cursors: CursorStore
  readonly sinks: readonly LogSink[]
  readonly clock: Clock
  readonly settings: PollSettings
  /** Identifies the run in its lease; unique for every run. */
  readonly holder: string
}

/** Share of a run's requests for rereading the overlap while there is more to read. */
const SWEEP_SHARE = 0.5
/** Added to the duration of a run: time for a write that started within it, and for clock differences. */
const LEASE_MARGIN_MS = 60_000
/** CloudWatch shows new events after some seconds: after a failure, the next run must not look for them too early. */
const LOOK_AFTER_MS = 10_000
/** How often the cursor is saved while there are no new entries. */
const CHECKED_SAVE_MS = 10 * 60_000

/** Runs once. Never rejects: failures are in the outcome. */
export async function pollProject(
  parts: ProjectParts,
  project: SourceProject,
  budget: RequestBudget,
): Promise<ProjectOutcome> {
  const run = new ProjectRun(parts, project, budget)
  let state: ProjectOutcome['state']
  let error: GatewayError | undefined
  try {
    state = await run.run()
  } catch (cause) {
    state = 'failed'
    error = cause instanceof GatewayError ? cause : new GatewayError('internal', 'polling failed', { cause })
    await run.abandon()
  }
  return run.outcome(state, error)
}

class ProjectRun {
  readonly #parts: ProjectParts
  readonly #project: SourceProject
  readonly #budget: RequestBudget
  readonly #startedMs: number
  readonly #beganMs: number
  #loaded: StoredCursor | undefined
  #cursor: SourceCursor | undefined
  #lease: Lease | undefined
  #revision = 0
  /** The cursor moved since it was saved. */
  #isMoved = false
  /** The previous run was interrupted, or there was none: unknown entries may be stored. */
  #isDoubtful = false
  readonly #held = new HeldEntries()
  readonly #counts = { stored: 0, late: 0, found: 0, oversized: 0, rejected: 0, unreadable: 0, requests: 0 }
  #lost: ProjectOutcome['lost']

  constructor(parts: ProjectParts, project: SourceProject, budget: RequestBudget) {
    this.#parts = parts
    this.#project = project
    this.#budget = budget
    this.#startedMs = parts.clock.nowMs()
    this.#beganMs = parts.clock.monotonicMs()
  }

  async run(): Promise<'complete' | 'partial' | 'busy'> {
    const loaded = await this.#parts.cursors.load(this.#project.id)
    this.#loaded = loaded
    if (loaded.lease !== undefined && this.#isHeld(loaded.lease)) return 'busy'
    this.#cursor = this.#begin(loaded)
    const isComplete = await this.#walks()
    await this.#finish(isComplete)
    return isComplete ? 'complete' : 'partial'
  }

  /** A lease longer than the maximum was written before the clock was set back. */
  #isHeld({ untilMs }: Lease): boolean {
    const leftMs = untilMs - this.#startedMs
    return leftMs > 0 && leftMs <= this.#parts.settings.runMs + 2 * LEASE_MARGIN_MS
  }

  /** Leaves a lease that expires soon, so that the next run checks the sinks before it writes. */
  async abandon(): Promise<void> {
    if (this.#lease === undefined || this.#cursor === undefined) return
    const lease = { ...this.#lease, untilMs: this.#parts.clock.nowMs() + LOOK_AFTER_MS }
    // If this fails too, the lease expires later.
    await this.#parts.cursors.save(this.#project.id, this.#revision, this.#cursor, lease).catch(() => {})
  }

  outcome(state: ProjectOutcome['state'], error: GatewayError | undefined): ProjectOutcome {
    const cursor = this.#cursor ?? this.#loaded?.cursor
    return {
      source: this.#parts.source.name,
      project: this.#project,
      state,
      error,
      startedMs: this.#startedMs,
      finishedMs: this.#startedMs + this.#parts.clock.monotonicMs() - this.#beganMs,
      ...this.#counts,
      lastTsMs: cursor?.lastTsMs,
      checkedMs: cursor?.checkedMs,
      lost: this.#lost,
    }
  }

  #begin(loaded: StoredCursor): SourceCursor {
    const { firstRunMs, retentionMs, overlapMs } = this.#parts.settings
    const keptMs = this.#startedMs - retentionMs
    this.#isDoubtful = loaded.cursor === undefined || loaded.lease !== undefined || loaded.cursor.walk !== undefined
    if (loaded.cursor === undefined) {
      const fromMs = this.#startedMs - firstRunMs
      if (fromMs > keptMs) this.#lost = { fromMs: keptMs, toMs: fromMs }
      return firstCursor(fromMs, this.#startedMs + overlapMs)
    }
    if (loaded.cursor.checkedMs < keptMs) this.#lost = { fromMs: loaded.cursor.checkedMs, toMs: keptMs }
    return this.#isDoubtful ? withDoubt(loaded.cursor, this.#startedMs + overlapMs) : loaded.cursor
  }

  /** True if everything was read. Rereads the overlap first, then, if that took too long, reads new entries. */
  async #walks(): Promise<boolean> {
    const cursor = this.#known
    const frontierMs = cursor.lastTsMs
    const sweep = await this.#walk({ fromMs: cursor.sweptMs, resume: cursor.walk?.resume, frontierMs, isSweep: true })
    if (sweep !== 'behind') return sweep === 'complete'
    return (await this.#walk({ fromMs: frontierMs, frontierMs, isSweep: false })) === 'complete'
  }

  /** `behind`: the walk did not reach `frontierMs` with its share of the requests. */
  async #walk(walk: Walk): Promise<'complete' | 'partial' | 'behind'> {
    const { source, settings } = this.#parts
    let positionMs = walk.fromMs
    const isBehind = (): boolean => walk.isSweep && walk.resume === undefined && positionMs < walk.frontierMs
    const requestsMax = Math.max(1, Math.floor(settings.runRequestsMax * SWEEP_SHARE))
    let requests = 0
    const take = (): boolean => {
      if (isBehind() && requests >= requestsMax) return false
      if (!this.#budget.take()) return false
      requests++
      this.#counts.requests++
      return true
    }
    const read = source.read({
      project: this.#project,
      fromMs: walk.fromMs,
      resume: walk.resume,
      requests: { take, untilMs: this.#budget.untilMs },
    })
    let page: SourcePage | undefined
    const progress = (): Progress => ({ ...walk, positionMs, page })
    try {
      for await (page of read) {
        this.#counts.unreadable += page.unreadable
        this.#held.add(page, this.#known)
        if (page.direction === 'forward') positionMs = Math.max(positionMs, page.entries.at(-1)?.timestampMs ?? 0)
        if (page.isLast || this.#held.isFull(page.direction)) {
          if (page.isLast) positionMs = this.#startedMs
          await this.#store(progress())
          if (page.direction === 'backward') break
        }
      }
    } catch (error) {
      // The previous pages and their cursor are valid; a failure of a sink or of the cursor store is not handled here.
      if (isOfSource(error)) {
        await this.#store(progress())
        await this.#finish(false)
      }
      throw error
    }
    if (page?.isLast === true) return 'complete'
    await this.#store(progress())
    const isSpent = this.#parts.clock.monotonicMs() >= this.#budget.untilMs
    return isBehind() && !isSpent && page?.direction !== 'backward' ? 'behind' : 'partial'
  }

  get #known(): SourceCursor {
    return this.#cursor as SourceCursor
  }

  /** Stores the held entries, oldest first, and moves the cursor past them. */
  async #store(progress: Progress): Promise<void> {
    const entries = this.#held.take()
    for (let start = 0; start < entries.length; start += CHUNK_ENTRIES_MAX) {
      await this.#write(entries.slice(start, start + CHUNK_ENTRIES_MAX))
    }
    const before = this.#known
    this.#cursor = this.#move(progress, entries)
    this.#isMoved ||= entries.length > 0 || before.walk !== this.#cursor.walk
  }

  async #write(entries: readonly SourceEntry[]): Promise<void> {
    await this.#claim()
    // The cursor is saved before the next chunk, so that little must be looked up after a crash.
    if (this.#isMoved) await this.#save(this.#lease)
    const { idsFromMs, lastTsMs } = this.#known
    const doubtful = new Set(
      entries.filter(({ timestampMs }) => this.#isDoubtful || timestampMs < idsFromMs).map(({ id }) => id),
    )
    let found = 0
    for (const sink of this.#parts.sinks) {
      this.#assertLease()
      const outcome = await sink.write(this.#project, entries, doubtful)
      found = Math.max(found, outcome.duplicates)
      this.#counts.oversized += outcome.oversized
      for (const count of outcome.rejected.values()) this.#counts.rejected += count
    }
    this.#counts.found += found
    this.#counts.stored += entries.length - found
    this.#counts.late += entries.filter(({ timestampMs }) => timestampMs < lastTsMs && !this.#isDoubtful).length
  }

  #move({ page, positionMs, isSweep, frontierMs }: Progress, stored: readonly SourceEntry[]): SourceCursor {
    const { overlapMs } = this.#parts.settings
    const run = { stored, startedMs: this.#startedMs, overlapMs }
    // Nothing was read: an unfinished backward walk stays unfinished.
    if (page === undefined) return this.#known
    if (page.direction === 'backward') return moveBackward(this.#known, { ...run, resume: page.resume })
    const isFrontier = !isSweep || positionMs >= frontierMs
    return advanceCursor(this.#known, { ...run, positionMs, isSweep, isFrontier })
  }

  /** Saves the outcome of the run, if it is worth a write. */
  async #finish(isComplete: boolean): Promise<void> {
    const { checkedMs, lastTsMs } = this.#known
    const reachedMs = isComplete ? this.#startedMs : Math.max(checkedMs, lastTsMs)
    this.#cursor = { ...this.#known, checkedMs: reachedMs }
    const isNews = this.#isMoved || this.#loaded?.cursor === undefined || this.#loaded.lease !== undefined
    if (!isNews && reachedMs - (this.#loaded?.cursor?.checkedMs ?? 0) < CHECKED_SAVE_MS) return
    await this.#claim()
    this.#assertLease()
    await this.#save(undefined)
  }

  async #claim(): Promise<void> {
    if (this.#lease !== undefined) return
    const { cursors, holder, settings } = this.#parts
    const lease = { holder, untilMs: this.#startedMs + settings.runMs + LEASE_MARGIN_MS }
    this.#revision = await cursors.claim(this.#project.id, this.#loaded as StoredCursor, lease)
    this.#lease = lease
  }

  async #save(lease: Lease | undefined): Promise<void> {
    this.#revision = await this.#parts.cursors.save(this.#project.id, this.#revision, this.#known, lease)
    this.#lease = lease
    this.#isMoved = false
  }

  /** A run that was suspended for too long must not write concurrently with its successor. */
  #assertLease(): void {
    if (this.#parts.clock.nowMs() + LEASE_MARGIN_MS / 2 < (this.#lease?.untilMs ?? 0)) return
    const text =
      'the run took longer than its lease and stops writing; the next run continues; raise MILLRACE_POLL_RUN_TIME if this happens often'
    throw new GatewayError('state_conflict', text)
  }
}

interface Walk {
  readonly fromMs: number
  readonly resume?: string | undefined
  /** Time of the newest stored entry at the start of the run. */
  readonly frontierMs: number
  readonly isSweep: boolean
}

interface Progress extends Walk {
  readonly positionMs: number
  /** The last page that was read. */
  readonly page: SourcePage | undefined
}

function isOfSource(error: unknown): boolean {
  return error instanceof GatewayError && (error.code === 'source_unavailable' || error.code === 'body_too_large')
}
