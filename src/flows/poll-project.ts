/** One run over one project: reads what is new, stores it, then moves the cursor. */

import { GatewayError } from '../domain/errors.ts'
import {
  advanceCursor,
  boundIds,
  CURSOR_IDS_MAX,
  firstCursor,
  type SourceCursor,
  withDoubt,
} from '../domain/source-cursor.ts'
import type { SourceEntry } from '../domain/source-entry.ts'
import type {
  CursorStore,
  Lease,
  LogSink,
  LogSource,
  RequestBudget,
  SourcePage,
  SourceProject,
  StoredCursor,
} from '../ports/sources.ts'
import type { Clock } from '../ports.ts'

export interface PollSettings {
  /** How long behind the newest entry the source is read again for entries that come late, ms. */
  readonly overlapMs: number
  /** How far back the first run reads, ms. */
  readonly firstRunMs: number
  /** How long the source keeps its entries, ms. */
  readonly retentionMs: number
  /** Time for one run over all projects, ms. */
  readonly runMs: number
  /** Requests of one run over all projects. */
  readonly runRequestsMax: number
}

export interface ProjectParts {
  readonly source: LogSource
  readonly cursors: CursorStore
  readonly sinks: readonly LogSink[]
  readonly clock: Clock
  readonly settings: PollSettings
  /** Names the run in its lease; another one for every run. */
  readonly holder: string
}

/** What a run did. Times in ms since the epoch. */
export interface ProjectOutcome {
  readonly source: string
  readonly project: SourceProject
  /**
   * `complete`: everything the source has is stored. `partial`: the budget was used up, the next run goes on.
   * `busy`: another run is at work. `failed`: see `error`; what was stored before stays.
   */
  readonly state: 'complete' | 'partial' | 'busy' | 'failed'
  readonly error: GatewayError | undefined
  readonly startedMs: number
  readonly finishedMs: number
  /** Entries that every sink holds since this run. */
  readonly stored: number
  /** Of those, the ones that are older than what was stored before: they came late. */
  readonly late: number
  /** Entries that were found in a sink by looking, after a run that ended in the middle. */
  readonly found: number
  readonly oversized: number
  readonly rejected: number
  readonly unreadable: number
  readonly requests: number
  /** Time of the newest stored entry, and until when everything was read; undefined where the cursor is not known. */
  readonly lastTsMs: number | undefined
  readonly checkedMs: number | undefined
  /** A time range that the source no longer keeps and that was not read, or that the first run leaves out. */
  readonly lost: { readonly fromMs: number; readonly toMs: number } | undefined
}

/** The part of a run's requests that may go to what was read before, while there is more to read. */
const SWEEP_SHARE = 0.5
/** Entries that are stored at once; what CloudWatch takes in one call. */
const CHUNK_ENTRIES = 10_000
const CHUNK_JSON_UNITS = 4 * 1024 * 1024
/** Entries that a backward walk collects before it stores them: they have to be put into order first. */
const HELD_JSON_UNITS = 32 * 1024 * 1024
/** Behind the time of a run: what a write may take that began within it, and that clocks may differ. */
const LEASE_MARGIN_MS = 60_000
/** CloudWatch shows what was put within seconds: the run after a failure looks for it, and must not look too soon. */
const LOOK_AFTER_MS = 10_000
/** While nothing comes, how often it is written down that nothing came. */
const CHECKED_SAVE_MS = 10 * 60_000

