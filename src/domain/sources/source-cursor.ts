/** How far a project of a source has been read, and how that moves with what is stored. */

import type { SourceEntry } from './source-entry.ts'

/** How far a project has been read. */
export interface SourceCursor {
  /** Time of the newest entry that is stored, ms since the epoch; never ahead of the clock. */
  readonly lastTsMs: number
  /** Entries before this time are not looked at again. */
  readonly sweptMs: number
  /** Until then everything was read, with what the source showed at that time; ms since the epoch. */
  readonly checkedMs: number
  /** Ids of stored entries from `idsFromMs` on, with their times. */
  readonly ids: ReadonlyMap<string, number>
  /** Between `sweptMs` and this time, an id that is not in `ids` may nevertheless be stored. */
  readonly idsFromMs: number
  /** A backward walk that has not reached `sweptMs`: everything from its `resume` up to its `topMs` is stored. */
  readonly walk?: {
    readonly resume: string
    readonly topMs: number
  }
}

/** Ids that a cursor holds at most; older ones are looked up in the sinks where they are needed. */
const CURSOR_IDS_MAX = 200_000

/** The cursor of a first run, which knows nothing of what the sinks hold. */
export function firstCursor(fromMs: number, doubtfulUntilMs: number): SourceCursor {
  return { lastTsMs: fromMs, sweptMs: fromMs, checkedMs: fromMs, ids: new Map(), idsFromMs: doubtfulUntilMs }
}

/** The same cursor, with doubt about everything up to a time: a run before ended in the middle. */
export function withDoubt(cursor: SourceCursor, untilMs: number): SourceCursor {
  return { ...cursor, idsFromMs: Math.max(cursor.idsFromMs, untilMs) }
}

export interface Advance {
  readonly stored: readonly SourceEntry[]
  /** Everything up to this time was read, from where the walk began on; ms since the epoch. */
  readonly positionMs: number
  /** The walk began at or before `sweptMs`: what lies behind it need not be read again. */
  readonly isSweep: boolean
  /** The walk reached, or began at, `lastTsMs`. */
  readonly isFrontier: boolean
  /** When the run began: the cursor never passes it, for clocks of others may be ahead. */
  readonly startedMs: number
  readonly overlapMs: number
}

/** The cursor behind entries that are stored, of a walk forward. */
export function advanceCursor(cursor: SourceCursor, advance: Advance): SourceCursor {
  const { stored, positionMs, isSweep, isFrontier, startedMs, overlapMs } = advance
  const newestMs = stored.reduce((newest, { timestampMs }) => Math.max(newest, timestampMs), 0)
  // The position of a finished walk is its run's beginning; the newest entry is what the next run begins at.
  const reachedMs = Math.min(positionMs, newestMs, startedMs)
  const lastTsMs = isFrontier ? Math.max(cursor.lastTsMs, reachedMs) : cursor.lastTsMs
  const sweptMs = isSweep ? Math.max(cursor.sweptMs, Math.min(positionMs, lastTsMs - overlapMs)) : cursor.sweptMs
  const ids = new Map(cursor.ids)
  for (const { id, timestampMs } of stored) ids.set(id, timestampMs)
  return boundIds({ ...cursor, lastTsMs, sweptMs, ids: idsFrom(ids, sweptMs) }, CURSOR_IDS_MAX)
}

export interface BackwardMove extends Pick<Advance, 'stored' | 'startedMs' | 'overlapMs'> {
  /** Where the walk goes on; undefined when it is complete. */
  readonly resume: string | undefined
}

/**
 * The cursor behind entries of a walk backward. Until that is complete, only the place where it goes on is kept, and the
 * time that it began at; what it stored is in doubt for those that come after.
 */
export function moveBackward({ walk, ...cursor }: SourceCursor, move: BackwardMove): SourceCursor {
  const { stored, startedMs, overlapMs, resume } = move
  const newestMs = stored.reduce((newest, { timestampMs }) => Math.max(newest, timestampMs), cursor.lastTsMs)
  const topMs = walk?.topMs ?? Math.min(newestMs, startedMs)
  if (resume === undefined) {
    const reached = { ...cursor, lastTsMs: Math.max(cursor.lastTsMs, topMs) }
    return advanceCursor(reached, { ...move, positionMs: startedMs, isSweep: true, isFrontier: true, overlapMs })
  }
  const ids = new Map([...cursor.ids, ...stored.map(({ id, timestampMs }) => [id, timestampMs] as const)])
  const doubtful = withDoubt({ ...cursor, ids }, startedMs + overlapMs)
  return { ...boundIds(doubtful, CURSOR_IDS_MAX), walk: { resume, topMs } }
}

/** The cursor with its newest ids only, at most so many; tells from when on they are complete. */
export function boundIds(cursor: SourceCursor, idsMax: number): SourceCursor {
  if (cursor.ids.size <= idsMax) return cursor
  const times = [...cursor.ids.values()].sort((a, b) => b - a)
  // Ids of the time at which the room ends go as well: either all of a millisecond are known or none.
  const idsFromMs = (times[idsMax] as number) + 1
  return { ...cursor, ids: idsFrom(cursor.ids, idsFromMs), idsFromMs: Math.max(cursor.idsFromMs, idsFromMs) }
}

function idsFrom(ids: ReadonlyMap<string, number>, fromMs: number): ReadonlyMap<string, number> {
  return new Map([...ids].filter(([, timestampMs]) => timestampMs >= fromMs))
}
