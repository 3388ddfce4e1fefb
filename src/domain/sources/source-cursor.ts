/** The cursor of a project: how far it has been read, and how the cursor moves. */

import type { SourceEntry } from './source-entry.ts'

/** The position up to which a project of a source has been read. */
export interface SourceCursor {
  /** Time of the newest stored entry, ms since the epoch; never in the future. */
  readonly lastTsMs: number
  /** Entries before this time are not read again. */
  readonly sweptMs: number
  /** Everything that the source had at that time has been read up to this time; ms since the epoch. */
  readonly checkedMs: number
  /** Ids of stored entries from `idsFromMs` on, with their times. */
  readonly ids: ReadonlyMap<string, number>
  /** Between `sweptMs` and this time, an entry may be stored even if its id is not in `ids`. */
  readonly idsFromMs: number
  /** An unfinished backward walk that has not reached `sweptMs`: everything from `resume` up to `topMs` is stored. */
  readonly walk?: {
    readonly resume: string
    readonly topMs: number
  }
}

/** Maximum number of ids in a cursor; older ones are looked up in the sinks if needed. */
const CURSOR_IDS_MAX = 200_000

/** The cursor of a first run, when the contents of the sinks are unknown. */
export function firstCursor(fromMs: number, doubtfulUntilMs: number): SourceCursor {
  return { lastTsMs: fromMs, sweptMs: fromMs, checkedMs: fromMs, ids: new Map(), idsFromMs: doubtfulUntilMs }
}

/** The same cursor, with everything up to a time marked as doubtful, after an interrupted run. */
export function withDoubt(cursor: SourceCursor, untilMs: number): SourceCursor {
  return { ...cursor, idsFromMs: Math.max(cursor.idsFromMs, untilMs) }
}

export interface Advance {
  readonly stored: readonly SourceEntry[]
  /** The walk has read everything from its start up to this time; ms since the epoch. */
  readonly positionMs: number
  /** The walk started at or before `sweptMs`, so the time before it need not be read again. */
  readonly isSweep: boolean
  /** The walk reached `lastTsMs` or started there. */
  readonly isFrontier: boolean
  /** The start of the run; the cursor never passes it, because other clocks may be ahead. */
  readonly startedMs: number
  readonly overlapMs: number
}

/** The cursor after storing entries of a forward walk. */
export function advanceCursor(cursor: SourceCursor, advance: Advance): SourceCursor {
  const { stored, positionMs, isSweep, isFrontier, startedMs, overlapMs } = advance
  const newestMs = stored.reduce((newest, { timestampMs }) => Math.max(newest, timestampMs), 0)
  // The position of a finished walk is the start of its run; the next run starts at the newest entry.
  const reachedMs = Math.min(positionMs, newestMs, startedMs)
  const lastTsMs = isFrontier ? Math.max(cursor.lastTsMs, reachedMs) : cursor.lastTsMs
  const sweptMs = isSweep ? Math.max(cursor.sweptMs, Math.min(positionMs, lastTsMs - overlapMs)) : cursor.sweptMs
  const ids = new Map(cursor.ids)
  for (const { id, timestampMs } of stored) ids.set(id, timestampMs)
  return boundIds({ ...cursor, lastTsMs, sweptMs, ids: idsFrom(ids, sweptMs) }, CURSOR_IDS_MAX)
}

export interface BackwardMove extends Pick<Advance, 'stored' | 'startedMs' | 'overlapMs'> {
  /** Where the walk continues; undefined if it is complete. */
  readonly resume: string | undefined
}

/**
 * The cursor after storing entries of a backward walk. Until the walk is complete, it keeps only the position and the start
 * time of the walk; the stored entries are doubtful for later walks.
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

/** The cursor with at most `idsMax` of its newest ids, and the time from which they are complete. */
export function boundIds(cursor: SourceCursor, idsMax: number): SourceCursor {
  if (cursor.ids.size <= idsMax) return cursor
  const times = [...cursor.ids.values()].sort((a, b) => b - a)
  // Also drops the ids of the millisecond at the limit: a millisecond has all its ids or none.
  const idsFromMs = (times[idsMax] as number) + 1
  return { ...cursor, ids: idsFrom(cursor.ids, idsFromMs), idsFromMs: Math.max(cursor.idsFromMs, idsFromMs) }
}

function idsFrom(ids: ReadonlyMap<string, number>, fromMs: number): ReadonlyMap<string, number> {
  return new Map([...ids].filter(([, timestampMs]) => timestampMs >= fromMs))
}