/** Runs once. Never rejects: what went wrong is in the outcome. */
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
  #loaded: StoredCursor | undefined
  #cursor: SourceCursor | undefined
  #lease: Lease | undefined
  #revision = 0
  /** The cursor moved since it was saved. */
  #isMoved = false
  /** A run before ended in the middle, or there was none: what it may have stored is not known. */
  #isDoubtful = false
  #entries: SourceEntry[] = []
  readonly #held = new Set<string>()
  #heldUnits = 0
  readonly #counts = { stored: 0, late: 0, found: 0, oversized: 0, rejected: 0, unreadable: 0, requests: 0 }
  #lost: ProjectOutcome['lost']

  constructor(parts: ProjectParts, project: SourceProject, budget: RequestBudget) {
    this.#parts = parts
    this.#project = project
    this.#budget = budget
    this.#startedMs = parts.clock.nowMs()
  }

  async run(): Promise<'complete' | 'partial' | 'busy'> {
    const loaded = await this.#parts.cursors.load(this.#project.id)
    this.#loaded = loaded
    if (loaded.lease !== undefined && loaded.lease.untilMs > this.#startedMs) return 'busy'
    this.#cursor = this.#begin(loaded)
    const isComplete = await this.#walks()
    await this.#finish(isComplete)
    return isComplete ? 'complete' : 'partial'
  }

  /** Leaves a lease that is soon over: it tells the next run to look before it writes. */
  async abandon(): Promise<void> {
    if (this.#lease === undefined || this.#cursor === undefined) return
    const lease = { ...this.#lease, untilMs: this.#parts.clock.nowMs() + LOOK_AFTER_MS }
    // Where this fails too, the lease runs out by itself.
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
      finishedMs: this.#parts.clock.nowMs(),
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

  /** True when everything was read. First what may have come late, then, where that took too long, what is new. */
  async #walks(): Promise<boolean> {
    const cursor = this.#known
    const frontierMs = cursor.lastTsMs
    const sweep = await this.#walk({ fromMs: cursor.sweptMs, resume: cursor.walk?.resume, frontierMs, isSweep: true })
    if (sweep !== 'behind') return sweep === 'complete'
    return (await this.#walk({ fromMs: frontierMs, frontierMs, isSweep: false })) === 'complete'
  }

  /** `behind`: the walk did not come to `frontierMs` with its share of the requests. */
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
        this.#hold(page)
        if (page.direction === 'forward') positionMs = Math.max(positionMs, page.entries.at(-1)?.timestampMs ?? 0)
        if (page.isLast || this.#isFull(page.direction)) {
          if (page.isLast) positionMs = this.#startedMs
          await this.#store(progress())
          if (page.direction === 'backward') break
        }
      }
    } catch (error) {
      // The pages before are good, and so is the cursor behind them; a sink's or the cursor's failure is another matter.
      if (isOfSource(error)) {
        await this.#store(progress())
        await this.#finish(false)
      }
      throw error
    }
    if (page?.isLast === true) return 'complete'
    await this.#store(progress())
    const isSpent = this.#parts.clock.nowMs() >= this.#budget.untilMs
    return isBehind() && !isSpent && page?.direction !== 'backward' ? 'behind' : 'partial'
  }

  get #known(): SourceCursor {
    return this.#cursor as SourceCursor
  }

  /** Keeps what is new of a page until it is stored. */
  #hold(page: SourcePage): void {
    const { ids, sweptMs } = this.#known
    this.#counts.unreadable += page.unreadable
    for (const entry of page.entries) {
      if (entry.timestampMs < sweptMs || ids.has(entry.id) || this.#held.has(entry.id)) continue
      this.#held.add(entry.id)
      this.#entries.push(entry)
      this.#heldUnits += entry.json.length
    }
  }

  #isFull(direction: SourcePage['direction']): boolean {
    if (direction === 'backward') return this.#heldUnits >= HELD_JSON_UNITS
    return this.#entries.length >= CHUNK_ENTRIES || this.#heldUnits >= CHUNK_JSON_UNITS
  }

  /** Stores what is held, oldest first, and moves the cursor behind it. */
  async #store(progress: Progress): Promise<void> {
    const entries = this.#entries.sort((a, b) => a.timestampMs - b.timestampMs)
    for (let start = 0; start < entries.length; start += CHUNK_ENTRIES) {
      await this.#write(entries.slice(start, start + CHUNK_ENTRIES))
    }
    const before = this.#known
    this.#cursor =
      progress.page?.direction === 'backward' ? this.#moveBackward(progress, entries) : this.#move(progress, entries)
    this.#isMoved ||= entries.length > 0 || before.walk !== this.#cursor.walk
    this.#entries = []
    this.#held.clear()
    this.#heldUnits = 0
  }

  async #write(entries: readonly SourceEntry[]): Promise<void> {
    await this.#claim()
    // What earlier chunks stored is saved before the next one, so that little has to be looked up after a crash.
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

  #move({ positionMs, isSweep, frontierMs }: Progress, stored: readonly SourceEntry[]): SourceCursor {
    const isFrontier = !isSweep || positionMs >= frontierMs
    const { overlapMs } = this.#parts.settings
    const { walk: _walk, ...cursor } = this.#known
    return advanceCursor(cursor, { stored, positionMs, isSweep, isFrontier, startedMs: this.#startedMs, overlapMs })
  }

  /** Until a backward walk is complete, only the place where it goes on is kept, and the time that it began at. */
  #moveBackward({ page }: Progress, stored: readonly SourceEntry[]): SourceCursor {
    const { walk, ...cursor } = this.#known
    const { overlapMs } = this.#parts.settings
    const newestMs = stored.reduce((newest, { timestampMs }) => Math.max(newest, timestampMs), cursor.lastTsMs)
    const topMs = walk?.topMs ?? Math.min(newestMs, this.#startedMs)
    if (page?.resume === undefined) {
      const reached = { ...cursor, lastTsMs: Math.max(cursor.lastTsMs, topMs) }
      const startedMs = this.#startedMs
      return advanceCursor(reached, {
        stored,
        positionMs: startedMs,
        isSweep: true,
        isFrontier: true,
        startedMs,
        overlapMs,
      })
    }
    const ids = new Map([...cursor.ids, ...stored.map(({ id, timestampMs }) => [id, timestampMs] as const)])
    const doubtful = withDoubt({ ...cursor, ids }, this.#startedMs + overlapMs)
    return { ...boundIds(doubtful, CURSOR_IDS_MAX), walk: { resume: page.resume, topMs } }
  }

  /** Writes down what became of the run, where that is worth a write. */
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

  /** A run that was held up, frozen perhaps, must not write beside its successor. */
  #assertLease(): void {
    if (this.#parts.clock.nowMs() + LEASE_MARGIN_MS / 2 < (this.#lease?.untilMs ?? 0)) return
    const text =
      'the run took longer than its lease; nothing more is written; the next run goes on; raise MILLRACE_POLL_RUN_TIME if this comes often'
    throw new GatewayError('state_conflict', text)
  }
}

interface Walk {
  readonly fromMs: number
  readonly resume?: string | undefined
  /** Time of the newest entry that was stored when the run began. */
  readonly frontierMs: number
  readonly isSweep: boolean
}

interface Progress extends Walk {
  readonly positionMs: number
  /** The newest page that was read. */
  readonly page: SourcePage | undefined
}

function isOfSource(error: unknown): boolean {
  return error instanceof GatewayError && (error.code === 'source_unavailable' || error.code === 'body_too_large')
}
