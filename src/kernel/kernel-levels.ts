/** Finds the levels of many lines in WebAssembly. */

import { findLevels, LEVEL_PENDING, type LevelColumns } from '../domain/levels/line-level.ts'
import { type Kernel, kernel, SLACK_BYTES } from './kernel.ts'

/** Below this size copying in costs more than it gains. */
const BYTES_MIN = 2048
/** Maximum span of text that is copied in at once, and maximum number of its entries. */
const WINDOW_BYTES = 2 * 1024 * 1024
const WINDOW_ENTRIES = 64 * 1024

/** The same as findLevels of the domain, which does what WebAssembly cannot. */
export function findLevelsByKernel(columns: LevelColumns): void {
  const loaded = columns.text.length < BYTES_MIN ? undefined : kernel()
  if (loaded !== undefined) {
    for (let start = 0; start < columns.count; ) start = findInWindow(loaded, columns, start)
  }
  findLevels(columns)
}

/** Finds the levels of entries from `start`, as many as have their lines close together; returns the first that is left. */
function findInWindow(loaded: Kernel, { text, starts, ends, levels, count }: LevelColumns, start: number): number {
  let low = starts[start] as number
  let high = ends[start] as number
  let end = start + 1
  let isPending = levels[start] === LEVEL_PENDING
  for (; end < count && end - start < WINDOW_ENTRIES; end++) {
    const nextLow = Math.min(low, starts[end] as number)
    const nextHigh = Math.max(high, ends[end] as number)
    if (nextHigh - nextLow > WINDOW_BYTES) break
    low = nextLow
    high = nextHigh
    if (levels[end] === LEVEL_PENDING) isPending = true
  }
  if (!isPending) return end
  // A few bytes around a line may be looked at: those of the text, and zeros around it.
  const from = Math.max(0, low - SLACK_BYTES)
  const to = Math.min(text.length, high + SLACK_BYTES)
  const entries = end - start
  const addresses = loaded.reserve(to - from, entries * 4, entries * 4, entries)
  if (addresses === undefined) return end
  const [textAt, startsAt, endsAt, levelsAt] = addresses as [number, number, number, number]
  const { bytes } = loaded
  bytes.fill(0, textAt - SLACK_BYTES, textAt)
  bytes.set(text.subarray(from, to), textAt)
  bytes.fill(0, textAt + to - from, textAt + to - from + SLACK_BYTES)
  new Uint32Array(bytes.buffer, startsAt, entries).set(starts.subarray(start, end))
  new Uint32Array(bytes.buffer, endsAt, entries).set(ends.subarray(start, end))
  bytes.set(levels.subarray(start, end), levelsAt)
  loaded.exports.findLevels(textAt - from, startsAt, endsAt, levelsAt, entries)
  levels.set(bytes.subarray(levelsAt, levelsAt + entries), start)
  return end
}
