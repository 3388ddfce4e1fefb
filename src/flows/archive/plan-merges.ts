/** Decides which files of a day become one: those of an arrival's hour, then those of the whole day. */

import type { ArchiveFile } from '../../ports/archive.ts'

/** Files that become one, or a few, of `level`. */
export interface Merge {
  readonly level: number
  /** Earlier arrivals first. */
  readonly files: readonly ArchiveFile[]
}

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const SPANS_PER_HOUR = 6
const SPAN_MS = 10 * MINUTE_MS
/**
 * A reader takes the state of a bucket before its files. What was sealed within this time may be newer than a reader's state, so it stays
 * apart: far longer than a reader waits between the two.
 */
const SETTLED_MS = 15 * MINUTE_MS
/** After the end of a day most of what is late has arrived. */
const DAY_WAIT_MS = 2 * HOUR_MS
/** Compressed bytes merged at a time. */
const MERGE_BYTES_MAX = 256 * 2 ** 20
/** Small files of late lines: so many of a day are merged once more. */
const SMALL_FILES = 8
const SMALL_BYTES = 32 * 2 ** 20

/** Each file is in one merge at most. `dayEndMs`: the end of the day that the files' entries are of. */
export function planMerges(files: readonly ArchiveFile[], dayEndMs: number, nowMs: number): readonly Merge[] {
  const settled = files.filter(({ committedMs }) => committedMs <= nowMs - SETTLED_MS)
  if (nowMs >= dayEndMs + DAY_WAIT_MS) {
    const small = settled.filter(({ level, bytes }) => level === 2 && bytes < SMALL_BYTES)
    const fresh = settled.filter(({ level }) => level < 2)
    return mergesOf(2, small.length >= SMALL_FILES ? [...fresh, ...small] : fresh)
  }
  const byHour = new Map<number, ArchiveFile[]>()
  for (const file of settled) {
    const hour = Math.floor(file.span / SPANS_PER_HOUR)
    if (file.level > 0 || nowMs < (hour + 1) * SPANS_PER_HOUR * SPAN_MS + SETTLED_MS) continue
    byHour.set(hour, [...(byHour.get(hour) ?? []), file])
  }
  return [...byHour.values()].flatMap((each) => mergesOf(1, each))
}

/** Groups of at least two files, each of at most MERGE_BYTES_MAX unless its first two have more. */
function mergesOf(level: number, files: readonly ArchiveFile[]): Merge[] {
  const groups: ArchiveFile[][] = []
  let bytes = 0
  for (const file of files.toSorted((a, b) => a.span - b.span)) {
    const group = groups.at(-1)
    if (group === undefined || bytes + file.bytes > MERGE_BYTES_MAX) {
      groups.push([file])
      bytes = file.bytes
    } else {
      group.push(file)
      bytes += file.bytes
    }
  }
  return groups.filter(({ length }) => length > 1).map((group) => ({ level, files: group }))
}
